"""SELinux labels and AppArmor profiles: what they say about a file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.access.requirements import Access
from diskchain.access.security.apparmor_profile import Profile, apparmor_enabled, ask_profile, parse_rules, read_profile
from diskchain.access.security.apparmor_rules import FileRule, chain_rules, job_rules
from diskchain.access.security.selinux import enforcing, parse_context, suffices
from diskchain.errors import UsageError
from diskchain.storage.source import Source
from tests.access.strategies import chains

DOMAIN = "system_u:object_r:svirt_image_t:s0:c1,c5"
UUID = "2b6a7d1e-0001-4b0e-9d3a-000000000001"


@pytest.mark.parametrize(
    ("file", "read", "write"),
    [
        (DOMAIN, True, True),
        ("system_u:object_r:svirt_image_t:s0", True, True),
        ("system_u:object_r:svirt_image_t:s0:c1,c6", False, False),
        ("system_u:object_r:virt_content_t:s0", True, False),
        ("system_u:object_r:user_home_t:s0", None, None),
        ("nonsense", None, None),
        (None, None, None),
    ],
)
def test_a_label_suffices_as_libvirt_s_policy_has_it(
    file: str | None, *, read: bool | None, write: bool | None
) -> None:
    assert suffices(file, DOMAIN, Access.READ) is read
    assert suffices(file, DOMAIN, Access.WRITE) is write


def test_category_ranges_are_read() -> None:
    context = parse_context("u:r:t:s0-s15:c0.c3,c7")
    assert context is not None
    assert context.categories == {0, 1, 2, 3, 7}


@given(st.text(max_size=40))
def test_any_text_is_a_context_or_none(text: str) -> None:
    parse_context(text)


def test_a_kernel_without_the_modules_enforces_nothing(tmp_path: Path) -> None:
    assert not enforcing(tmp_path / "none")
    assert not apparmor_enabled(tmp_path / "none")


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    directory = tmp_path / "apparmor.d" / "libvirt"
    directory.mkdir(parents=True)
    (directory / f"libvirt-{UUID}").write_text(
        f"profile x {{\n  #include <abstractions/libvirt-qemu>\n  #include <libvirt/libvirt-{UUID}.files>\n}}\n"
    )
    (directory / f"libvirt-{UUID}.files").write_text(
        '  "/images/top.qcow2" rwk,\n  "/images/base.raw" rk,\n'
        '  # don\'t audit writes to readonly files\n  deny "/images/base.raw" w,\n  "/images/base.raw" rwk,\n'
    )
    abstractions = tmp_path / "apparmor.d" / "abstractions"
    abstractions.mkdir()
    (abstractions / "libvirt-qemu").write_text("  /srv/iso/** r,\n  owner /home/*/vm/* rw,\n  /dev/net/tun rw,\n")
    return directory


def ask(directory: Path, path: str, access: Access) -> tuple[bool | None, str]:
    profile = read_profile(UUID, str(directory))
    assert profile is not None
    said = ask_profile(profile, path, access)
    return said.allowed, "" if said.rule is None else str(said.rule)


def test_the_deny_rule_of_a_lower_layer_beats_what_the_job_appended(profiles: Path) -> None:
    assert ask(profiles, "/images/base.raw", Access.WRITE) == (False, 'deny "/images/base.raw" w,')
    assert ask(profiles, "/images/base.raw", Access.READ)[0] is True
    assert ask(profiles, "/images/top.qcow2", Access.WRITE)[0] is True


def test_a_deny_rule_is_named_by_file_and_line(profiles: Path) -> None:
    profile = read_profile(UUID, str(profiles))
    assert profile is not None
    said = ask_profile(profile, "/images/base.raw", Access.WRITE)
    assert said.rule is not None
    assert said.rule.origin == f"{profiles}/libvirt-{UUID}.files:4"


def test_includes_count(profiles: Path) -> None:
    assert ask(profiles, "/srv/iso/a/b.iso", Access.READ)[0] is True
    assert ask(profiles, "/srv/iso/a/b.iso", Access.WRITE)[0] is False
    assert ask(profiles, "/home/u/vm/x", Access.WRITE)[0] is True
    assert ask(profiles, "/elsewhere", Access.READ) == (False, "")


def test_a_no_turns_into_cannot_tell_where_a_rule_has_a_variable() -> None:
    profile = Profile((FileRule("@{HOME}/x", "rw"), FileRule("/a", "r")))
    assert ask_profile(profile, "/b", Access.READ).allowed is None
    assert ask_profile(profile, "/a", Access.READ).allowed is True


def test_a_domain_without_a_profile_has_none(tmp_path: Path) -> None:
    assert read_profile(UUID, str(tmp_path)) is None


@given(st.text(max_size=200))
def test_any_text_can_be_read_for_rules(text: str) -> None:
    parse_rules(text, "f")


@given(chains())
def test_the_rules_of_a_chain_let_the_top_be_written_and_deny_it_below(chain: Source) -> None:
    profile = Profile(chain_rules(chain))
    assert ask_profile(profile, "/images/0", Access.WRITE).allowed is not chain.readonly
    assert ask_profile(profile, "/images/0", Access.READ).allowed is True
    if any(rule.pattern == "/images/1" for rule in profile.rules):
        assert ask_profile(profile, "/images/1", Access.READ).allowed is True
        appended = Profile((*profile.rules, *job_rules("/images/1")))
        assert ask_profile(appended, "/images/1", Access.WRITE).allowed is False


def test_a_path_with_a_quote_cannot_be_in_a_rule() -> None:
    with pytest.raises(UsageError):
        job_rules('/images/a"b')
