"""`access`, `grant` and `revert` as somebody at a terminal meets them."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.access import kernel
from tests.access.verbs import Outcome, verb
from tests.access.world import STRANGER, state_of
from tests.docs.json_schemas import FOLDER
from tests.live.peers import requires
from tests.live.storage import QemuImg

pytestmark = requires("root")

WHO = ("--as", f"+{STRANGER.uid}:+{STRANGER.gid}")


@pytest.fixture
def chain(image_dir: Path, qemu_img: QemuImg) -> list[Path]:
    """top, middle and base, the last in a closed directory."""
    closed = image_dir / "closed"
    closed.mkdir(mode=0o700)
    base, middle, top = closed / "base.raw", image_dir / "middle.qcow2", image_dir / "top.qcow2"
    qemu_img("create", "-q", "-f", "raw", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", middle)
    qemu_img("create", "-q", "-f", "qcow2", "-b", middle, "-F", "qcow2", top)
    return [top, middle, base]


@pytest.fixture
def state(tmp_path: Path) -> tuple[str, str]:
    return "--state", str(tmp_path / "state")


def fixes(outcome: Outcome) -> list[str]:
    return re.findall(r"^ *(?:fix|do): (.*)$", outcome.out, re.MULTILINE)


def test_access_names_the_directory_that_is_closed_and_the_user(chain: list[Path]) -> None:
    said = verb("access", chain[0], *WHO, "--for", "commit")
    assert said.code == 1
    assert f"first: parent directory {chain[2].parent} lacks +x for {STRANGER.uid} (root:root 0700)" in said.out
    assert "the commit writes into its base" in said.out


def test_the_fixes_of_access_run_one_after_the_other_until_it_is_allowed(chain: list[Path]) -> None:
    words = (chain[0], *WHO, "--for", "commit")
    said = verb("access", *words)
    for _ in range(9):
        if said.code == 0:
            break
        for command in dict.fromkeys(fixes(said)):
            subprocess.run(["sh", "-c", command], check=True)
        said = verb("access", *words)
    assert said.code == 0
    for path, flags in ((chain[0], os.O_RDWR), (chain[1], os.O_RDONLY), (chain[2], os.O_RDWR)):
        assert kernel.opens_as(STRANGER, [(str(path), flags)]) == [0]


def test_no_fix_ever_opens_a_file_to_everybody(chain: list[Path]) -> None:
    for path in chain:
        path.chmod(0o600)
    for operation in ("start", "commit", "pull", "rebase"):
        said = verb("access", chain[0], *WHO, "--for", operation)
        assert fixes(said)
        assert not re.search(r"777|o\+|a\+|o::|root", " ".join(fixes(said)))


def test_access_as_json_is_valid_by_its_schema(chain: list[Path]) -> None:
    said = verb("access", chain[0], *WHO, "--for", "commit", "--base", "1", "--json")
    document = json.loads(said.out)
    jsonschema.validate(document, json.loads((FOLDER / "access-1.json").read_text()), jsonschema.Draft202012Validator)
    needed = [(file["position"], file["needed"], file["verdict"]) for file in document["disks"][0]["files"]]
    assert needed == [(0, "read-write", "denied"), (1, "read-write", "denied"), (2, "read", "denied")]


def test_root_may_do_everything_unless_it_gave_its_capabilities_up(chain: list[Path]) -> None:
    chain[0].chmod(0o400)
    assert verb("access", chain[0], "--as", "root").code == 0
    said = verb("access", chain[0], "--as", "root", "--no-capabilities")
    assert said.code == 1
    assert "chmod u+w" in said.out


def test_a_layer_is_named_by_position_by_path_or_as_libvirt_does(chain: list[Path]) -> None:
    outputs = {
        verb("access", chain[0], *WHO, "--for", "commit", "--base", name).out
        for name in ("1", str(chain[1]), f"{chain[0]}:1", f"{chain[1].parent}/./middle.qcow2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--for", "commit", "--base", "9"),
        ("--for", "commit", "--base", "/nowhere"),
        ("--for", "commit", "--top", "2"),
        ("--for", "start", "--base", "1"),
        ("--for", "copy"),
        ("--for", "pull", "--base", "0"),
        ("-d", "vdz"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(chain: list[Path], words: tuple[str, ...]) -> None:
    said = verb("access", chain[0], *WHO, *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("diskchain: ")


def test_an_unknown_user_and_no_user_are_usage_errors(chain: list[Path]) -> None:
    assert verb("access", chain[0], "--as", "no-such-user-here").code == 2
    assert verb("access", chain[0]).code == 2


def test_a_missing_layer_is_denied_as_missing(chain: list[Path]) -> None:
    chain[2].unlink()
    said = verb("access", chain[0], "--as", "root")
    assert said.code == 1
    assert "nothing is there" in said.out


def test_a_new_overlay_needs_a_directory_to_be_made_in(chain: list[Path], image_dir: Path) -> None:
    new = image_dir / "new.qcow2"
    said = verb("access", chain[0], *WHO, "--for", "snapshot", "--to", new)
    assert f"{STRANGER.uid} lacks +w (root:root 0755)" in said.out
    (command,) = [fix for fix in fixes(said) if fix.endswith(f"-- {image_dir}")]
    subprocess.run(["sh", "-c", command], check=True)
    assert kernel.opens_as(STRANGER, [(str(new), os.O_RDWR | os.O_CREAT)]) == [0]


def domain(image: Path, seclabel: str = "") -> str:
    return (
        f"<domain><name>web</name><devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='{image}'/>"
        f"<target dev='vda' bus='virtio'/></disk></devices>{seclabel}</domain>"
    )


def test_a_domain_s_files_are_judged_as_libvirt_will_have_labelled_them(chain: list[Path], tmp_path: Path) -> None:
    chain[2].parent.chmod(0o755)
    for path in chain:
        path.chmod(0o600)
    document = tmp_path / "web.xml"
    document.write_text(domain(chain[0]))
    assert verb("access", document, *WHO).code == 0
    assert verb("access", document, *WHO, "--as-is").code == 1
    label = f"<label>+{STRANGER.uid}:+{STRANGER.gid}</label>"
    document.write_text(domain(chain[0], f"<seclabel type='static' model='dac' relabel='no'>{label}</seclabel>"))
    assert verb("access", document).code == 1


def test_grant_prints_a_plan_and_changes_nothing(chain: list[Path], state: tuple[str, str]) -> None:
    before = [state_of(path)[:4] for path in chain]
    said = verb("grant", chain[0], *WHO, "--for", "commit", *state)
    assert said.code == 0
    assert len(fixes(said)) == 3
    assert [state_of(path)[:4] for path in chain] == before
    assert not Path(state[1]).exists()


def test_grant_and_revert_go_there_and_back(chain: list[Path], state: tuple[str, str]) -> None:
    files = [*chain, chain[2].parent]
    before = [state_of(path)[:4] for path in files]
    said = verb("grant", chain[0], *WHO, "--for", "commit", "--apply", *state)
    assert said.code == 0
    assert "grant 1: 3 changed, 1 recorded" in said.out
    assert kernel.opens_as(STRANGER, [(str(chain[2]), os.O_RDWR)]) == [0]
    listed = verb("revert", "--list", *state)
    assert f"u:{STRANGER.uid}:rw-" in listed.out
    assert verb("revert", "1", *state).out.count(": restored") == 4
    assert [state_of(path)[:4] for path in files] == before
    assert verb("revert", *state).out == "nothing is granted\n"


def test_the_plan_s_own_commands_do_the_same_as_apply(chain: list[Path], state: tuple[str, str]) -> None:
    said = verb("grant", chain[0], *WHO, "--for", "commit", *state)
    before = [state_of(path)[:4] for path in chain]
    for command in fixes(said):
        subprocess.run(["sh", "-c", command], check=True)
    by_hand = [state_of(path)[:4] for path in chain]
    subprocess.run(["setfacl", "-b", *chain, chain[2].parent], check=True)
    assert [state_of(path)[:4] for path in chain] == before
    verb("grant", chain[0], *WHO, "--for", "commit", "--apply", *state)
    assert [state_of(path)[:4] for path in chain] == by_hand


def test_grant_does_nothing_at_all_when_something_would_stay_in_the_way(
    chain: list[Path], state: tuple[str, str]
) -> None:
    os.chown(chain[2], STRANGER.uid, 0)
    chain[2].chmod(0o400)
    before = [state_of(path)[:4] for path in chain]
    said = verb("grant", chain[0], *WHO, "--for", "commit", "--apply", *state)
    assert said.code == 1
    assert "would have to change, which --allow does not name" in said.out
    assert "nothing was changed" in said.out
    assert [state_of(path)[:4] for path in chain] == before
    assert verb("grant", chain[0], *WHO, "--for", "commit", "--apply", "--allow", "mode", *state).code == 0


def test_a_grant_of_a_living_process_is_left_alone_until_it_is_named(chain: list[Path], state: tuple[str, str]) -> None:
    words = (chain[0], *WHO, "--for", "commit", "--apply", "--while", str(os.getpid()), *state)
    assert verb("grant", *words).code == 0
    left = verb("revert", *state)
    assert "its process still runs" in left.out
    assert verb("revert", "1", *state).out.count(": restored") == 4


def test_unknown_grants_and_dead_processes_are_usage_errors(chain: list[Path], state: tuple[str, str]) -> None:
    assert verb("grant", chain[0], *WHO, "--apply", "--while", "999999999", *state).code == 2
    verb("grant", chain[0], *WHO, "--apply", *state)
    assert verb("revert", "77", *state).code == 2


def test_names_with_control_characters_and_odd_bytes_are_shown_safely(
    image_dir: Path, qemu_img: QemuImg, state: tuple[str, str]
) -> None:
    odd = Path(os.fsdecode(os.fsencode(image_dir) + b"/a\x1b[2J\nb'\xff.raw"))
    qemu_img("create", "-q", "-f", "raw", odd, "1M")
    odd.chmod(0o600)
    granted = verb("grant", odd, *WHO, "--apply", *state)
    assert granted.code == 0
    assert kernel.opens_as(STRANGER, [(str(odd), os.O_RDWR)]) == [0]
    outputs = [granted, verb("access", odd, *WHO), verb("revert", "--list", *state), verb("revert", *state)]
    for said in outputs:
        assert "\x1b" not in said.out
        assert all(line.isprintable() for line in said.out.splitlines())
    assert odd.stat().st_mode & 0o777 == 0o600


def test_a_read_only_disk_needs_no_write(chain: list[Path], tmp_path: Path, lonely: Callable[[Path], None]) -> None:
    chain[2].parent.chmod(0o755)
    for path in chain:
        lonely(path)
    document = tmp_path / "web.xml"
    document.write_text(domain(chain[0]).replace("<target", "<readonly/><target"))
    assert verb("access", document, *WHO, "--as-is").code == 0
    assert verb("access", document, *WHO, "--as-is", "--for", "commit").code == 1


@pytest.fixture
def lonely() -> Callable[[Path], None]:
    """Makes a file readable for all and writable for nobody but its owner."""
    return lambda path: path.chmod(0o644)
