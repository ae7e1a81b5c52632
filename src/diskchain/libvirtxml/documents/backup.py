"""``<domainbackup>``: what is backed up, where to, and by which way.

Source: libvirt 11.3.0 (``conf/backup_conf.c``).
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from diskchain.libvirtxml.format.foreign import ORDER, strangers_of_chain
from diskchain.libvirtxml.format.source import Within, format_name, source_element
from diskchain.libvirtxml.format.style import Style, style
from diskchain.libvirtxml.markup.document import Element, Text, as_document, refuse
from diskchain.libvirtxml.markup.scalars import YES_NO, one_of, read_number, text_of
from diskchain.libvirtxml.markup.unknown import attributes, children, numbered, restore
from diskchain.libvirtxml.markup.writer import attribute, element, leaf, yes_no
from diskchain.libvirtxml.parse.source import Contents, Wrapper, layer, read_contents, read_index
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import FORMATS, STORAGE_TYPES
from diskchain.storage.foreign import Foreign
from diskchain.storage.location import FileLocation
from diskchain.storage.source import UNKNOWN, Source
from diskchain.storage.terms import StorageType


class BackupMode(StrEnum):
    """Who moves the data: QEMU writes it away, or it waits to be fetched over NBD."""

    PUSH = "push"
    PULL = "pull"


class BackupTransport(StrEnum):
    """How the NBD server of a pull is reached."""

    TCP = "tcp"
    UNIX = "unix"
    FD = "fd"


class DiskBackupMode(StrEnum):
    """How much of a disk is backed up."""

    FULL = "full"
    INCREMENTAL = "incremental"


class DiskBackupState(StrEnum):
    """How far a disk is; in status documents only."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BackupServer:
    """The NBD server of a pull. ``port`` None: libvirt takes NBD's."""

    transport: BackupTransport = BackupTransport.TCP
    name: str | None = None
    port: int | None = None
    socket: str | None = None
    fdgroup: str | None = None
    tls: bool | None = None


@dataclass(frozen=True, slots=True)
class BackupDisk:
    """One disk of a backup.

    ``store`` is the target of a push, the scratch space of a pull; without a path, libvirt makes one up. It is None
    when the disk is left out. ``incremental`` names the checkpoint the backup starts from.
    """

    name: str
    backup: bool | None = None
    mode: DiskBackupMode | None = None
    incremental: str | None = None
    export_name: str | None = None
    export_bitmap: str | None = None
    state: DiskBackupState | None = None
    store: Source | None = None
    foreign: tuple[Foreign, ...] = ()


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup job. ``tls_key`` and ``tls_credentials`` are ids of QEMU's objects, in status documents only."""

    mode: BackupMode | None = None
    incremental: str | None = None
    server: BackupServer | None = None
    disks: tuple[BackupDisk, ...] = ()
    tls_key: str | None = None
    tls_credentials: str | None = None
    foreign: tuple[Foreign, ...] = ()


_BACKUP = frozenset({"mode", "id"})
_BACKUP_CHILDREN = frozenset({"incremental", "server", "disks", "privateData"})
_SERVER = frozenset({"transport", "name", "port", "socket", "fdgroup", "tls"})
_DISK = frozenset(
    {"name", "backup", "type", "backupmode", "incremental", "exportname", "exportbitmap", "state", "index"}
)
_DISK_CHILDREN = frozenset({"driver", "target", "scratch"})
_ORDER = {**ORDER, "domainbackup": ("incremental", "server", "disks"), "disk": ("driver", "target", "scratch")}
_ORDER["target"] = _ORDER["scratch"] = _ORDER["source"]
_PORT_MAX = 65535
_STORES = {word: type for word, type in STORAGE_TYPES.items() if type in {StorageType.FILE, StorageType.BLOCK}}

_mode = one_of({mode.value: mode for mode in BackupMode})
_transport = one_of({transport.value: transport for transport in BackupTransport})
_disk_mode = one_of({mode.value: mode for mode in DiskBackupMode})
_state = one_of({state.value: state for state in DiskBackupState})
_yes_no = one_of(YES_NO)
_type = one_of(_STORES)
_format = one_of(FORMATS)


