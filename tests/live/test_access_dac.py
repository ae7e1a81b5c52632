"""A real libvirtd relabels by DAC, and dies, and comes back: the table of owners against what it does.

The daemon is the test's own, so that it can be killed.
"""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diskchain.access.image_locks import Right, image_locks
from diskchain.access.kernel.identity import identify
from diskchain.access.security.libvirt_labels import DomainLabel, at_job, at_start, dac_ids
from diskchain.access.security.saved_labels import boot_times, saved_labels
from diskchain.storage.source import Source, layers
from tests.live.access_domains import (
    Owner,
    chains,
    disk,
    filled_chain,
    finish_commit,
    owner,
    start,
    start_slow_commit,
)
from tests.live.peers import requires
from tests.live.private_libvirtd import PrivateLibvirtd
from tests.live.storage import QemuImg

pytestmark = requires("root")

#: What libvirt's own defaults make of a file whose owner nobody remembers.
_ROOT = (0, 0)


def domain_label(domain: Any) -> DomainLabel:
    """The DAC label of a running domain."""
    # Those of the disks come before it.
    *_, label = re.findall(r"<seclabel[^>]*model='dac'[^>]*>\s*<label>([^<]*)</label>", domain.XMLDesc(0))
    return DomainLabel("dac", label)


def path_of(source: Source) -> Path:
    path = getattr(source.location, "path", None)
    assert path is not None
    return Path(path)


def own_differently(paths: list[Path]) -> dict[Path, Owner]:
    """An owner of its own for each file, so that "given back" cannot be mistaken for "never changed"."""
    for number, path in enumerate(paths):
        os.chown(path, 64200 + number, 64300 + number)
        path.chmod(0o666)
    return {path: owner(path) for path in paths}


LABEL = "<seclabel model='dac' relabel='yes'><label>+64100:+64101</label></seclabel>"
NO_RELABEL = "<seclabel model='dac' relabel='no'/>"


def below(path: Path, lower: Path, *, inside: str = "") -> str:
    """A `<backingStore>` for `path` written by hand, which ends in `lower`."""
    return (
        f"<backingStore type='file'><format type='qcow2'/><source file='{path}'>{inside}</source>"
        f"<backingStore type='file'><format type='qcow2'/><source file='{lower}'/><backingStore/></backingStore>"
        "</backingStore>"
    )


