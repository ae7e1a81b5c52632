"""What libvirt's QEMU driver was told about users and owners: the settings of qemu.conf that say as whom QEMU runs.

Knows the names of the settings and their defaults, and where the file is for a daemon with a root directory of its own. Source:
libvirt ``qemu_conf.c`` (``virQEMUDriverConfigLoadSecurityEntry``), 9.0.0 to 11.3.0.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diskchain.errors import ParseError
from diskchain.hypervisor.configuration_file import LARGEST, Setting, parse_settings

PATH: Final = "/etc/libvirt/qemu.conf"


@dataclass(frozen=True, slots=True)
class QemuConf:
    """The settings; None: not set. ``modified``: when the file was, in seconds since the epoch.

    ``problem``: why nothing is known of the file; then every setting is None, and none of them is to be taken for a default.
    """

    path: str = PATH
    user: Setting | None = None
    group: Setting | None = None
    dynamic_ownership: Setting | None = None
    remember_owner: Setting | None = None
    security_driver: Setting | None = None
    modified: float | None = None
    problem: str | None = None

    def where(self, setting: Setting) -> str:
        """The place of ``setting``, for people."""
        return f"{self.path}:{setting.line}"


def read_qemu_conf(root: str = "") -> QemuConf:
    """The settings of the daemon whose root directory is ``root``. No file: nothing is set. Never raises."""
    try:
        with Path(root + PATH).open("rb") as stream:
            data = stream.read(LARGEST + 1)
            modified = os.fstat(stream.fileno()).st_mtime
        found = parse_settings(data.decode(errors="surrogateescape"))
    except FileNotFoundError:
        return QemuConf() if not root or Path(root).exists() else QemuConf(problem=f"{PATH}: its libvirtd is gone")
    except OSError as error:
        return QemuConf(problem=f"{PATH}: {error.strerror}")
    except ParseError as error:
        return QemuConf(problem=f"{PATH}: {error}")
    return _typed(found, modified)


def _typed(found: dict[str, Setting], modified: float) -> QemuConf:
    """The settings; where one has another type, libvirt refuses the file, and its QEMU driver does not start."""
    for name in ("user", "group"):
        if name in found and not isinstance(found[name].value, str):
            return QemuConf(problem=f"{PATH}:{found[name].line}: {name} is no string, so libvirt refuses the file")
    for name in ("dynamic_ownership", "remember_owner"):
        if name in found and found[name].value not in (0, 1):
            return QemuConf(
                problem=f"{PATH}:{found[name].line}: {name} is neither 0 nor 1, so libvirt refuses the file"
            )
    return QemuConf(
        user=found.get("user"),
        group=found.get("group"),
        dynamic_ownership=found.get("dynamic_ownership"),
        remember_owner=found.get("remember_owner"),
        security_driver=found.get("security_driver"),
        modified=modified,
    )
