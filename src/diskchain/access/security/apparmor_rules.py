"""AppArmor for a chain: the rules libvirt's virt-aa-helper writes for it.

Pure. Source: libvirt ``src/security/virt-aa-helper.c`` (``add_file_path``, ``vah_add_path``); measured against 9.0.0,
which looks at no seclabel of an image, follows symlinks, and writes one rule for every layer it meets.
"""

from dataclasses import dataclass
from typing import Final

from diskchain.errors import UsageError, printable
from diskchain.storage.location import local_path
from diskchain.storage.source import Source, layers

#: Where libvirt keeps a profile for each domain.
PROFILE_DIRECTORY: Final = "/etc/apparmor.d/libvirt"
#: Characters with a meaning in AppArmor's path patterns. virt-aa-helper does not escape them, so a file with one of
#: these in its name may not match its own rule.
PATTERN_CHARACTERS: Final = frozenset("*?[]{}^@\\")


@dataclass(frozen=True, slots=True)
class FileRule:
    """One rule about a path. ``permissions`` are AppArmor's letters; ``origin`` is ``file:line`` when it was read."""

    pattern: str
    permissions: str
    deny: bool = False
    origin: str | None = None

    def __str__(self) -> str:
        return f'{"deny " if self.deny else ""}"{self.pattern}" {self.permissions},'


def chain_rules(chain: Source) -> tuple[FileRule, ...]:
    """The rules for a disk's chain, top first, data files after their image. Paths are taken to be free of symlinks.

    Raises UsageError for a path that virt-aa-helper refuses: it cannot be quoted.
    """
    found: list[FileRule] = []
    for depth, layer in enumerate(layers(chain)):
        readonly = layer.readonly if depth == 0 else True
        for source in (layer, layer.data_file):
            path = None if source is None else local_path(source.location)
            if path is not None:
                found += path_rules(path, readonly=readonly)
    return tuple(found)


def job_rules(path: str) -> tuple[FileRule, ...]:
    """What libvirt appends when a block job needs ``path`` writable. The ``deny`` rule it wrote at start stays, and wins."""
    return path_rules(path, readonly=False)


def path_rules(path: str, *, readonly: bool) -> tuple[FileRule, ...]:
    """The rules for one file."""
    if '"' in path:
        raise UsageError(f"AppArmor rules cannot hold a path with a quote in it: {printable(path)}")
    if readonly:
        return FileRule(path, "rk"), FileRule(path, "w", deny=True)
    return (FileRule(path, "rwk"),)
