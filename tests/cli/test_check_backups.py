"""``diskchain check`` of a ``<domainbackup>``, alone and behind its domain."""

from pathlib import Path

import pytest
from tests.cli.commands import diskchain

_TARGET = "<target file='/backup/out'/>"
_DOMAIN = (
    "<domain type='kvm'><name>{name}</name><devices><disk type='file'><driver type='raw'/><source file='{image}'/>"
    "<target dev='vda' bus='virtio'/></disk></devices></domain>"
)


def _backup(directory: Path, disks: str) -> Path:
    path = directory / "backup.xml"
    path.write_text(f"<domainbackup><disks>\n{disks}</disks></domainbackup>")
    return path


def _disk(name: str, inside: str = _TARGET) -> str:
    return f"<disk name='{name}' type='file'>{inside}</disk>\n"


@pytest.fixture
def domain(tmp_path: Path) -> Path:
    (tmp_path / "a.raw").write_bytes(bytes(1 << 20))
    path = tmp_path / "vm.xml"
    path.write_text(_DOMAIN.format(name="vm", image=tmp_path / "a.raw"))
    return path


def test_a_backup_of_what_it_may_take_is_clean(tmp_path: Path, domain: Path) -> None:
    assert diskchain("check", domain, _backup(tmp_path, _disk("vda"))).code == 0


def test_a_disk_that_is_named_twice_is_told_with_its_line(tmp_path: Path) -> None:
    shown = diskchain("check", _backup(tmp_path, _disk("vda") + _disk("vda")))
    assert shown.code == 1
    assert "line 3: disk vda is named twice [backup-disk]" in shown.out


def test_a_disk_that_the_domain_has_not_is_told_where_the_domain_stands_before_it(tmp_path: Path, domain: Path) -> None:
    backup = _backup(tmp_path, _disk("vdb"))
    assert diskchain("check", backup).code == 0
    shown = diskchain("check", domain, backup)
    assert shown.code == 1
    assert "the domain has no disk vdb: it has vda [backup-disk]" in shown.out


def test_behind_two_domains_nobody_knows_whose_backup_it_is(tmp_path: Path, domain: Path) -> None:
    other = tmp_path / "other.xml"
    other.write_text(_DOMAIN.format(name="other", image="/dev/null").replace("vda", "vdb"))
    shown = diskchain("check", "--ignore", "not-a-disk", domain, other, _backup(tmp_path, _disk("vdb")))
    assert "backup-disk" not in shown.out


@pytest.mark.parametrize(
    ("profile", "code"), [("libvirt-9.0", 1), ("libvirt-11.3", 0), (None, 1)], ids=["9.0", "11.3", "unknown"]
)
def test_a_target_that_is_not_said_is_an_error_or_a_note_by_version(
    tmp_path: Path, profile: str | None, code: int
) -> None:
    words = [] if profile is None else ["--profile", profile]
    shown = diskchain("check", *words, _backup(tmp_path, _disk("vda", "")))
    assert shown.code == code
