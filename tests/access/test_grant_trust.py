"""What no right is granted on: what `show` refuses, what is no storage, and what only a header names that others may have written."""

import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from diskchain.access.evidence import examine_all
from diskchain.access.grants.trust import refused_replacements
from diskchain.discover import Discoverer
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from tests.access.verbs import Outcome, verb
from tests.access.world import STRANGER, has_acl
from tests.discover.written import write_qcow2
from tests.docs.json_schemas import FOLDER
from tests.live.peers import requires
from tests.live.storage import QemuImg

pytestmark = requires("root")

WHO = ("--as", f"+{STRANGER.uid}:+{STRANGER.gid}")
THIRD = 64001


def raw(path: Path, *, owner: int = 0) -> Path:
    path.write_bytes(bytes(65536))
    os.chown(path, owner, owner)
    path.chmod(0o600)
    return path


def overlay(path: Path, backing: str, *, owner: int = 0, format: str = "raw") -> Path:
    write_qcow2(path, backing, format)
    os.chown(path, owner, owner)
    path.chmod(0o600)
    return path


@pytest.fixture
def grant(tmp_path: Path) -> Callable[..., Outcome]:
    """`grant --apply` with a journal of its own."""
    return lambda *words: verb("grant", *words, *WHO, "--apply", "--state", tmp_path / "state")


