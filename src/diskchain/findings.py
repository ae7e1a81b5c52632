"""What diskchain has to say about a file or a document: findings, and the table of all kinds of them.

A finding is a value, never an exception: a chain with a missing layer is still a chain worth showing.
Ids are stable; every id has a page in ``docs/findings/``. Knows only ``errors``.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from diskchain.errors import printable


class Severity(StrEnum):
    """How much a finding matters. ``ERROR``: the VM will not start or loses data. ``WARNING``: it may. ``INFO``: good to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Stops(StrEnum):
    """What libvirt refuses because of a finding: to define the domain, or to start it."""

    DEFINE = "define"
    START = "start"


class Finding(NamedTuple):
    """One thing worth telling.

    ``id`` is a key of :data:`KINDS`; ``file`` is what the finding is about, ``referrer`` the file or document that
    names it; ``line`` counts from 1 in ``file`` when that is a document; ``fix`` is a shell command that would mend it
    (never run by us); ``allowed`` lists accepted values. ``stops``: what libvirt refuses because of it, None where it refuses
    nothing or nobody can tell. ``disk`` is the target of the disk it is about (``vda``), ``layer`` that layer as every verb
    takes it (``vda[2]``); None where it is about no disk.
    """

    id: str
    severity: Severity
    message: str
    file: str | None = None
    referrer: str | None = None
    line: int | None = None
    fix: str | None = None
    allowed: tuple[str, ...] = ()
    stops: Stops | None = None
    disk: str | None = None
    layer: str | None = None


class Kind(NamedTuple):
    """A row of the table of findings: default severity, a title, whether it means "could not tell" (exit 3), what libvirt refuses."""

    severity: Severity
    title: str
    unknown: bool = False
    stops: Stops | None = None


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO
_DEFINE, _START = Stops.DEFINE, Stops.START