SHAPES: dict[str, Callable[[list[Path]], str]] = {
    "plain": lambda paths: disk(paths[0]),
    "read-only": lambda paths: disk(paths[0], after="<readonly/>"),
    "shareable": lambda paths: disk(paths[2], after="<shareable/>", format="raw"),
    "own label": lambda paths: disk(paths[0], inside=LABEL),
    "own label, chain by hand": lambda paths: disk(paths[0], inside=LABEL, after=below(paths[1], paths[2])),
    "not relabelled": lambda paths: disk(paths[0], inside=NO_RELABEL),
    "label of a layer by hand": lambda paths: disk(paths[0], after=below(paths[1], paths[2], inside=LABEL)),
    "layer not relabelled": lambda paths: disk(paths[0], after=below(paths[1], paths[2], inside=NO_RELABEL)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_owners_at_start_and_after_shutdown_are_as_predicted(
    shape: str, private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    paths = filled_chain(image_dir, qemu_img, "top", "middle", "base")
    before = own_differently(paths)
    domain = start(private_libvirtd, "labels", SHAPES[shape](paths))
    (chain,) = chains(domain)
    predicted = at_start(chain, domain_label(domain))
    for one in predicted:
        path = path_of(one.source)
        ids = before[path][:2] if one.label is None else dac_ids(one.label)
        assert owner(path) == (*ids, one.remembered), (shape, path.name, one)
    domain.destroy()
    for one in predicted:
        path = path_of(one.source)
        ids = before[path][:2] if one.label is None or one.given_back else dac_ids(one.label)
        assert owner(path) == (*ids, False), (shape, path.name, one)


def test_a_domain_that_refuses_relabelling_is_left_alone(
    private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    paths = filled_chain(image_dir, qemu_img, "top", "base")
    before = own_differently(paths)
    who = identify("libvirt-qemu")
    seclabel = f"<seclabel type='static' model='dac' relabel='no'><label>+{who.uid}:+{who.gid}</label></seclabel>"
    domain = start(private_libvirtd, "labels", disk(paths[0]), seclabel=seclabel)
    (chain,) = chains(domain)
    predicted = at_start(chain, replace(domain_label(domain), relabel=False))
    assert [one.label for one in predicted] == [None, None]
    assert {path: owner(path) for path in paths} == before


def test_a_commit_labels_its_base_as_if_it_were_alone(
    private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    paths = filled_chain(image_dir, qemu_img, "top", "middle", "base")
    own_differently(paths)
    domain = start(private_libvirtd, "labels", disk(paths[0], inside=LABEL, after=below(paths[1], paths[2])))
    (chain,) = chains(domain)
    label = domain_label(domain)
    assert owner(paths[2])[:2] == (64100, 64101)
    start_slow_commit(domain, paths[1], paths[2])
    (predicted,) = at_job(list(layers(chain))[2], 2, label, writable=True)
    assert predicted.label is not None
    assert owner(paths[2])[:2] == dac_ids(predicted.label) == dac_ids(label.label)


def test_owners_and_locks_through_a_commit_a_killed_daemon_and_a_shutdown(
    private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    top, upper, lower, base = paths = filled_chain(image_dir, qemu_img, "top", "upper", "lower", "base")
    before = own_differently(paths)
    domain = start(private_libvirtd, "labels", disk(top))
    (chain,) = chains(domain)
    label = domain_label(domain)
    running = {path: (*dac_ids(label.label), path == top) for path in paths}
    assert {path: owner(path) for path in paths} == running
    (note,) = saved_labels(str(top))
    assert (note.original, note.users, note.stale(boot_times())) == (f"+{before[top].uid}:+{before[top].gid}", 1, False)

    start_slow_commit(domain, upper, lower)
    job = [
        one
        for layer, depth in ((1, 1), (2, 2))
        for one in at_job(list(layers(chain))[layer], depth, label, writable=True)
    ]
    assert {dac_ids(one.label or "") for one in job} == {dac_ids(label.label)}
    assert {path: owner(path) for path in paths} == running
    locks = {path: image_locks(str(path)) for path in paths}
    written = {path for path, lock in locks.items() if lock and Right.WRITE in lock.used}
    assert written == {top, lower}

    private_libvirtd.kill()
    assert {path: owner(path) for path in paths} == running
    private_libvirtd.start()
    domain = private_libvirtd.domain("labels")
    assert {path: owner(path) for path in paths} == running
    finish_commit(domain)
    domain.destroy()
    # Only the top comes back. libvirt reckons the boot time anew when it starts, and forgets the owner when the two
    # reckonings differ by a second; then the top goes to root.
    assert owner(top) in ((before[top].uid, before[top].gid, False), (*_ROOT, False))
    for path in (upper, lower, base):
        assert owner(path) == (*dac_ids(label.label), False)


def test_layers_that_libvirt_found_have_the_label_of_their_top_also_in_a_commit(
    private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    paths = filled_chain(image_dir, qemu_img, "top", "middle", "base")
    own_differently(paths)
    domain = start(private_libvirtd, "labels", disk(paths[0], inside=LABEL))
    (chain,) = chains(domain)
    start_slow_commit(domain, paths[1], paths[2])
    (predicted,) = at_job(list(layers(chain))[2], 2, domain_label(domain), writable=True)
    assert predicted.label is not None
    assert owner(paths[2])[:2] == dac_ids(predicted.label) == (64100, 64101)
