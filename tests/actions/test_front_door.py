"""``import diskchain``: the verbs as a program calls them give what the commands give."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import diskchain as command
from tests.discover.written import write_qcow2

import diskchain
from diskchain.errors import LayerNotFound

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "recipes"


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    base = write_qcow2(tmp_path / "base.qcow2")
    write_qcow2(tmp_path / "mid.qcow2", "base.qcow2")
    base.chmod(0o666)
    return write_qcow2(tmp_path / "top.qcow2", "mid.qcow2")


@pytest.fixture
def domain(chain: Path) -> Path:
    path = chain.with_name("vm.xml")
    path.write_text(
        "<domain type='kvm'><name>vm</name><memory>1024</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{chain}'/>"
        "<target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    return path


def ids(findings: object) -> list[tuple[str, str | None, str | None]]:
    return sorted((found.id, found.file, found.layer) for found in findings)  # type: ignore[attr-defined]


def of_json(document: dict[str, object]) -> list[tuple[str, str | None, str | None]]:
    found: list[tuple[str, str | None, str | None]] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if "severity" in value and "id" in value:
                found.append((value["id"], value.get("file"), value.get("layer")))
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    walk(document)
    return sorted(found)


@pytest.mark.parametrize("target", ["chain", "domain"])
def test_python_show_check_and_diff_find_the_same(request: pytest.FixtureRequest, target: str) -> None:
    path: Path = request.getfixturevalue(target)
    expected = [(id, file) for id, file, _ in ids(diskchain.check(path).findings)]
    assert "world-writable-base" in [id for id, _ in expected]
    verbs = ["show", "check"] if target == "chain" else ["show", "check", "diff"]
    for verb in verbs:
        printed = of_json(json.loads(command(verb, "--json", path).out))
        assert [(id, file) for id, file, _ in printed] == expected, verb


def test_an_image_is_probed_as_the_command_line_does(chain: Path) -> None:
    found = diskchain.discover(chain)
    assert [str(layer.source.format) for layer in found] == ["qcow2", "qcow2", "qcow2"]
    assert found.complete
    assert [layer.source.location for layer in diskchain.discover(str(chain), disk=f"{chain}:1")] == [
        layer.source.location for layer in found[1:]
    ]


def test_a_source_and_a_disk_are_targets(chain: Path, domain: Path) -> None:
    source = diskchain.Source(diskchain.FileLocation(str(chain)))
    assert len(diskchain.discover(source)) == 3
    disk = diskchain.parse_domain(domain.read_text()).disks[0]
    assert len(diskchain.discover(disk)) == 3
    assert diskchain.check(disk).disks[0].name == "vda"


def test_of_several_disks_one_has_to_be_named(domain: Path) -> None:
    text = domain.read_text()
    other = "<disk type='file'><source file='/gone'/><target dev='vdb' bus='virtio'/></disk>"
    text = text.replace("</devices>", f"{other}</devices>")
    with pytest.raises(LayerNotFound, match="vda, vdb"):
        diskchain.discover(text)
    assert len(diskchain.discover(text, disk="vda")) == 3


def test_completing_and_stripping_text_comes_back_to_the_same_bytes(domain: Path) -> None:
    text = domain.read_bytes()
    done = diskchain.complete(text).text
    assert done.count(b"<backingStore") == 3
    assert diskchain.strip(done).text == text


def test_an_edit_changes_one_value_and_strip_still_works(domain: Path) -> None:
    text = domain.read_bytes()
    done = diskchain.complete(text).text
    edited = diskchain.edit(done, "vda", path="/new & 'odd'")
    assert b"file='/new &amp; &apos;odd&apos;'" in edited
    (disk,) = diskchain.parse_domain(diskchain.strip(edited).text).disks
    assert disk.source.location == diskchain.FileLocation("/new & 'odd'")
    assert len(edited) - len(done) == len(b"/new &amp; &apos;odd&apos;") - len(
        os.fsencode(domain.with_name("top.qcow2"))
    )
    lower = diskchain.edit(done, "vda[2]", path="/lower", format=diskchain.Format.RAW)
    assert b"<source file='/lower'/>" in lower
    assert b"<format type='raw'/>" in lower
    assert diskchain.strip(lower).text == text


def test_a_secret_is_written_for_a_layer(domain: Path) -> None:
    secret = diskchain.SecretReference("passphrase", usage="key")
    edited = diskchain.edit(domain.read_bytes(), "vda", secret=secret)
    assert b"<encryption format='luks'><secret type='passphrase' usage='key'/></encryption>" in edited


@pytest.mark.parametrize("name", ["vdb", "vda[7]", "/nothing"])
def test_a_layer_that_is_not_there_is_a_usage_error(domain: Path, name: str) -> None:
    with pytest.raises(LayerNotFound):
        diskchain.edit(domain.read_bytes(), name, path="/new")


def test_block_nodes_come_as_values_and_as_arguments(domain: Path) -> None:
    (disk,) = diskchain.blockdev(domain).disks
    words = disk.arguments()
    assert words[::2] == ["-blockdev"] * 6
    assert json.loads(words[-1])["node-name"] == disk.node
    assert disk.layers[0][0] == "vda[0]"


def test_access_is_judged(domain: Path) -> None:
    judged = diskchain.access(domain, "+65534:+65534")
    assert [str(each.verdict) for each in judged.files["vda"]]


def test_the_policies_are_the_ones_of_the_command_line(chain: Path) -> None:
    report = diskchain.check(chain, policy=diskchain.UPLOAD)
    assert report.verdict == "findings"
    assert {diskchain.LIBVIRT.name, diskchain.STRICT.name, diskchain.UPLOAD.name} == {"libvirt", "strict", "upload"}


def test_every_public_name_is_there() -> None:
    for name in diskchain.__all__:
        assert getattr(diskchain, name) is not None


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.py")), ids=lambda path: path.stem)
def test_a_recipe_is_short_and_uses_the_front_door_alone(recipe: Path) -> None:
    lines = recipe.read_text().splitlines()
    assert len(lines) <= 25
    assert not re.search(r"from diskchain|import diskchain\.", recipe.read_text())


def run(recipe: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RECIPES / f"{recipe}.py", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_the_recipe_of_all_files_names_them_with_sizes(domain: Path) -> None:
    done = run("files_of_a_domain", domain)
    size = domain.with_name("base.qcow2").stat().st_size
    assert f"vda  {domain.with_name('base.qcow2')}  {size} bytes" in done.stdout
    assert len(done.stdout.splitlines()) == 3


def test_the_recipe_of_uploads_says_why_not(chain: Path, tmp_path: Path) -> None:
    refused = run("judge_upload", chain)
    assert (refused.returncode, refused.stdout.splitlines()[-1]) == (1, "refused")
    assert "[reference-refused]" in refused.stdout
    alone = write_qcow2(tmp_path / "alone.qcow2")
    assert run("judge_upload", alone).stdout == "accepted\n"
    assert run("judge_upload", tmp_path / "gone").stderr.startswith("refused: ")


def test_the_recipe_of_moving_changes_the_document_and_prints_arguments(domain: Path) -> None:
    moved = domain.with_name("moved.qcow2")
    domain.with_name("top.qcow2").rename(moved)
    done = run("move_a_layer", domain, "vda", moved)
    assert done.stdout.startswith("-blockdev ")
    assert str(moved) in done.stdout
    assert str(moved) in domain.read_text()


def test_importing_a_package_leaves_the_function_of_its_name() -> None:
    code = "import diskchain.access.judge, diskchain.discover.walk, diskchain; print(diskchain.access.__name__, diskchain.discover.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "access discover\n"
