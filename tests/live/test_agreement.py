"""Python, ``show``, ``check`` and ``diff`` find the same in every generated chain, as images and as the disks of domains."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import diskchain
from tests.cli.commands import diskchain as command
from tests.live.chains import ChainMaker, generated_chain
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg
from tests.live.test_complete import CHAINS, PER_DOMAIN, generated_disks

DOCUMENT = "<domain type='qemu'><name>agreed</name><memory>1024</memory><os><type>hvm</type></os><devices>{}</devices></domain>"


@pytest.fixture
def maker(image_dir: Path, qemu_img: QemuImg, loop_device: Callable[[Path], Path]) -> ChainMaker:
    return ChainMaker(image_dir, qemu_img, loop_device)


def found_in(document: Any) -> Iterator[tuple[str, str | None, str]]:
    """Every finding in a JSON document, wherever it stands."""
    if isinstance(document, dict):
        if "severity" in document and "id" in document:
            yield document["id"], document.get("file"), document["message"]
        for part in document.values():
            yield from found_in(part)
    elif isinstance(document, list):
        for part in document:
            yield from found_in(part)


def agree(target: Path, verbs: tuple[str, ...], *connect: str) -> int:
    report = diskchain.check(str(target), connect=connect[1] if connect else None)
    expected = sorted((found.id, found.file, found.message) for found in report.findings)
    codes = set()
    for verb in verbs:
        printed = command(verb, "--json", *connect, target)
        codes.add(printed.code)
        assert sorted(found_in(json.loads(printed.out)), key=str) == sorted(expected, key=str), verb
    assert len(codes - {1}) <= 1  # diff says 1 where views differ that each by itself is in order
    return len(expected)


@pytest.mark.parametrize("first", range(0, CHAINS, PER_DOMAIN))
def test_all_verbs_and_the_library_find_the_same(maker: ChainMaker, tmp_path: Path, first: int) -> None:
    document = tmp_path / "vm.xml"
    document.write_text(DOCUMENT.format(generated_disks(maker, first)))
    agree(document, ("show", "check", "diff"))


def test_the_generated_chains_have_findings_to_agree_on(maker: ChainMaker, tmp_path: Path) -> None:
    document = tmp_path / "vm.xml"
    document.write_text(DOCUMENT.format(generated_disks(maker, 0)))
    assert agree(document, ("check",)) > 0
    assert generated_chain(0).layers


def test_they_find_the_same_in_a_running_domain(
    libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain], maker: ChainMaker
) -> None:
    domain = paused_domain(generated_disks(maker, 0))
    agree(Path(domain.name), ("show", "check"), "-c", libvirtd.uri)
