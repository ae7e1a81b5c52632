"""The words of the findings of ``examine``: about files as they are used together, when none of them is broken. Pure."""

from diskchain.behaviours import statement, up_to_newest
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, Stops, finding
from diskchain.image.header import Identity
from diskchain.storage.reference import redacted
from diskchain.storage.terms import Format, StorageType
from diskchain.system.shell_words import file_word, shell_word
from diskchain.units import human_size

#: Formats ``qemu-img check -r`` mends, or whose log it replays.
_REPAIRABLE = frozenset({Format.QCOW2, Format.QED, Format.PARALLELS, Format.VHDX})
#: Formats whose parent only their own hypervisor reads.
DIFFERENCING = frozenset({Format.VPC, Format.VHDX, Format.VDI})


def smaller(overlay: str, base: str, capacity: int, below: int) -> Finding:
    """The guest sees less than the backing file holds."""
    return finding(
        "capacity-mismatch",
        f"{printable(overlay)} has a capacity of {_sizes(capacity, below)} in its backing file {printable(base)}: "
        "the guest does not see the rest",
        file=overlay,
        referrer=base,
    )


def larger(overlay: str, base: str, capacity: int, below: int) -> Finding:
    """The overlay was made larger, as is done with cloud images: zeros lie behind the end of the backing file."""
    return finding(
        "capacity-mismatch",
        f"{printable(overlay)} has a capacity of {_sizes(capacity, below)} in its backing file {printable(base)}: "
        "a commit enlarges that",
        severity=Severity.INFO,
        file=overlay,
        referrer=base,
    )


def _sizes(one: int, other: int) -> str:
    shown = human_size(one), human_size(other)
    return f"{shown[0]}, against {shown[1]}" if shown[0] != shown[1] else f"{one} bytes, against {other}"


def other_parent(overlay: str, base: str, remembered: str, present: str | None) -> Finding:
    """The overlay remembers another id than the backing file has."""
    return finding(
        "base-changed",
        f"{printable(overlay)} was made over an image with id {printable(remembered)}, but {printable(base)} has "
        f"{printable(present) if present else 'none'}: it was written to since, or is another image",
        file=base,
        referrer=overlay,
    )


def written_since(overlay: str, base: str) -> Finding:
    """The backing file's modification time is later than the one the overlay remembers. A copy would have that, too."""
    return finding(
        "base-changed",
        f"{printable(base)} was modified after {printable(overlay)} was made over it: written to, or only copied",
        severity=Severity.WARNING,
        file=base,
        referrer=overlay,
    )


def dirty(path: str, format: Format, *, base: bool, read_only: bool) -> Finding:
    """The header says that somebody has the image open for writing, or had when the power went."""
    repair = f"qemu-img check -r all -f {format} {file_word(path)}" if format in _REPAIRABLE else None
    if format is Format.VHDX and read_only:
        what, severity = "its log has to be replayed, and QEMU refuses to open it read-only before", Severity.ERROR
        found = finding("dirty", f"{printable(path)}: {what}", severity=severity, file=path, fix=repair)
        return found._replace(stops=Stops.START)
    if base:
        what, severity = "though it is a backing file, which nobody should write to", Severity.WARNING
    elif format is Format.PARALLELS:
        what, severity = statement("dirty/parallels"), Severity.WARNING
    else:
        mended = "sees to when it opens it for writing" if format in _REPAIRABLE else "ignores"
        what, severity = f"which QEMU {mended}", Severity.INFO
    message = f"{printable(path)} is in use or was not closed properly, {what}"
    fix = None if severity is Severity.INFO else repair
    return finding("dirty", message, severity=severity, file=path, fix=fix)


def corrupt(path: str, format: Format) -> Finding:
    """QEMU marked the image as damaged: it stops with an error instead of writing to it."""
    copied = f"cp --sparse=always --backup=numbered -- {file_word(path)} {file_word(path + '.before-repair')}"
    return finding(
        "corrupt",
        f"{printable(path)} is marked as corrupt: QEMU reads it, and refuses to write to it",
        file=path,
        fix=f"{copied} && qemu-img check -r all -f {format} {file_word(path)}",
    )


def unknown_features(path: str, names: tuple[str, ...]) -> Finding:
    """The image has features that no QEMU up to 10.0 knows; none may ignore them."""
    message = f"{printable(path)} needs what {up_to_newest('QEMU')} does not have: {', '.join(map(printable, names))}"
    return finding("unknown-incompatible-feature", message, file=path)


def legacy_encryption(path: str, format: Format) -> Finding:
    """AES-CBC with the plain passphrase for a key: only tools still read it."""
    old = f"driver={format},encrypt.format=aes,encrypt.key-secret=s,file.filename={path.replace(',', ',,')}"
    return finding(
        "legacy-qcow2-encryption",
        f"{printable(path)} is encrypted in the old AES scheme: libvirt and QEMU start no domain with it",
        file=path,
        fix=f"qemu-img convert --object secret,id=s,file=PASSPHRASE_FILE --image-opts {shell_word(old)} "
        "-O qcow2 -o encrypt.format=luks,encrypt.key-secret=s NEW_IMAGE",
    )