def parse_backup(text: Text, *, view: View = View.LIVE, origin: str | None = None) -> Backup:
    """A ``<domainbackup>``; ``view`` STATUS reads what libvirt's daemon keeps of a running one.

    >>> backup = parse_backup('''
    ... <domainbackup><disks>
    ...   <disk name='vda'><driver type='qcow2'/><target file='/backup/a'/></disk><disk name='vdb' backup='no'/>
    ... </disks></domainbackup>''')
    >>> [disk.name for disk in backup.disks], backup.disks[0].store.location.path, backup.disks[1].backup
    (['vda', 'vdb'], '/backup/a', False)

    Raises XmlError.
    """
    with as_document(text, origin).reading() as root:
        if root.tag != "domainbackup":
            refuse(root, f"<{root.tag}> is no <domainbackup>")
        return read_backup(root, view)


def read_backup(root: Element, view: View) -> Backup:
    """A backup that is part of a document."""
    found: list[Foreign] = []
    names = attributes(root, _BACKUP, "", found)
    parts = children(root, _BACKUP_CHILDREN, "", found)
    mode = _mode(root, "mode of <domainbackup>", names["mode"]) if "mode" in names else None
    pull = mode is BackupMode.PULL
    if "server" in parts and not pull:
        refuse(parts["server"][0], "<server> is for backups of mode pull")
    disks = [child for group in parts.get("disks", ()) for child in group if isinstance(child.tag, str)]
    key, credentials = None, None
    if view is View.STATUS and "privateData" in parts:
        private = parts["privateData"][0]
        key = private.find("objects/secret[@type='tlskey']")
        credentials = private.find("objects/TLSx509")
    return Backup(
        mode,
        text_of(parts["incremental"][0]) if "incremental" in parts else None,
        _read_server(parts["server"][0], found) if "server" in parts else None,
        tuple(_read_disk(disk, view, pull=pull) for disk in disks),
        None if key is None else key.get("alias"),
        None if credentials is None else credentials.get("alias"),
        tuple(found),
    )


def _read_server(server: Element, found: list[Foreign]) -> BackupServer:
    names = attributes(server, _SERVER, "server", found)
    transport = BackupTransport.TCP
    if "transport" in names:
        transport = _transport(server, "transport of <server>", names["transport"])
    needed = {BackupTransport.TCP: "name", BackupTransport.UNIX: "socket", BackupTransport.FD: "fdgroup"}[transport]
    if needed not in names:
        refuse(server, f"a <server> of transport {transport} needs a {needed}")
    if transport is not BackupTransport.UNIX and "socket" in names:
        refuse(server, f"a <server> of transport {transport} has no socket")
    if transport is BackupTransport.UNIX and not names["socket"].startswith("/"):
        refuse(server, "the socket of <server> is a relative path")
    tls = _yes_no(server, "tls of <server>", names["tls"]) if "tls" in names else None
    port = read_number(server, "port of <server>", names["port"], most=_PORT_MAX) if "port" in names else 0
    if transport is BackupTransport.TCP:
        return BackupServer(transport, names["name"], port or None, tls=tls)
    return BackupServer(transport, socket=names.get("socket"), fdgroup=names.get("fdgroup"), tls=tls)


def _read_disk(disk: Element, view: View, *, pull: bool) -> BackupDisk:
    found: list[Foreign] = []
    names = attributes(disk, _DISK, "", found)
    if "name" not in names:
        refuse(disk, "a backup's <disk> has no name")
    backup = _yes_no(disk, "backup of <disk>", names["backup"]) if "backup" in names else None
    if backup is False:  # libvirt reads nothing else
        return BackupDisk(names["name"], backup, foreign=tuple(found))
    said: dict[str, Any] = {}
    if pull:
        said["export_name"], said["export_bitmap"] = names.get("exportname"), names.get("exportbitmap")
    if names.get("backupmode"):
        said["mode"] = _disk_mode(disk, "backupmode of <disk>", names["backupmode"])
    if view is View.STATUS and names.get("state"):
        said["state"] = _state(disk, "state of <disk>", names["state"])
    store = _read_store(disk, names, children(disk, _DISK_CHILDREN, "", found), view, pull=pull)
    return BackupDisk(
        names["name"], backup, incremental=names.get("incremental"), store=store, foreign=tuple(found), **said
    )


