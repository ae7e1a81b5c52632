"""SELinux labels of files: what is there, what libvirt's policy asks for, and whether one will do for the other.

Knows the attribute ``security.selinux`` and the types of libvirt's policy module; does not read policies, so where the
two labels differ in a way it cannot judge it says so. Source: libvirt ``security_selinux.c``, svirt_selinux(8).
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diskchain.access.requirements import Access

SELINUX_XATTR: Final = "security.selinux"
_ENFORCE: Final = Path("/sys/fs/selinux/enforce")

_CONTEXT: Final = re.compile(
    r"(?P<user>[^:]+):(?P<role>[^:]+):(?P<type>[^:]+):(?P<sensitivity>s\d+(?:-s\d+)?)(?::(?P<categories>[^:]*))?"
)
_DIGITS: Final = 4  # of a category; there are 1024

#: Types a confined QEMU may read and write, if the categories fit.
_WRITABLE_TYPES: Final = frozenset({"svirt_image_t"})
#: Types it may only read.
_READABLE_TYPES: Final = frozenset({"virt_content_t"})


@dataclass(frozen=True, slots=True)
class Context:
    """A label: user, role, type, sensitivity and the set of categories."""

    user: str
    role: str
    type: str
    sensitivity: str
    categories: frozenset[int]


def enforcing(switch: Path = _ENFORCE) -> bool:
    """Whether this host's kernel enforces SELinux."""
    try:
        return switch.read_text().strip() == "1"
    except OSError:
        return False


def file_label(path: str) -> str | None:
    """The label of ``path``; None when it has none or the file system keeps none."""
    try:
        return os.getxattr(path, SELINUX_XATTR).rstrip(b"\0").decode(errors="replace")
    except OSError:
        return None


def parse_context(label: str) -> Context | None:
    """The parts of ``user:role:type:level``; None when it is no such label."""
    match = _CONTEXT.fullmatch(label)
    if match is None:
        return None
    categories = _categories(match["categories"] or "")
    if categories is None:
        return None
    return Context(match["user"], match["role"], match["type"], match["sensitivity"], categories)


def suffices(file: str | None, domain: str, access: Access) -> bool | None:
    """Whether a QEMU whose image label is ``domain`` may use a file labelled ``file``. None: only the policy knows."""
    have = parse_context(file) if file is not None else None
    want = parse_context(domain)
    if have is None or want is None:
        return None
    if have.type == want.type or have.type in _WRITABLE_TYPES:
        return have.categories <= want.categories
    if have.type in _READABLE_TYPES:
        return access is Access.READ and have.categories <= want.categories
    return None


def _categories(text: str) -> frozenset[int] | None:
    """``c1,c5.c9`` as numbers; None when it is not that."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        ends = [end.removeprefix("c") for end in part.split(".", 1)]
        if not all(end.isascii() and end.isdigit() and len(end) <= _DIGITS for end in ends):
            return None
        found |= set(range(int(ends[0]), int(ends[-1]) + 1))
    return frozenset(found)
