"""libvirt's virt-aa-helper writes the AppArmor rules of real chains: the model says the same, line by line."""

import os
import random
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from diskchain.access.requirements import Access
from diskchain.access.security.apparmor_profile import Profile, ask_profile, parse_rules
from diskchain.access.security.apparmor_rules import PATTERN_CHARACTERS, FileRule, chain_rules, job_rules
from diskchain.errors import UsageError
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, stack
from tests.live.peers import give_up, requires
from tests.live.storage import QemuImg

pytestmark = requires("root")

_HELPER = Path("/usr/lib/libvirt/virt-aa-helper")
_UUID = "2b6a7d1e-0001-4b0e-9d3a-000000000001"
_CHAINS = 25
_DOMAIN = """\
<domain type='qemu'><name>rules</name><uuid>{uuid}</uuid><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{disk}</devices>
<seclabel type='dynamic' model='apparmor' relabel='yes'/></domain>
"""


def helper_rules(path: Path, flags: str, *arguments: str) -> list[FileRule] | None:
    """The rules virt-aa-helper would write for a disk; None when it refuses."""
    if not _HELPER.exists():
        give_up(f"needs {_HELPER}, which comes with libvirtd where it is built with AppArmor")
    disk = (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file={quoteattr(str(path))}/>"
        f"<target dev='vda' bus='virtio'/>{flags}</disk>"
    )
    done = subprocess.run(
        [_HELPER, "--dryrun", "-r" if arguments else "-c", "-u", f"libvirt-{_UUID}", *arguments],
        input=_DOMAIN.format(uuid=_UUID, disk=disk),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return None
    rules, _ = parse_rules(done.stdout + done.stderr, "helper")
    # What a domain gets for its log, monitor and pid file has its name in it.
    return [replace(rule, origin=None) for rule in rules if "rules" not in rule.pattern]


def generated(chance: random.Random, directory: Path, qemu_img: QemuImg) -> tuple[Path, Source, str]:
    """A real chain: the path its disk has, the Source without symlinks, the flags of the disk."""
    layers: list[Path] = []
    below: list[str | Path] = []
    for depth in range(chance.randint(1, 4)):
        layer = directory / f"{depth}{chance.choice(('', ' blank', '-ü', ',', '[1]', '*'))}.qcow2"
        qemu_img("create", "-q", "-f", "qcow2", *below, layer, "1M")
        name: str | Path = layer
        if chance.random() < 0.3:
            link = directory / f"link-{depth}.qcow2"
            link.symlink_to(layer.name)
            name = chance.choice((link, link.name))
        layers.insert(0, layer)
        below = ["-b", name, "-F", "qcow2"]
    readonly, shared = chance.random() < 0.3, chance.random() < 0.3
    sources = [Source(FileLocation(str(layer)), readonly=depth > 0 or readonly) for depth, layer in enumerate(layers)]
    top = layers[0]
    if chance.random() < 0.3:
        top = directory / "top-link.qcow2"
        top.symlink_to(layers[0])
    flags = ("<readonly/>" if readonly else "") + ("<shareable/>" if shared else "")
    return top, stack(sources, TERMINATOR)._replace(shared=shared), flags


@pytest.mark.parametrize("seed", range(_CHAINS))
def test_the_rules_of_a_generated_chain_are_the_helper_s(seed: int, image_dir: Path, qemu_img: QemuImg) -> None:
    top, chain, flags = generated(random.Random(seed), image_dir, qemu_img)  # noqa: S311 - numbered cases
    assert helper_rules(top, flags) == list(chain_rules(chain))


def test_the_rule_a_job_appends_is_the_helper_s(image_dir: Path, qemu_img: QemuImg) -> None:
    path = image_dir / "base.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    assert helper_rules(path, "", "-F", str(path)) == list(job_rules(str(path)))


def test_a_commit_is_denied_by_the_rule_written_at_start(image_dir: Path, qemu_img: QemuImg) -> None:
    """The wall that https://gitlab.com/libvirt/libvirt/-/issues/622 is about, found by reading the profile."""
    base, top = image_dir / "base.qcow2", image_dir / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
    at_start = helper_rules(top, "")
    appended = helper_rules(top, "", "-F", str(base))
    assert at_start is not None
    assert appended is not None
    said = ask_profile(Profile((*at_start, *appended)), str(base), Access.WRITE)
    assert (said.allowed, str(said.rule)) == (False, f'deny "{base}" w,')


@pytest.mark.parametrize("name", ['quo"te.qcow2'])
def test_a_path_the_helper_refuses_is_refused(name: str, image_dir: Path, qemu_img: QemuImg) -> None:
    path = image_dir / name
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    assert helper_rules(path, "") is None
    with pytest.raises(UsageError):
        chain_rules(Source(FileLocation(str(path)), backing=TERMINATOR))


@pytest.mark.parametrize("character", sorted(PATTERN_CHARACTERS - {"?", "*", "\\"}))
def test_a_path_with_a_pattern_character_is_written_as_it_is(
    character: str, image_dir: Path, qemu_img: QemuImg
) -> None:
    path = image_dir / f"a{character}b.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    rules = helper_rules(path, "")
    assert rules == list(chain_rules(Source(FileLocation(os.fspath(path)), backing=TERMINATOR)))