def _read_store(
    disk: Element, names: dict[str, str], parts: dict[str, list[Element]], view: View, *, pull: bool
) -> Source:
    type = _type(disk, "type of a backup's <disk>", names["type"]) if "type" in names else StorageType.FILE
    driver = parts["driver"][0] if "driver" in parts else None
    word = driver.get("type") if driver is not None else None
    index = names.get("index") if view.running else None
    wrapper = Wrapper(
        _format(driver, "the type of <driver>", word) if driver is not None and word else None,
        chain_index=None if index is None else read_index(disk, index),
    )
    found: list[Foreign] = []
    where = parts.get("scratch" if pull else "target")
    contents = read_contents(where[0], type, view, found) if where else Contents(_LOCATIONS[type])
    return layer(contents, wrapper, UNKNOWN, found)


_LOCATIONS = {StorageType.FILE: FileLocation(None)}


def format_backup(backup: Backup, *, view: View = View.LIVE, indent: int = 0, foreign: bool = True) -> str:
    """``<domainbackup>`` as libvirt writes it: what goes without saying is said.

    >>> print(format_backup(Backup(disks=(BackupDisk("vda", backup=False),))), end="")
    <domainbackup mode='push'>
      <disks>
        <disk name='vda' backup='no'/>
      </disks>
    </domainbackup>

    Raises UsageError for what XML cannot say.
    """
    said = style(view)
    pad, inner, deep = (" " * (indent + step) for step in (0, 2, 4))
    mode = backup.mode or BackupMode.PUSH
    lines = leaf(inner, "incremental", backup.incremental)
    if backup.server is not None:
        lines += element(inner, "server", _server(backup.server))
    lines += element(inner, "disks", "", "".join(_disk(deep, disk, mode, said) for disk in backup.disks))
    if said.status:
        lines += _private(inner, backup)
    xml = element(pad, "domainbackup", f" mode='{mode}'", lines)
    strangers = tuple(_strangers(backup, mode, said)) if foreign else ()
    return restore(xml, strangers, _ORDER) if strangers else xml


def _server(server: BackupServer) -> str:
    return (
        f" transport='{server.transport}'{attribute('tls', yes_no(server.tls))}{attribute('name', server.name)}"
        f"{attribute('port', server.port or None)}{attribute('socket', server.socket)}"
        f"{attribute('fdgroup', server.fdgroup)}"
    )


def _disk(pad: str, disk: BackupDisk, mode: BackupMode, said: Style) -> str:
    names = f"{attribute('name', disk.name)} backup='{yes_no(disk.backup is not False)}'"
    if said.status:
        names += attribute("state", disk.state)
    if disk.backup is False:
        return element(pad, "disk", names)
    store = disk.store or Source(FileLocation(None))
    names += (
        f" type='{store.location.type}'{attribute('backupmode', disk.mode)}{attribute('incremental', disk.incremental)}"
        f"{attribute('exportname', disk.export_name)}{attribute('exportbitmap', disk.export_bitmap)}"
    )
    if not said.inactive:
        names += attribute("index", store.chain_index)
    inner = pad + "  "
    type = None if store.format is None else format_name(store.format)
    name = "target" if mode is BackupMode.PUSH else "scratch"
    inside = element(inner, "driver", attribute("type", type)) + source_element(inner, store, said, Within(), name)
    return element(pad, "disk", names, inside)


def _private(pad: str, backup: Backup) -> str:
    deep = pad + "    "
    objects = ""
    if backup.tls_key is not None:
        objects = f"{deep}<secret type='tlskey'{attribute('alias', backup.tls_key)}/>\n"
    objects += element(deep, "TLSx509", attribute("alias", backup.tls_credentials))
    return element(pad, "privateData", "", element(pad + "  ", "objects", "", objects))


def _strangers(backup: Backup, mode: BackupMode, said: Style) -> list[Foreign]:
    strangers = list(backup.foreign)
    for position, disk in enumerate(backup.disks):
        place = numbered("disks/disk", position)
        strangers += [replace(one, place=f"{place}/{one.place}".rstrip("/")) for one in disk.foreign]
        if disk.store is not None:
            name = "target" if mode is BackupMode.PUSH else "scratch"
            strangers += [
                replace(one, place=f"{place}/{name}{one.place.removeprefix('source')}")
                for one in strangers_of_chain(disk.store, said)
            ]
    return strangers