def document(path: Path, image: Path, backing: str = "") -> Path:
    path.write_text(
        f"<domain><name>vm</name><devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='{image}'/>"
        f"{backing}<target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    return path


def declared(path: Path) -> str:
    return f"<backingStore type='file'><format type='raw'/><source file='{path}'/><backingStore/></backingStore>"


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


SPECIAL: dict[str, Callable[[Path], None]] = {
    "FIFO": lambda path: os.mkfifo(path, 0o600),
    "character device": lambda path: os.mknod(path, 0o020600, os.makedev(1, 3)),
    "socket": make_socket,
    "directory": lambda path: path.mkdir(mode=0o700),
}


@pytest.mark.parametrize("policy", ["libvirt", "strict", "upload"])
@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_storage_gets_no_right_whoever_names_it(
    image_dir: Path, tmp_path: Path, grant: Callable[..., Outcome], kind: str, policy: str
) -> None:
    special = image_dir / "special"
    SPECIAL[kind](special)
    top = overlay(image_dir / "top", "special")
    listed = document(tmp_path / "vm.xml", top, declared(special))
    first = document(tmp_path / "first.xml", special)
    for target in (top, listed, first):
        said = grant(target, "--as-is", "--policy", policy)
        assert said.code in (1, 3), (target, said)
        assert "nothing was changed" in said.out
        assert not re.search(rf"(do|decide on): .*{special}$", said.out, re.MULTILINE)
        assert not has_acl(special)
        assert not has_acl(top)


def test_a_base_beside_its_overlay_is_granted_and_who_named_it_is_said(
    image_dir: Path, grant: Callable[..., Outcome]
) -> None:
    base, top = raw(image_dir / "base"), overlay(image_dir / "top", "base")
    said = grant(top)
    assert said.code == 0
    assert has_acl(base)
    assert re.search(rf"{top}\n.*\n    named by: the command line", said.out)
    assert re.search(rf"{base}\n.*\n    named by: the header of {top}", said.out)


def test_what_lies_elsewhere_is_granted_only_where_the_document_or_the_policy_says_so(
    image_dir: Path, tmp_path: Path, grant: Callable[..., Outcome]
) -> None:
    for name in ("here", "there"):
        (image_dir / name).mkdir()
    base = raw(image_dir / "there" / "base")
    top = overlay(image_dir / "here" / "top", str(base))
    refused = grant(top)
    assert refused.code == 1
    assert "policy strict allows only what lies in" in refused.out
    assert "--policy" in refused.out
    assert not has_acl(base)
    assert not has_acl(top)
    listed = document(tmp_path / "vm.xml", top, declared(base))
    said = grant(listed, "--as-is")
    assert said.code == 0
    assert f"named by: the document {listed}" in said.out
    assert has_acl(base)
    verb("revert", "1", "--state", tmp_path / "state")
    assert not has_acl(base)
    assert grant(top, "--policy", "libvirt").code == 0
    assert has_acl(base)


@pytest.mark.parametrize("author", [STRANGER.uid, THIRD])
def test_a_header_that_another_user_may_have_written_grants_nothing_of_others(
    image_dir: Path, tmp_path: Path, grant: Callable[..., Outcome], author: int
) -> None:
    closed = image_dir / "closed"
    closed.mkdir(mode=0o700)
    secret = raw(closed / "secret")
    top = overlay(image_dir / "top", "closed/secret", owner=author)
    said = grant(top)
    assert said.code == 1
    assert f"{secret} belongs to root, and only the header of {top} names it, which {author} owns" in said.out
    assert f"-- {secret}" not in said.out
    assert f"-- {closed}\n" not in said.out
    assert not has_acl(secret)
    assert not has_acl(closed)
    assert grant(top, "--policy", "upload").code == 1
    assert not has_acl(secret)
    listed = document(tmp_path / "vm.xml", top, declared(secret))
    assert grant(listed, "--as-is").code == 0
    assert has_acl(secret)


def test_a_header_s_author_counts_at_every_layer(image_dir: Path, grant: Callable[..., Outcome]) -> None:
    secret = raw(image_dir / "secret")
    overlay(image_dir / "middle", "secret", owner=THIRD)
    top = overlay(image_dir / "top", "middle", format="qcow2")
    assert grant(top).code == 1
    assert not has_acl(secret)


def test_an_owner_s_header_grants_the_owner_s_own_files(image_dir: Path, grant: Callable[..., Outcome]) -> None:
    base = raw(image_dir / "base", owner=THIRD)
    assert grant(overlay(image_dir / "top", "base", owner=THIRD)).code == 0
    assert has_acl(base)


def test_a_readable_base_of_another_owner_needs_no_trust(image_dir: Path, grant: Callable[..., Outcome]) -> None:
    raw(image_dir / "base").chmod(0o644)
    assert grant(overlay(image_dir / "top", "base", owner=STRANGER.uid)).code == 0


def test_a_data_file_and_extents_are_named_by_their_header(
    image_dir: Path, qemu_img: QemuImg, grant: Callable[..., Outcome]
) -> None:
    data, top = image_dir / "data", image_dir / "top"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", top, "1M")
    os.chown(top, THIRD, THIRD)
    for path in (data, top):
        path.chmod(0o600)
    said = grant(top)
    assert said.code == 1
    assert f"only the header of {top} names it" in said.out
    assert not has_acl(data)
    disk = image_dir / "disk.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentFlat", disk, "1M")
    extent = image_dir / "disk-f001.vmdk"
    for path in (disk, extent):
        path.chmod(0o600)
    os.chown(disk, THIRD, THIRD)
    assert grant(disk).code == 1
    assert not has_acl(extent)


