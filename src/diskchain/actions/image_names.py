"""What images are called. Knows names alone, and opens nothing."""

from typing import Final

#: What images are called. Deltas of VMware and Hyper-V, and Parallels' files, among them.
SUFFIXES: Final = (
    ".qcow2", ".qcow", ".qed", ".raw", ".img", ".iso", ".vmdk", ".vdi", ".vhd", ".vhdx", ".avhd", ".avhdx", ".vpc", ".hdd", ".hds",
    ".dmg", ".luks",
)  # fmt: skip


def is_called_image(name: str) -> bool:
    """Whether a file of that ``name`` is an image whatever it holds: if it does not hold one, that deserves to be said."""
    return name.endswith(SUFFIXES) or name.lower().endswith(SUFFIXES)
