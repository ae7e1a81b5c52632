"""The state before libvirt, from its notes."""

from dataclasses import replace

from diskchain.access.grants.changes import FileState
from diskchain.access.security.before_libvirt import before_libvirt
from diskchain.access.security.saved_labels import SavedLabel

BOOT = frozenset({1_700_000_000})
NOTES = (("trusted.libvirt.security.dac", b"+5:+6"), ("trusted.libvirt.security.ref_dac", b"1"))
NOW = FileState(64055, 64055, 0o640, None, (("security.selinux", b"svirt\0"), *NOTES))


def test_a_believable_note_names_the_owner_and_goes() -> None:
    found = before_libvirt(NOW, [SavedLabel("dac", "+5:+6", 1, 1_700_000_001)], BOOT)
    assert found == replace(NOW, uid=5, gid=6, xattrs=NOW.xattrs[:1])


def test_a_note_of_a_label_is_a_label() -> None:
    found = before_libvirt(NOW, [SavedLabel("selinux", "u:r:t:s0", 1, 1_700_000_000)], BOOT)
    assert dict(found.xattrs)["security.selinux"] == b"u:r:t:s0\0"
    assert found.uid == NOW.uid


def test_a_note_libvirt_will_not_believe_is_part_of_the_state() -> None:
    for note in (
        SavedLabel("dac", "+5:+6", 1, 1),
        SavedLabel("dac", "+5:+6", 0, 1_700_000_000),
        SavedLabel("dac", "no-such-user-here:x", 1, 1_700_000_000),
        SavedLabel("dac", None, 1, 1_700_000_000),
    ):
        assert before_libvirt(NOW, [note], BOOT) == NOW