#: Every kind of finding, by id.
KINDS: dict[str, Kind] = {
    "document": Kind(_E, "a document is not well-formed, or says what libvirt's parser refuses", stops=_DEFINE),
    "missing": Kind(_E, "a layer is not where its overlay says", stops=_START),
    "candidate": Kind(_I, "a file that could be a missing layer"),
    "unreadable": Kind(_E, "a layer is there, and we may not read it", unknown=True),
    "timeout": Kind(_E, "a layer does not answer", unknown=True),
    "unreachable": Kind(_E, "the server of a layer could not be asked", unknown=True),
    "not-storage": Kind(_E, "a layer is a FIFO, socket, character device or directory", stops=_START),
    "source-type": Kind(_E, "a layer is another kind of file than the document says", stops=_START),
    "not-inspected": Kind(_W, "a layer is somewhere we did not look", unknown=True),
    "truncated": Kind(_E, "a file ends before its header or its tables say"),
    "qemu-refuses": Kind(_E, "QEMU does not open an image, though it can be read", stops=_START),
    "not-a-disk": Kind(_W, "a file is taken for a disk image, and is something else"),
    "malformed": Kind(_E, "the header is not what its format says", stops=_START),
    "loop": Kind(_E, "the chain comes back to a file it has already been through", stops=_START),
    "extent-repeated": Kind(_E, "the same bytes of a file stand for two parts of a chain", stops=_START),
    "too-deep": Kind(_E, "the chain is deeper than the policy allows"),
    "format-not-recorded": Kind(_W, "the overlay does not say what format its backing file has"),
    "format-unknown": Kind(_W, "the overlay records a format libvirt does not know"),
    "format-assumed-raw": Kind(_W, "nobody declared a format, so it is raw, and the header says otherwise"),
    "format-probed": Kind(_I, "nobody declared a format; it was guessed from the header"),
    "format-ambiguous": Kind(_E, "an image from a stranger could be taken for more than one format"),
    "format-mismatch": Kind(_E, "the declared or recorded format is not what the header says", stops=_START),
    "reference-syntax": Kind(_E, "a backing string cannot be understood", stops=_START),
    "foreign-reference": Kind(
        _E, "a header names a file in a way that only another system or program reads", stops=_START
    ),
    "inline-credentials": Kind(_W, "a backing string holds a user name or a password", unknown=True),
    "trust-in-header": Kind(_W, "a header says whom to trust, or which secrets to use"),
    "redirected": Kind(_W, "a server redirects to another one for a layer"),
    "reference-refused": Kind(_W, "the policy does not let us follow a reference"),
    "not-in-xml": Kind(_W, "a name has characters that no XML document can hold"),
    "hard-links": Kind(_I, "a document that was replaced has other names, which keep the old one"),
    "backing-differs": Kind(_E, "a document names another backing file than the header"),
    "layer-left-out": Kind(_E, "a document leaves out a layer that the headers name"),
    "terminated-early": Kind(_E, "the document ends the chain above files the header still names"),
    # What a chain says once all of it is known: discover.examine.
    "capacity-mismatch": Kind(_W, "an overlay and its backing file have different capacities"),
    "base-changed": Kind(_E, "a backing file is not, or no longer, the one its overlay was made over"),
    "dirty": Kind(_W, "an image is in use, or was not closed properly"),
    "corrupt": Kind(_E, "an image is marked as damaged", stops=_START),
    "bitmap-in-use": Kind(_W, "a dirty bitmap is marked as in use"),
    "read-only-format": Kind(_E, "a guest is to write to an image of a format that QEMU only reads", stops=_START),
    "raw-size": Kind(_W, "a raw image ends within a block, which direct I/O cannot read"),
    "unknown-incompatible-feature": Kind(_E, "an image has a feature that forbids opening it", stops=_START),
    "legacy-qcow2-encryption": Kind(
        _E, "an image is encrypted in the old AES scheme, which no domain can use", stops=_START
    ),
    "encryption-undeclared": Kind(
        _E, "an image is encrypted, and the document of its domain names no secret", stops=_START
    ),
    "unsupported-image": Kind(
        _E, "an image is of a kind that QEMU does not read, or is one part of several", stops=_START
    ),
    "parent-unsupported": Kind(_E, "an image holds only differences to a parent that QEMU does not read", stops=_START),
    "backing-on-raw": Kind(_E, "a document puts a backing file below a format that cannot have one", stops=_START),
    "reference-outside-allowed": Kind(_W, "a layer is outside the directories it should be in"),
    "relative-unresolvable": Kind(_W, "a layer has a relative name and nothing it is relative to", unknown=True),
    "absolute-reference": Kind(_I, "a backing file lies beside its overlay and is named by its absolute path"),
    "json-reference": Kind(_I, "a backing string is a json: object"),
    "data-file-reference": Kind(_I, "an image keeps its data in another file"),
    "world-writable-base": Kind(_W, "everybody may write a backing file"),
    "base-writable-while-shared": Kind(_E, "a backing file can be written while an overlay relies on it"),
    "image-used-twice": Kind(
        _E, "two disks use one image, at least one writes to it, and they do not put up with each other"
    ),
    "transient-overlay": Kind(_I, "a transient disk of a running domain is on an overlay of libvirt's own"),
    "chain-deeper-than": Kind(_W, "a chain has more layers than it should"),
    # Which layer holds which bytes: allocation.
    "damaged-table": Kind(_E, "a table of an image says what cannot be so"),
    "refcount-low": Kind(_E, "clusters of an image are used more often than its refcounts say"),
    "tables-overlap": Kind(_E, "two tables of an image, or a table and data, are in one place"),
    "leaked-clusters": Kind(_I, "clusters of an image are counted and not used"),
    "map-unknown": Kind(_W, "which bytes a layer holds cannot be told", unknown=True),
    "map-stale": Kind(_I, "an image is written to while its tables are read"),
    # Rights: access.
    "access-denied": Kind(_E, "a domain's user may not use a file the domain needs", stops=_START),
    "grant-open": Kind(_W, "rights that diskchain granted were not given back"),
    "journal-unusable": Kind(_E, "the journal of granted rights, or a record in it, cannot be used", unknown=True),
    "secret-missing": Kind(_E, "libvirt does not have a secret that a disk names", stops=_START),
    "secret-without-value": Kind(_E, "a secret that a disk names has no value", stops=_START),
    "secret-type": Kind(_E, "a secret that a disk names is of another type than its use", stops=_START),
    "secret-unknown": Kind(_W, "whether a secret that a disk names has a value could not be told", unknown=True),
    "image-locked": Kind(_W, "a domain cannot start now, as another process uses an image of it"),
    "owned-by-qemu": Kind(_I, "files belong to the hypervisor's user, and nothing shows that libvirt gave them to it"),
    "label-left-behind": Kind(_W, "a file belongs to the hypervisor's user, and no running domain uses it"),
    "label-writable": Kind(_W, "a domain may write a backing file that it only reads"),
    "remembered-count": Kind(_W, "libvirt counts more users of a file than there are running domains"),
    "remembered-stale": Kind(_W, "libvirt's note of a file's owner is from another boot, so it will be thrown away"),
    # Jobs: what keeps one from being begun, and what stops one.
    "job-chain": Kind(_E, "a job cannot work on a chain that is not known, or whose formats nobody recorded"),
    "job-format": Kind(_E, "a job cannot write to an image of this format, or in this place"),
    "job-secret": Kind(_E, "a job would have to open an encrypted layer"),
    "job-sizes": Kind(_E, "a merge would show data that are behind the end of the disk now"),
    "job-reference": Kind(_E, "the name of a layer is too long for a header"),
    "job-target": Kind(_E, "a job would write over a file that is there already"),
    "job-snapshots": Kind(_E, "a job would delete an image with internal snapshots"),
    "job-bitmaps": Kind(_W, "dirty bitmaps do not go along with a job"),
    "job-document": Kind(_E, "a job cannot change a document so that it fits the new chain"),
    "job-other-overlay": Kind(_E, "another overlay relies on a file that a job would change or delete"),
    "job-in-use": Kind(_E, "another process has a file of a job open"),
    "job-rights": Kind(_E, "the user who wants a job may not do what it needs"),
    "job-room": Kind(_E, "there may not be enough room for what a job copies"),
    "job-searched": Kind(_I, "where other overlays of a job's files were looked for"),
    "job-file-changed": Kind(_E, "a file of a job changed since the job was planned, or while it ran"),
    "job-engine-failed": Kind(_E, "a program that a job uses failed"),
    "job-unequal": Kind(_E, "a disk would read differently after a job"),
    "job-undecidable": Kind(_E, "the files of a job are not as it left them"),
    "merge-complete": Kind(_I, "a merge that another tool made is complete"),
    "merge-incomplete": Kind(_E, "a merge that another tool made was not finished"),
    "merge-undecidable": Kind(_E, "which of several files holds the data of a disk cannot be told"),
    # Documents, one layer, any hypervisor: libvirtxml.validate. libvirt does not define such a domain, or does not start it; a
    # warning where it does and the document still cannot mean what it says.
    "protocol-sheepdog": Kind(_E, "a source is on sheepdog, which QEMU has dropped", stops=_DEFINE),
    "auth-protocol": Kind(_E, "a source has a log-in, and its protocol has none", stops=_DEFINE),
    "auth-secret": Kind(_E, "the secret of a log-in is of the wrong type", stops=_DEFINE),
    "encryption-cipher": Kind(_E, "the encryption of a disk says which cipher a new volume would get", stops=_DEFINE),
    "data-store-format": Kind(_E, "an image that is not qcow2 has a data file", stops=_DEFINE),
    "data-store-raw": Kind(_E, "a data file is not raw", stops=_DEFINE),
    "data-store-nested": Kind(_E, "a data file has a data file or a backing file of its own", stops=_DEFINE),
    "data-store-slice": Kind(_E, "a data file is used in slices", stops=_DEFINE),
    "rbd-option": Kind(_W, "a source has an option of rbd, and is not on rbd"),
    # One layer, QEMU.
    "format-unsupported": Kind(_E, "QEMU does not read a format", stops=_DEFINE),
    "fat-source": Kind(_E, "the format is fat, and the source is no directory", stops=_DEFINE),
    "dir-format": Kind(_E, "the source is a directory, and the format is not fat", stops=_DEFINE),
    "dir-writable": Kind(_E, "a directory is to be written", stops=_DEFINE),
    "protocol-tftp": Kind(_E, "a source is on tftp, which QEMU has dropped", stops=_DEFINE),
    "protocol-option": Kind(_E, "a source has an option that its protocol does not have", stops=_DEFINE),
    "nfs-host": Kind(_E, "the host of an nfs source is not one name, reached over tcp, without a port", stops=_DEFINE),
    "metadata-cache-format": Kind(_E, "an image that is not qcow2 has a metadata cache", stops=_DEFINE),
    "encryption-legacy": Kind(
        _E, "an image is to be decrypted in qcow2's old scheme, which QEMU has dropped", stops=_DEFINE
    ),
    "encryption-qemu": Kind(_E, "QEMU itself cannot decrypt an image in this way", stops=_DEFINE),
    "encryption-librbd": Kind(_E, "librbd is to decrypt something that is not on rbd", stops=_DEFINE),
    "encryption-secret": Kind(_E, "an encryption names no secret", stops=_DEFINE),
    "tls-protocol": Kind(_E, "a source asks for TLS, and its protocol has none", stops=_DEFINE),
    "hosts": Kind(_E, "a source has too few or too many hosts", stops=_DEFINE),
    "seclabel-label": Kind(_E, "an image is to be relabelled, and no label is said", stops=_DEFINE),
    "network-name-empty": Kind(_E, "a source on the network has an empty name"),
    "host-brackets": Kind(_E, "the name of a host has brackets, which QEMU takes for a part of it", stops=_START),
    "hosts-ignored": Kind(_W, "a source has hosts that nobody will ask"),
    "host-transport": Kind(_E, "a host cannot be reached in this way", stops=_START),
    "iscsi-lun": Kind(_E, "the name of an iscsi source does not end in the number of a LUN", stops=_START),
    "no-block-nodes": Kind(_I, "a disk has no block nodes on QEMU's command line"),
    # A backup.
    "backup-disk": Kind(_E, "a backup names a disk that cannot be taken, or takes none"),
    "backup-incremental": Kind(_E, "a backup since a checkpoint names none"),
    "backup-target": Kind(_E, "a disk is not backed up to such a place"),
    "backup-target-made-up": Kind(_W, "a disk of a backup is named without its target"),
    "backup-server": Kind(_E, "a backup that is to be fetched has no server that libvirt could start"),
    # One disk, any hypervisor.
    "target-missing": Kind(_E, "a disk has no target", stops=_DEFINE),
    "target-name": Kind(_E, "the name of a target does not go with the device", stops=_DEFINE),
    "source-missing": Kind(_E, "a disk that is no drive for media has no source", stops=_DEFINE),
    "sgio-unfiltered": Kind(_E, "a lun asks for unfiltered SCSI commands, which Linux no longer has", stops=_DEFINE),
    "iotune-total": Kind(_E, "a limit is given in total and for reads or writes as well", stops=_DEFINE),
    "address-type": Kind(_E, "the type of an address does not go with the bus of a drive", stops=_DEFINE),
    "address-unassigned": Kind(_E, "a disk has an address of type unassigned", stops=_DEFINE),
    "virtio-only": Kind(_E, "a disk on another bus has an option of virtio", stops=_DEFINE),
    "nvme-namespace": Kind(_E, "the namespace of an NVMe device is 0", stops=_DEFINE),
    "seclabel-no-relabel": Kind(_E, "an image has a label, and the domain forbids relabelling", stops=_DEFINE),
    "tray-device": Kind(_E, "a disk without a tray has its tray open", stops=_DEFINE),
    "vendor-syntax": Kind(_E, "a vendor is too long or not printable", stops=_DEFINE),
    "product-syntax": Kind(_E, "a product is too long or not printable", stops=_DEFINE),
    "floppy-bus": Kind(_E, "a floppy is not on fdc, or something else is", stops=_DEFINE),
    "removable-bus": Kind(_E, "a disk cannot be removable on this bus", stops=_DEFINE),
    "startup-policy-source": Kind(_E, "a source that is not local has a startup policy", stops=_DEFINE),
    "startup-policy-requisite": Kind(
        _E, "a disk that is no drive for media has the startup policy requisite", stops=_DEFINE
    ),
    "wwn-syntax": Kind(_E, "a wwn is not 16 hex digits", stops=_DEFINE),
    "discard-no-unref": Kind(
        _E, "discard_no_unref is on for a disk that is not qcow2 or cannot be written", stops=_DEFINE
    ),
    "iothread-conflict": Kind(_E, "a disk has one I/O thread and a list of them", stops=_DEFINE),
    "throttle-with-iotune": Kind(_E, "a disk is throttled in two ways", stops=_DEFINE),
    "throttle-cdrom": Kind(_E, "a cdrom is throttled by filters", stops=_DEFINE),
    "throttle-group-unknown": Kind(_E, "a disk is in a throttle group the domain does not have", stops=_DEFINE),
    # Luns.
    "lun-source": Kind(_E, "the source of a lun does not take SCSI commands", stops=_DEFINE),
    "lun-format": Kind(_E, "a lun is not raw", stops=_DEFINE),
    "lun-slice": Kind(_E, "a lun is a slice of a device", stops=_DEFINE),
    "lun-encryption": Kind(_E, "a lun is encrypted by the host", stops=_DEFINE),
    "lun-only": Kind(_E, "a disk that is no lun has something only luns can have", stops=_DEFINE),
    # Vhost-user.
    "vhostuser-bus": Kind(_E, "a vhostuser disk is not on virtio", stops=_DEFINE),
    "vhostuser-snapshot": Kind(_E, "a vhostuser disk is to be in snapshots", stops=_DEFINE),
    "vhostuser-option": Kind(
        _E, "a vhostuser disk has something that is not the hypervisor's to decide", stops=_DEFINE
    ),
    # All disks of a domain, any hypervisor.
    "target-duplicate": Kind(_E, "two disks have one target", stops=_DEFINE),
    "address-duplicate": Kind(_E, "two disks have one address", stops=_DEFINE),
    "address-hostdev": Kind(_E, "a disk and a SCSI host device have one address", stops=_DEFINE),
    "target-index": Kind(_E, "nothing can be told from the name of a target", stops=_DEFINE),
    "boot-order-duplicate": Kind(_E, "two disks have one place in the boot order", stops=_DEFINE),
    "alias-duplicate": Kind(_E, "two disks have one alias", stops=_DEFINE),
    # One disk, QEMU.
    "driver-name": Kind(_E, "a disk has the driver of another hypervisor", stops=_DEFINE),
    "serial-syntax": Kind(_E, "a serial holds characters QEMU would misunderstand", stops=_DEFINE),
    "copy-on-read": Kind(_E, "copy_on_read is on for a disk that cannot have it", stops=_DEFINE),
    "lun-identity": Kind(_E, "a lun is to have another identity than the device behind it", stops=_DEFINE),
    "io-native-cache": Kind(_E, "io is native, and the cache mode uses the host's page cache", stops=_DEFINE),
    "iotune-limit": Kind(_E, "a limit is higher than QEMU's limits can be", stops=_DEFINE),
    "iotune-group": Kind(_E, "a throttling group has no limits, or several sets of them", stops=_DEFINE),
    "transient": Kind(_E, "a disk cannot be transient", stops=_DEFINE),
    "shareable-format": Kind(_E, "several writers are to share an image that has metadata", stops=_DEFINE),
    "shared-memory": Kind(_E, "another process serves a disk, and cannot map the guest's memory", stops=_DEFINE),
    "vdpa-cache": Kind(_E, "a vhostvdpa disk has a cache mode that uses the host's page cache", stops=_DEFINE),
    # Buses, QEMU.
    "target-partition": Kind(_E, "a target is the name of a partition", stops=_DEFINE),
    "geometry-bus": Kind(_E, "a disk on this bus has no geometry or translation", stops=_DEFINE),
    "serial-bus": Kind(_E, "a disk on this bus has no serial", stops=_DEFINE),
    "cdrom-bus": Kind(_E, "a cdrom is on a bus whose media cannot be ejected", stops=_DEFINE),
    "wwn-bus": Kind(_E, "a disk on this bus has no wwn", stops=_DEFINE),
    "vendor-bus": Kind(_E, "a disk on this bus has no vendor", stops=_DEFINE),
    "product-bus": Kind(_E, "a disk on this bus has no product", stops=_DEFINE),
    "lun-bus": Kind(_E, "a lun is on a bus without SCSI commands", stops=_DEFINE),
    "rotation-rate": Kind(_E, "a device on this bus has no rotation rate", stops=_DEFINE),
    "usb-empty": Kind(_E, "a drive on usb is empty", stops=_DEFINE),
    "address-bus": Kind(_E, "the type of an address does not go with usb or virtio", stops=_DEFINE),
    "address-range": Kind(_E, "an address names a controller, bus or target that does not exist", stops=_DEFINE),
    "acpi-index-bus": Kind(_E, "a disk that is no PCI device has an ACPI index", stops=_DEFINE),
    "readonly-bus": Kind(_E, "a disk on this bus cannot be read-only", stops=_DEFINE),
    "iotune-bus": Kind(_E, "a disk on sd has limits", stops=_DEFINE),
    # I/O threads, QEMU.
    "iothread-bus": Kind(_E, "a disk that is not on virtio has I/O threads", stops=_DEFINE),
    "iothread-unknown": Kind(_E, "a disk has an I/O thread the domain does not have", stops=_DEFINE),
    "iothread-mapping": Kind(_E, "I/O threads and queues of a disk do not fit together", stops=_DEFINE),
}


