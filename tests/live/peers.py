"""Which real parts a test may count on, and what happens when one is missing.

Knows programs and privileges; must not know how a peer is started (`daemons`) or used (`domains`, `storage`).
"""

import os
import shutil
from typing import NoReturn

import pytest

PEER_VERSIONS = pytest.StashKey[dict[str, str]]()
"""Marker of a peer (`libvirtd`, `qemu`) to its name and version, filled in when a fixture first meets it."""

requires = pytest.mark.requires
"""`@requires("qemu-io", "root")` at the head of a test: programs on PATH, or the word `root`."""


def demand(*parts: str) -> None:
    """Ends the running test unless every part is there."""
    for part in parts:
        if part == "root":
            if os.geteuid() != 0:
                give_up("needs root")
        elif shutil.which(part) is None:
            give_up(f"needs the program {part}, which is not on PATH")


def give_up(reason: str) -> NoReturn:
    """Skips the running test, or fails it where all real parts are promised (`DISKCHAIN_REQUIRE_LIVE=1`)."""
    if os.environ.get("DISKCHAIN_REQUIRE_LIVE", "0") not in {"", "0"}:
        pytest.fail(f"{reason} (DISKCHAIN_REQUIRE_LIVE is set, so this is no skip)", pytrace=False)
    pytest.skip(reason)
