"""``--ignore`` and ``--severity`` mean the same in every verb that prints findings."""

from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.live.storage import QemuImg

VERBS = ("check", "show", "diff", "complete", "blockdev", "map")


@pytest.fixture
def document(qemu_img: QemuImg, tmp_path: Path) -> Path:
    """A domain whose overlay is smaller than its base: a warning, and nothing else."""
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base.qcow2", "2M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", tmp_path / "top.qcow2", "1M")
    path = tmp_path / "vm.xml"
    path.write_text(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{tmp_path}/top.qcow2'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    return path


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_ignored_is_neither_shown_nor_counted(verb: str, document: Path) -> None:
    shown = diskchain(verb, document)
    assert (shown.code, "[capacity-mismatch]" in shown.out + shown.err) == (1, True)
    for option in (["--ignore", "capacity-mismatch"], ["--severity", "error"]):
        quiet = diskchain(verb, *option, document)
        assert (quiet.code, "[capacity-mismatch]" in quiet.out + quiet.err) == (0, False), option


@pytest.mark.parametrize("verb", VERBS)
def test_json_leaves_it_out_as_well(verb: str, document: Path) -> None:
    assert '"capacity-mismatch"' in diskchain(verb, "--json", document).out
    quiet = diskchain(verb, "--json", "--ignore", "capacity-mismatch", document)
    assert (quiet.code, '"capacity-mismatch"' in quiet.out) == (0, False)


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_id_is_a_usage_error_everywhere(verb: str, document: Path) -> None:
    shown = diskchain(verb, "--ignore", "capacity-mismatsch", document)
    assert shown.code == 2
    assert "did you mean capacity-mismatch?" in shown.err