_new: Final = tuple.__new__  # makes a value at a third of the cost of calling its class


def finding(  # noqa: PLR0913  # a keyword for each field
    id: str,
    message: str,
    *,
    severity: Severity | None = None,
    file: str | None = None,
    referrer: str | None = None,
    line: int | None = None,
    fix: str | None = None,
    allowed: tuple[str, ...] = (),
) -> Finding:
    """A finding of a kind in :data:`KINDS`, with that kind's severity unless told otherwise. What is no error stops nothing.

    The message is made fit for a terminal; the other fields are as given.
    """
    kind = KINDS[id]
    severity = severity or kind.severity
    stops = kind.stops if severity is Severity.ERROR else None
    return _new(Finding, (id, severity, printable(message), file, referrer, line, fix, allowed, stops, None, None))


def about(found: Finding, disk: str | None, layer: str | None) -> Finding:
    """``found``, with the disk and the layer it is about: as ``_replace`` does it, at a fifth of the cost."""
    id, severity, message, file, referrer, line, fix, allowed, stops, _, _ = found
    return _new(Finding, (id, severity, message, file, referrer, line, fix, allowed, stops, disk, layer))


class Verdict(StrEnum):
    """What findings come to."""

    CLEAN = "clean"
    FINDINGS = "findings"
    COULD_NOT_TELL = "could not tell"


def verdict(findings: Iterable[Finding]) -> Verdict:
    """Findings where something is wrong; could not tell where nothing is known to be, but something could not be looked at.

    Notes (info) count for nothing.
    """
    unknown = False
    for found in findings:
        if found.severity is Severity.INFO:
            continue
        if not KINDS[found.id].unknown:
            return Verdict.FINDINGS
        unknown = True
    return Verdict.COULD_NOT_TELL if unknown else Verdict.CLEAN
