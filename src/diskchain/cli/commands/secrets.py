"""``diskchain secrets``: which layer needs which key, whether it is to be had here, and whether it opens the layer."""

import argparse
import json
import os
import sys
from typing import Any, Final, NamedTuple

from diskchain.cli.node_targets import NodeTarget, NumberedChain, node_targets, number_chains
from diskchain.cli.secret_options import add_secret_arguments, keys_of, pass_over
from diskchain.cli.target import add_target_arguments
from diskchain.discover.chain import BackingChain, Layer
from diskchain.errors import DiskchainError, LoginRefused, PeerError, SecretWrong, StorageError, UsageError, printable
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.luks_header import LUKS2_KEY_SLOTS
from diskchain.readers.local import open_local
from diskchain.secrets.keys import Found, Keys, describe
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import local_path
from diskchain.storage.source import TERMINATOR, Source, layers
from diskchain.storage.terms import Format

EXAMPLE = """\
examples:
  diskchain secrets vm.xml --secrets-from qemu:///system
  diskchain secrets -c qemu:///system vm --try
  diskchain secrets image.qcow2 --secret image.qcow2=file:/etc/keys/image --try

--try opens each layer, read-only and alone, in a qemu-storage-daemon; LUKS2, which QEMU does not know, it tries by itself. No key is
ever printed.

exit codes: 0 clean, 1 a key is missing or wrong, 2 usage, 3 could not tell"""

_COLUMNS: Final = ("layer", "kind", "cipher", "slots", "secret", "found", "opens")
_YES, _NO, _NOT_TRIED, _UNSURE = "yes", "no", "-", "could not tell"
_FROM_DOCUMENT: Final = {
    EncryptionFormat.DEFAULT: "legacy aes",
    EncryptionFormat.QCOW: "legacy aes",
    EncryptionFormat.LUKS: "luks",
}


