"""The examples of ``docs/json.md``, made by running the tool: ``python -m tests.docs.json_examples`` writes them anew.

An example is a command on the page with what it prints right below. It runs in a directory that the page calls ``/images``.
"""

import json
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.cli.commands import diskchain
from tests.live.storage import QemuImg
from tests.qemu.images import LUKS_OPTIONS

PAGE: Final = Path(__file__).parents[2] / "docs" / "json.md"
#: A command, and the document it prints.
EXAMPLE: Final = re.compile(r"```sh\ndiskchain ([^\n]*)\n```\n\n```json\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: What is another on every machine: file systems, QEMU's versions, and who runs this.
_MACHINES: Final = {
    "actual-size",
    "allocated",
    "bytes",
    "complete",
    "gid",
    "host",
    "hosts-without-domains",
    "room",
    "size",
    "started",
    "uid",
}

_DISK: Final = "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{source}'{inside}<target dev='{target}' bus='virtio'/></disk>"
_ENCRYPTED: Final = "><encryption format='luks'><secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/></encryption></source>"


@contextmanager
def images() -> Iterator[Path]:
    """A directory that anybody may enter, with what the commands on the page are about."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name) / "images"  # missing files are looked for in what lies beside it
        place.mkdir()
        place.parent.chmod(0o755)
        create = partial(QemuImg(), "create", "-q", "-f")
        create("raw", place / "base.raw", "1G")
        create("qcow2", "-b", "base.raw", "-F", "raw", place / "tuesday.qcow2")
        (place / "base.raw").unlink()
        create("qcow2", place / "golden.qcow2", "1G")
        create("qcow2", "-b", "golden.qcow2", "-F", "qcow2", place / "vm.qcow2")
        key = place / "key"
        key.write_text("a key")
        options = f"encrypt.format=luks,{LUKS_OPTIONS.format(prefix='encrypt.')}"
        create("qcow2", "--object", f"secret,id=k,file={key}", "-o", options, place / "vault.qcow2", "1G")
        for path in place.iterdir():
            path.chmod(0o640)
        (place / "golden.qcow2").chmod(0o666)
        _domain(place / "vm.xml", _DISK.format(source=place / "vm.qcow2", inside="/>", target="vda"))
        _domain(place / "vault.xml", _DISK.format(source=place / "vault.qcow2", inside=_ENCRYPTED, target="vda"))
        lab = place / "lab"
        lab.mkdir()
        create("qcow2", lab / "base.qcow2", "1G")
        create("qcow2", "-b", "base.qcow2", "-F", "qcow2", lab / "one.qcow2")
        _domain(lab / "one.xml", _DISK.format(source=lab / "one.qcow2", inside="/>", target="vda"))
        (lab / "notes.txt").write_text("two machines\n")
        fleet = place / "fleet"
        fleet.mkdir()
        loaded = diskchain("scan", ".", "--db", "sqlite:///fleet/catalogue.db", directory=place)
        assert loaded.code == 0, loaded.err
        yield place


def _domain(path: Path, disk: str) -> None:
    path.write_text(
        "<domain type='kvm'><name>vm</name><memory unit='GiB'>1</memory><os><type>hvm</type></os>"
        f"<devices>{disk}</devices></domain>"
    )


def printed(command: str, place: Path) -> str:
    """What a command on the page prints in that directory."""
    shown = diskchain(*shlex.split(command), directory=place)
    assert shown.out, shown.err
    return shown.out.replace(str(place), "/images")


def everywhere(document: Any) -> Any:
    """A document without what depends on the machine."""
    if isinstance(document, dict):
        return {key: None if key in _MACHINES else everywhere(value) for key, value in document.items()}
    return list(map(everywhere, document)) if isinstance(document, list) else document


def page(place: Path) -> str:
    """What the page should be. An example that still says what the tool prints stays as it is."""

    def again(example: re.Match[str]) -> str:
        now = printed(example[1], place)
        try:
            same = everywhere(json.loads(example[2])) == everywhere(json.loads(now))
        except ValueError:
            same = False
        return example[0] if same else f"```sh\ndiskchain {example[1]}\n```\n\n```json\n{now}```"

    return EXAMPLE.sub(again, PAGE.read_text())


if __name__ == "__main__":
    with images() as directory:
        PAGE.write_text(page(directory))
