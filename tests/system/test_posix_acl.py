"""ACL values: bytes both ways, and the entry that changes nothing for anybody else."""

import os
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.strategies import IDS, PERMISSIONS, acls, identities
from tests.live.peers import requires

from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.open_check import permitted
from diskchain.access.kernel.path_facts import Inode, Kind
from diskchain.errors import ParseError
from diskchain.system.posix_acl import (
    ACL_XATTR,
    EXECUTE,
    READ,
    WRITE,
    Acl,
    Entry,
    Tag,
    decode,
    encode,
    minimal,
    mode_of,
    show,
    with_user,
)


@given(acls())
def test_an_acl_survives_its_bytes(acl: Acl) -> None:
    assert decode(encode(acl)) == acl


@given(st.binary(max_size=64))
def test_any_bytes_are_an_acl_or_a_parse_error(raw: bytes) -> None:
    with suppress(ParseError):
        decode(raw)


@given(st.integers(0, 0o7777))
def test_the_minimal_acl_of_a_mode_has_that_mode(mode: int) -> None:
    assert mode_of(minimal(mode), mode) == mode


def inode_with(acl: Acl, uid: int, gid: int) -> Inode:
    return Inode("/x", Kind.FILE, 1, 1, uid, gid, mode_of(acl, 0), acl)


@given(acls(), IDS, IDS, IDS, PERMISSIONS.filter(bool), identities(), st.sampled_from((READ, WRITE, EXECUTE, 6)))
def test_an_added_entry_changes_nothing_for_anybody_else(
    acl: Acl, owner: int, group: int, user: int, perm: int, other: Identity, want: int
) -> None:
    other = replace(other, capabilities=frozenset())  # CAP_DAC_OVERRIDE executes whatever has an x for anybody
    after = with_user(acl, user, perm)
    if after is not None and other.uid != user:
        before_inode, after_inode = inode_with(acl, owner, group), inode_with(after, owner, group)
        assert permitted(before_inode, other, want) == permitted(after_inode, other, want)


@given(acls(), IDS, IDS, IDS, PERMISSIONS.filter(bool))
def test_an_added_entry_gives_what_was_asked(acl: Acl, owner: int, group: int, user: int, perm: int) -> None:
    after = with_user(acl, user, perm)
    if after is not None and user != owner:
        assert permitted(inode_with(after, owner, group), Identity(user, 99), perm)


@given(acls(), IDS, PERMISSIONS.filter(bool))
def test_adding_an_entry_twice_is_adding_it_once(acl: Acl, user: int, perm: int) -> None:
    once = with_user(acl, user, perm)
    assert once is None or with_user(once, user, perm) == once


def test_no_entry_is_offered_where_the_kernel_ignores_the_acl() -> None:
    ignored = (*minimal(0o604), Entry(Tag.USER, READ, 7), Entry(Tag.MASK, 0))
    assert with_user(ignored, 8, READ) is None


@requires("setfacl")
@given(acl=acls())
def test_what_is_shown_is_what_setfacl_sets(tmp_path_factory: pytest.TempPathFactory, acl: Acl) -> None:
    file = Path(tmp_path_factory.mktemp("acl")) / "file"
    file.touch()
    subprocess.run(["setfacl", "--set", show(acl), file], check=True)
    if any(entry.tag is Tag.MASK for entry in acl):
        assert decode(os.getxattr(file, ACL_XATTR)) == acl
    else:
        assert file.stat().st_mode & 0o777 == mode_of(acl, 0)