def key_undeclared(path: str, layer: str | None, *, detected: bool, starts: bool) -> Finding:
    """A document has an encrypted image without its secret. ``layer``: what ``set-secret`` calls it.

    ``detected``: the document leaves it to be found; ``starts``: libvirt takes it for what the guest sees.
    """
    what = "the guest reads the encrypted bytes" if starts else "libvirt and QEMU start no domain with it"
    fix = None
    if layer is not None:
        first = "diskchain complete --in-place DOMAIN.xml && " if detected else ""
        fix = f"{first}diskchain set-secret --in-place DOMAIN.xml --layer {shell_word(layer)} --uuid SECRET_UUID"
    return finding(
        "encryption-undeclared",
        f"{printable(path)} is encrypted (LUKS), and the document names no secret for it: {what}",
        severity=Severity.WARNING if starts else None,
        file=path,
        fix=fix,
    )


def luks2(path: str, *, opened: bool) -> Finding:
    """``opened``: QEMU or libvirt have to open it; else a guest may do so itself, to which the image is raw."""
    if opened:
        message = f"{printable(path)} is encrypted with LUKS version 2: QEMU opens version 1 alone"
    else:
        message = f"{printable(path)} is encrypted with LUKS version 2, which its guest may open and QEMU does not"
    return finding("unsupported-image", message, severity=None if opened else Severity.INFO, file=path)


def data_file_truncated(image: str, path: str, size: int, capacity: int, *, raw: bool) -> Finding:
    """The data file of ``image`` has fewer bytes than the disk. ``raw``: it is to be used by itself as well."""
    return finding(
        "truncated",
        f"{printable(path)} was cut short: it holds the data of {printable(image)}, a disk of {capacity} bytes, and has "
        f"{size}; QEMU opens it, and the guest reads zeros there",
        severity=None if raw else Severity.WARNING,
        file=path,
        referrer=image,
    )


def parent_unsupported(path: str, format: Format, identity: Identity, *, opens: bool) -> Finding:
    """A differencing VHD, VHDX or VDI, or a VMDK (COWD) that names its parent where only ESX 2 looks.

    ``opens`` False: QEMU refuses it for another reason as well.
    """
    if format is Format.VPC and opens:
        what = "QEMU ignores the parent, and the guest reads zeros where it should read the parent's data"
    else:
        what = "QEMU refuses to open it"
    called = " or ".join(printable(redacted(name)) for name in dict.fromkeys(identity.parent_names))
    parent = ", ".join(filter(None, (called, identity.parent and f"id {printable(identity.parent)}")))
    return finding(
        "parent-unsupported",
        f"{printable(path)} holds only the differences to a parent image ({parent}), which is no part of this chain: {what}",
        file=path,
    )


def directory(path: str, referrer: str) -> Finding:
    """Below an overlay libvirt reads one only if that names it ``fat:DIR`` and records ``fat``, which QEMU's tools do not write."""
    return finding(
        "not-storage",
        f"{printable(path)} is a directory, not a disk image, named by {printable(referrer)}: libvirt refuses to start the domain",
        file=path,
        referrer=referrer,
    )


def other_type(path: str, said: StorageType, present: StorageType) -> Finding:
    """The QEMU driver that goes with the type in the document opens nothing else."""
    what = {StorageType.DIR: "a directory", StorageType.BLOCK: "a block device"}.get(present, "a regular file")
    return finding(
        "source-type",
        f"{printable(path)} is {what}, but the document says type='{said}': libvirt and QEMU start no domain with it",
        file=path,
    )


def backing_on_raw(path: str, format: Format, base: str) -> Finding:
    """Such a domain does not start, or starts without what is below."""
    what = statement("backing-on-raw/raw") if format is Format.RAW else "libvirt refuses to start the domain"
    return finding(
        "backing-on-raw",
        f"{printable(path)} is {format}, a format without backing files, but the document puts {printable(base)} below it: {what}",
        file=path,
        referrer=base,
    )


def declared_otherwise(path: str, referrer: str, declared: Format, recorded: str) -> Finding:
    """Document and header disagree on the format of a backing file; the document wins."""
    return finding(
        "format-mismatch",
        f"{printable(referrer)} records {printable(recorded)} as the format of {printable(path)}, but the document says "
        f"{declared}, and that is how it is read",
        severity=None if declared is Format.RAW else Severity.WARNING,
        file=path,
        referrer=referrer,
    )