class Row(NamedTuple):
    """One layer's key, in words. ``slots``: used of all; ``found``: where the key is, or ``no``."""

    layer: str
    kind: str
    cipher: str
    slots: str
    secret: str
    found: str
    opens: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``secrets``."""
    add_target_arguments(parser)
    add_secret_arguments(parser)
    parser.add_argument("--try", dest="attempt", action="store_true", help="find out whether each key opens its layer")
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/secrets/1)")


def run(args: argparse.Namespace) -> int:
    """Look, perhaps try, and print."""
    from diskchain.discover.patience import PatientDiscoverer
    from diskchain.report.findings import CLEAN, COULD_NOT_TELL, FINDINGS, exit_code

    discoverer = PatientDiscoverer()
    every = node_targets(args)
    disks = [disk for disk in every if disk.source is not None]
    if args.disk is not None:
        known = ", ".join(disk.name for disk in disks) or "none"
        disks = [disk for disk in disks if disk.name == args.disk]
        if not disks:
            raise UsageError(f"no disk is called {args.disk}; the disks are: {known}")
    rows: list[Row] = []
    unknown = False
    with keys_of(args) as keys:
        for disk in disks:
            chain = disk.discover(discoverer)
            assert chain is not None  # noqa: S101 (it has a source)
            unknown = unknown or exit_code(chain.findings) == COULD_NOT_TELL
            rows += _rows(disk, chain, keys, attempt=args.attempt)
        pass_over((disk for disk in every if disk not in disks), keys)
        keys.check_fit()
    if args.json:
        shown = [row._asdict() for row in rows]
        print(json.dumps({"schema": "diskchain/secrets/1", "target": args.target, "layers": shown}, indent=2))
    else:
        _print_table(rows)
    if any(_NO in (row.found, row.opens) for row in rows):
        return FINDINGS
    unsure = any(_UNSURE in cell for row in rows for cell in (row.found, row.opens))
    return COULD_NOT_TELL if unknown or unsure else CLEAN


def _print_table(rows: list[Row]) -> None:
    if not rows:
        print("no layer needs a key")
        return
    from diskchain.report.style import style_of

    style = style_of(sys.stdout, environ=dict(os.environ))
    cells = [_COLUMNS, *[tuple(printable(cell) for cell in row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_COLUMNS))]
    for number, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(style.bold(line) if number == 0 else line)


def _rows(disk: NodeTarget, chain: BackingChain, keys: Keys, *, attempt: bool) -> list[Row]:
    (numbered,) = number_chains([disk], [chain.source])
    rows = []
    for layer, source, names in zip(chain.layers, layers(numbered.source), numbered.names, strict=True):
        if source.auth is not None:
            kind = f"login to {getattr(source.location, 'protocol', source.location.type)}"
            found, where = _find(keys, names, source.auth.secret)
            opens = _try_login(source, source.auth.username, found) if attempt and found is not None else _NOT_TRIED
            rows.append(Row(names[0], kind, "", "", describe(source.auth.secret), where, opens))
            _wipe(found)
        if source.encryption is not None:
            rows.append(_encryption_row(layer, source.encryption, names, keys, attempt=attempt))
    return rows


def _encryption_row(layer: Layer, declared: Encryption, names: tuple[str, ...], keys: Keys, *, attempt: bool) -> Row:
    reference = declared.secrets[0] if declared.secrets else None
    found, where = _find(keys, names, reference)
    try:
        opens = _NOT_TRIED
        if attempt:
            opens = _NOT_TRIED if found is None else _try(layer, names, found)
        return Row(names[0], *_described(layer, declared), _secret(reference), where, opens)
    finally:
        _wipe(found)


def _described(layer: Layer, declared: Encryption) -> tuple[str, str, str]:
    """Kind, cipher and key slots: the header's word, or the document's where nobody could look."""
    seen = None if layer.header is None else _whole_header(layer, layer.header).encryption
    if seen is None:
        return _FROM_DOCUMENT.get(declared.format, str(declared.format)), "?", "?"
    if seen.kind == "aes":
        return "legacy aes", "aes-cbc", ""
    inside = "qcow2-" if layer.source.format is Format.QCOW2 else ""
    kind = inside + ("luks" if seen.kind == "luks1" else seen.kind)
    if seen.slots is None:
        return kind, seen.cipher or "?", "?"
    every = LUKS2_KEY_SLOTS if seen.kind == "luks2" else len(seen.slots)  # LUKS2 lists those in use
    used = f"{sum(slot.active for slot in seen.slots)} of {every}"
    return kind, seen.cipher or "?", used


def _whole_header(layer: Layer, header: ImageHeader) -> ImageHeader:
    """The header with its key slots, which discovery does not read; without them where they cannot be read."""
    path = local_path(layer.source.location)
    if path is None:
        return header
    try:
        with open_local(path) as image:
            return inspect(image, header.format, full=True)
    except DiskchainError:
        return header


def _secret(reference: SecretReference | None) -> str:
    return "none named" if reference is None else describe(reference)


def _find(keys: Keys, names: tuple[str, ...], reference: SecretReference | None) -> tuple[Found | None, str]:
    """The key, and where it is in words."""
    keys.want(names, reference)
    try:
        found = keys.find(names, reference)
    except (PeerError, StorageError) as error:
        return None, f"{_UNSURE}: {_short(error)}"
    return found, _NO if found is None else found.place


def _wipe(found: Found | None) -> None:
    if found is not None:
        found.value.wipe()


def _try(layer: Layer, names: tuple[str, ...], found: Found) -> str:
    """Open the layer by itself: what is below it matters to no key."""
    header = layer.header
    if header is not None and header.encryption is not None and header.encryption.kind == "luks2":
        return _try_luks2(layer.source, found)
    return _try_in_qemu(layer.source, names, found)


def _try_luks2(source: Source, found: Found) -> str:
    """By ourselves: QEMU does not know LUKS2."""
    from diskchain.image.luks2_unlock import opens_luks2

    path = local_path(source.location)
    if path is None:
        return f"{_UNSURE}: LUKS2 is tried on this host only"
    try:
        with open_local(path) as image, found.value.reveal() as passphrase:
            return _YES if opens_luks2(image, passphrase, source.slice.offset if source.slice else 0) else _NO
    except DiskchainError as error:
        return f"{_UNSURE}: {_short(error)}"


def _try_in_qemu(source: Source, names: tuple[str, ...], found: Found) -> str:
    from diskchain.qemu.blockdev import blockdev
    from diskchain.qemu.daemon import StorageDaemon
    from diskchain.qemu.items import SecretItem
    from diskchain.qemu.opening import open_nodes
    from diskchain.qemu.policy import QSD_SHARED

    alone: NumberedChain
    (alone,) = number_chains(
        [NodeTarget(names[0], source._replace(backing=TERMINATOR))], [source._replace(backing=TERMINATOR)]
    )
    try:
        emission = blockdev(alone.source, profile=QSD_SHARED)
        wanted: dict[str, Any] = {item.id: found.value for item in emission.items if isinstance(item, SecretItem)}
        with StorageDaemon() as daemon:
            open_nodes(daemon, emission, wanted, [names[0]])
    except SecretWrong:
        return _NO
    except (UsageError, PeerError) as error:
        return f"{_UNSURE}: {_short(error)}"
    return _YES


def _try_login(source: Source, user: str, found: Found) -> str:
    """Log in and open what is there, whatever it is."""
    from diskchain.qemu.bridge import Bridge
    from diskchain.readers.credentials import Credentials
    from diskchain.readers.opening import open_location

    try:
        with Bridge() as bridge:
            open_location(source.location, bridge=bridge, credentials=Credentials(user, found.value)).close()
    except LoginRefused:
        return _NO
    except DiskchainError as error:
        return f"{_UNSURE}: {_short(error)}"
    return _YES


def _short(error: DiskchainError) -> str:
    return str(error).splitlines()[0]