BROKEN: dict[str, tuple[Callable[[Path], object], int]] = {
    "missing": (Path.unlink, 1),
    "malformed": (lambda path: path.write_bytes(b"QFI\xfb" + bytes(2)), 1),
    "a loop": (lambda path: write_qcow2(path, "top", "qcow2"), 1),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_chain_that_cannot_be_followed_gets_no_right_at_all(
    image_dir: Path, tmp_path: Path, grant: Callable[..., Outcome], fault: str
) -> None:
    middle = overlay(image_dir / "middle", "base")
    raw(image_dir / "base")
    top = overlay(image_dir / "top", "middle", format="qcow2")
    spoil, code = BROKEN[fault]
    spoil(middle)
    for policy in ("libvirt", "strict"):
        said = grant(top, "--policy", policy)
        assert (said.code, "nothing was changed" in said.out) == (code, True), said
        assert not has_acl(top)
    assert verb("show", top).code == code
    assert grant(document(tmp_path / "vm.xml", top), "--as-is", "--policy", "libvirt").code == code
    assert not has_acl(top)


def test_a_file_that_was_replaced_since_the_chain_was_read_gets_no_right(image_dir: Path) -> None:
    base, top = raw(image_dir / "base"), overlay(image_dir / "top", "base")
    chain = Discoverer().discover(Source(FileLocation(str(top)), Format.QCOW2))
    paths = [str(top), str(base)]
    assert [*refused_replacements(chain, examine_all(paths))] == []
    base.rename(image_dir / "old")
    raw(base)
    (refusal,) = refused_replacements(chain, examine_all(paths))
    assert refusal.path == str(base)
    base.unlink()
    base.symlink_to("/etc/shadow")
    (refusal,) = refused_replacements(chain, examine_all(paths))
    assert refusal.path == str(base)


def test_the_plan_is_json_that_its_schema_describes(image_dir: Path, tmp_path: Path) -> None:
    closed = image_dir / "closed"
    closed.mkdir(mode=0o700)
    base = raw(closed / "base")
    top = overlay(image_dir / "top", "closed/base")
    words = ("grant", top, *WHO, "--json", "--state", tmp_path / "state")
    schema = json.loads((FOLDER / "grant-1.json").read_text())
    for more in ((), ("--policy", "upload"), ("--apply",)):
        said = json.loads(verb(*map(str, words), *more).out)
        jsonschema.validate(said, schema, jsonschema.Draft202012Validator)
        if "upload" in more:
            assert (said["complete"], said["grant"]) == (False, None)
            assert [each["refused"] for each in said["in-the-way"]] == [True]
            continue
        assert (said["complete"], said["grant"]) == (True, 1 if more else None)
        by_name = {step["filename"]: step for step in said["steps"]}
        assert by_name[str(base)]["named-by"] == [{"by": "header", "name": str(top)}]
        assert by_name[str(closed)]["changes"] == [{"kind": "acl", "uid": STRANGER.uid, "permissions": "--x"}]
        assert by_name[str(top)]["named-by"] == [{"by": "command line"}]


def test_what_was_given_back_is_json_that_its_schema_describes(image_dir: Path, tmp_path: Path) -> None:
    state = ("--state", tmp_path / "state")
    base = raw(image_dir / "base")
    verb("grant", base, "-f", "raw", *WHO, "--apply", *state)
    schema = json.loads((FOLDER / "revert-1.json").read_text())
    listed, reverted, empty = (json.loads(verb("revert", *more, "--json", *state).out) for more in (["--list"], [], []))
    for said in (listed, reverted, empty):
        jsonschema.validate(said, schema, jsonschema.Draft202012Validator)
    assert [each["grant"] for each in listed["grants"]] == [1]
    assert listed["outcomes"] == []
    (outcome,) = reverted["outcomes"]
    assert (outcome["filename"], outcome["result"], outcome["done"]) == (str(base), "restored", True)
    assert reverted["grants"] == empty["grants"] == empty["outcomes"] == []


def test_what_is_not_on_this_host_is_not_called_allowed(image_dir: Path, tmp_path: Path) -> None:
    top = overlay(image_dir / "top", "base")
    top.chmod(0o666)
    backing = (
        "<backingStore type='network'><format type='raw'/><source protocol='nbd' name='x'><host name='h'/></source>"
        "<backingStore/></backingStore>"
    )
    listed = document(tmp_path / "vm.xml", top, backing)
    said = verb("grant", listed, *WHO, "--as-is", "--state", tmp_path / "state")
    assert said.code == 3
    assert "may do this already" not in said.out
    assert "nbd://h/x is no file on this host" in said.out
    document_of = json.loads(verb("grant", listed, *WHO, "--as-is", "--json", "--state", tmp_path / "state").out)
    assert document_of["elsewhere"] == ["nbd://h/x"]