def container_as_raw(path: str, referrer: str, begins: str, origin: str) -> Finding:
    """Legal, and nearly always a mistake: the guest reads the container instead of what is in it."""
    who = {
        "recorded": f"{printable(referrer)} records raw as the format of {printable(path)}",
        "declared": f"the document says that {printable(path)} is raw",
    }.get(origin, f"{printable(path)} is taken for raw, as nobody says otherwise")
    return finding(
        "format-mismatch",
        f"{who}, but it {begins}: the guest sees the bytes of that file, not what is in it",
        severity=Severity.WARNING,
        file=path,
        referrer=referrer,
    )


def raw_with_header(path: str, begins: str) -> Finding:
    """A guest may write onto its disk what it likes; whoever guesses the format then believes it."""
    return finding(
        "format-mismatch",
        f"{printable(path)} is read as raw, and {begins}",
        severity=Severity.INFO,
        file=path,
    )


def outside(path: str, referrer: str, directories: tuple[str, ...]) -> Finding:
    """A layer was found where none should be."""
    where = " or ".join(map(printable, directories))
    return finding(
        "reference-outside-allowed",
        f"{printable(referrer)} leads to {printable(path)}, which is not in {where}",
        file=path,
        referrer=referrer,
    )


def relative_unresolvable(path: str, referrer: str | None) -> Finding:
    """Which file is meant depends on the directory a program was started in."""
    who = f", named by {printable(referrer)}," if referrer else ""
    return finding(
        "relative-unresolvable",
        f"{printable(path)}{who} is relative to nothing: each program looks in its own working directory, libvirt's is /",
        file=path,
        referrer=referrer,
    )


def absolute(overlay: str, reference: str) -> Finding:
    """A relative name would do, and would survive a move of the directory. Nothing is wrong, so nothing is to be rewritten."""
    return finding(
        "absolute-reference",
        f"{printable(overlay)} names {printable(reference)} by an absolute path where a relative one would do: "
        "the chain breaks when its directory moves",
        file=overlay,
        referrer=reference,
    )


def json_reference(overlay: str, text: str) -> Finding:
    """Not quoted: it may hold a password."""
    what = f"the backing string of {printable(overlay)} is a json: object of {len(text)} characters, which not every program reads"
    if text.isascii():
        return finding("json-reference", what, file=overlay)
    # json-c, by which libvirt 11.3 reads JSON, takes such letters for bytes that are no UTF-8. It reads them escaped.
    letters = f"{what}; with letters that are not ASCII, and not escaped: {statement('json-reference/letters')}"
    return finding("json-reference", letters, severity=Severity.WARNING, file=overlay)


def credentials_dropped(overlay: str, held: tuple[str, ...]) -> Finding:
    """The string is followed, as libvirt does, without what logs in; whoever can read the image has that."""
    return finding(
        "inline-credentials",
        f"the backing string of {printable(overlay)} holds a {' and a '.join(held)}, for all who can read the image; "
        "diskchain does not use it",
        file=overlay,
    )


def data_file_reference(path: str, data_file: str, *, over_backing: bool) -> Finding:
    """One image in two files. ``over_backing``: it names a backing file, too."""
    told = statement("data-file-reference/over-backing" if over_backing else "data-file-reference/alone")
    return finding(
        "data-file-reference",
        f"{printable(path)} keeps its data in {printable(data_file)}: they belong together; {told}",
        file=path,
        referrer=data_file,
    )


def extent_repeated(path: str, one: str, other: str) -> Finding:
    """The same bytes stand for two parts of one disk, or of two."""
    whose = f"{printable(one)} twice" if one == other else f"both {printable(one)} and {printable(other)}"
    return finding(
        "extent-repeated",
        f"the same bytes of {printable(path)} belong to {whose}: what is written in one place changes another",
        file=path,
        referrer=other,
    )


def world_writable(path: str, mode: int) -> Finding:
    """Whoever has an account on this host can change what every overlay shows."""
    return finding(
        "world-writable-base",
        f"everybody may write to the backing file {printable(path)} (mode {mode:04o})",
        file=path,
        fix=f"chmod o-w {file_word(path)}",
    )


def group_writable(path: str, mode: int, overlays: int) -> Finding:
    """Good to know where several overlays rely on one base."""
    return finding(
        "base-writable-while-shared",
        f"{overlays} images rely on {printable(path)}, and its group may write to it (mode {mode:04o})",
        severity=Severity.INFO,
        file=path,
        fix=f"chmod g-w {file_word(path)}",
    )


def written_elsewhere(path: str, writer: str) -> Finding:
    """What the guest of one disk writes changes what the guest of another reads."""
    return finding(
        "base-writable-while-shared",
        f"{printable(path)} is a backing file here, and {printable(writer)} writes to it",
        file=path,
        referrer=writer,
    )


def deep(top: str, depth: int, allowed: int) -> Finding:
    """Every read may have to look through all layers."""
    return finding(
        "chain-deeper-than",
        f"the chain of {printable(top)} has {depth} layers, more than {allowed}",
        file=top,
    )
