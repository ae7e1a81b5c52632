"""Which store a file is on: the same word on every host that sees the store, after every reboot. Never ``st_dev``, which is neither.

A store is a file system, a server's export, a cluster's file system or a volume group. Sources: proc_pid_mountinfo(5), machine-id(5),
Linux ``include/uapi/linux/fs.h`` (FS_IOC_GETFSUUID, since Linux 6.9), ``/sys/dev/block/*/dm/uuid`` (lvm2).
"""

import fcntl
import os
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final
from uuid import UUID

from diskchain.system.mounts import Mount, is_fuse, read_mounts
from diskchain.system.statx import statx

#: File systems that a server exports under one name for all: the mount's source says which. ``host:/export``, ``//host/share``.
_EXPORTED: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.glusterfs", "glusterfs", "lustre", "beegfs", "fuse.sshfs"}
)
#: File systems of a cluster: several hosts mount one device.
_CLUSTERED: Final = frozenset({"gfs2", "ocfs2"})
#: NFS by any version is one export.
_KINDS: Final = {
    "nfs4": "nfs",
    "smb3": "cifs",
    "fuse.glusterfs": "gluster",
    "glusterfs": "gluster",
    "fuse.sshfs": "sshfs",
}
#: What holds no images and would only make the list of mounts long.
_NOT_STORAGE: Final = frozenset(
    [
        "proc",
        "sysfs",
        "cgroup",
        "cgroup2",
        "devpts",
        "mqueue",
        "securityfs",
        "debugfs",
        "tracefs",
        "pstore",
        "bpf",
        "configfs",
        "fusectl",
        "autofs",
        "binfmt_misc",
        "efivarfs",
        "hugetlbfs",
        "rpc_pipefs",
        "nsfs",
        "selinuxfs",
        "devtmpfs",
        "ramfs",
        "nfsd",
    ]
)
_GETFSUUID: Final = 0x80111500
_FSUUID: Final = struct.Struct("=B16s")
_LVM: Final = "LVM-"
_VG_UUID: Final = 32


@dataclass(frozen=True, slots=True)
class FileKey:
    """Which file: equal keys are one file on every host. ``inode`` is text, since a logical volume is known by a UUID."""

    store: str
    inode: str
    generation: int | None


def machine_id() -> str:
    """The machine-id(5) of this host; its name where it has none."""
    for name in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            found = Path(name).read_text("ascii").strip()
        except (OSError, ValueError):
            continue
        if found:
            return found
    return os.uname().nodename


class Stores:
    """The stores of this host. Each file system is asked once."""

    def __init__(self, machine: str | None = None) -> None:
        self.machine = machine_id() if machine is None else machine
        self._mounts = read_mounts()
        self._by_device: dict[int, str] = {}
        self._by_mount: dict[int, str] = {}

    def of(self, device: int, path: str) -> str:
        """The store of a file with this ``st_dev``. ``path``: the file, or any other on the same file system. Never raises."""
        store = self._by_device.get(device)
        if store is None:
            number = _mount_id(path)
            store = self._by_device[device] = self._local("unknown") if number is None else self._of_mount(number)
        return store

    def seen(self) -> list[tuple[Mount, str]]:
        """Every mount that may hold images, and its store. Of servers nothing is asked, so that a dead one holds up nothing."""
        found = {}
        for number, mount in self._mounts.items():
            if mount.fstype not in _NOT_STORAGE:
                found[mount.point] = mount, self._of_mount(number)
        return list(found.values())

    def _of_mount(self, number: int) -> str:
        store = self._by_mount.get(number)
        if store is None:
            mount = self._mounts.get(number)
            store = self._local("unknown") if mount is None else self._named(number, mount)
            self._by_mount[number] = store
        return store

    def _named(self, number: int, mount: Mount) -> str:
        kind = _KINDS.get(mount.fstype, mount.fstype)
        if mount.fstype in _EXPORTED:
            return f"{kind}:{mount.source}"
        uuid = uuid_of_device(mount.source) or (None if is_fuse(mount) else _asked(mount.point, number))
        if uuid is None:
            return self._local(f"{kind}:{mount.source}" if mount.source.startswith("/") else f"{kind}:{mount.point}")
        return f"{kind}:{uuid}" if mount.fstype in _CLUSTERED else self._local(f"{kind}:{uuid}")

    def _local(self, name: str) -> str:
        return f"local:{self.machine}:{name}"

    def of_device(self, rdev: int) -> FileKey:
        """Which block device: a logical volume by the UUIDs of LVM, which all hosts of a shared group have alike; else its number here."""
        number = f"{os.major(rdev)}:{os.minor(rdev)}"
        try:
            uuid = Path(f"/sys/dev/block/{number}/dm/uuid").read_text("ascii").strip()
        except (OSError, ValueError):
            uuid = ""
        if uuid.startswith(_LVM):
            both = uuid.removeprefix(_LVM)
            return FileKey(f"lvm:{both[:_VG_UUID]}", both[_VG_UUID:], None)
        return FileKey(self._local("device"), number, None)


def uuid_of_device(source: str) -> str | None:
    """The UUID of the file system on a device, by udev's links; None where there is none."""
    if not source.startswith("/"):
        return None
    return _by_uuid().get(os.path.realpath(source))


@cache
def _by_uuid() -> dict[str, str]:
    folder = "/dev/disk/by-uuid"
    try:
        return {os.path.realpath(f"{folder}/{name}"): name for name in os.listdir(folder)}
    except OSError:
        return {}


def _mount_id(path: str) -> int | None:
    """The mount that a path is on."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        return statx(descriptor).mount_id
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _asked(point: str, number: int) -> str | None:
    """The UUID that the file system mounted at ``point`` tells itself; None where it does not, or another is mounted over it."""
    buffer = bytearray(_FSUUID.size)
    try:
        descriptor = os.open(point, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        if statx(descriptor).mount_id != number:
            return None
        fcntl.ioctl(descriptor, _GETFSUUID, buffer)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    length, raw = _FSUUID.unpack(buffer)
    if not any(raw):
        return None
    return str(UUID(bytes=raw)) if length == len(raw) else raw[:length].hex() or None
