"""What ``blockdev`` leaves out it says, and it leaves out no more than it must."""

from pathlib import Path

import pytest

from diskchain.cli.main import main

_DOMAIN = "<domain type='qemu'><name>x</name><devices>{}{}</devices></domain>"
_GOOD = "<disk type='file'><driver type='raw'/><source file='/b'/><target dev='vdb' bus='virtio'/></disk>"
_VOLUME = "<disk type='volume'><driver type='raw'/><source pool='p' volume='v'/><target dev='vda' bus='virtio'/></disk>"
_REFUSED = (
    "<disk type='network'><driver type='raw'/><source protocol='rbd' name=''/><target dev='vda' bus='virtio'/></disk>"
)


def _run(path: Path, disk: str, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    (path / "vm.xml").write_text(_DOMAIN.format(disk, _GOOD))
    code = main(["blockdev", str(path / "vm.xml"), "--declared", *more])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_volume_that_only_libvirt_can_find_costs_only_its_own_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(tmp_path, _VOLUME, capsys)
    assert code == 3
    assert '"filename":"/b"' in out
    assert "disk vda is on p/v" in err


def test_such_a_volume_is_refused_where_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(tmp_path, _VOLUME, capsys, "-d", "vda")
    assert (code, out) == (2, "")
    assert "p/v" in err


def test_a_disk_that_cannot_be_read_is_never_left_out_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(tmp_path, _REFUSED, capsys)
    assert code == 1
    assert '"filename":"/b"' in out
    assert "[document]" in err


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (_GOOD.replace("vdb' bus='virtio", "sda' bus='sd").replace("/b", "/card"), "disk sda is an SD card"),
        (
            (
                "<disk type='file'><driver type='qcow2'/><source file='/t'/><target dev='vda' bus='virtio'/>"
                "<transient shareBacking='yes'/></disk>"
            ),
            "disk vda shares its image",
        ),
    ],
    ids=["SD card", "shared"],
)
def test_a_disk_that_is_not_on_the_command_line_is_a_note(
    disk: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _run(tmp_path, disk, capsys)
    assert code == 0
    assert out.count("-blockdev") == 2
    assert words in err
