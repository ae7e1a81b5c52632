"""A running libvirtd with a paused guest judges `jobs.bitmaps`: the transactions it sends to QEMU, and the bitmaps QEMU then has, are ours.

The transactions are read from libvirtd's log of its QEMU monitor.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lxml import etree

from diskchain.jobs import bitmaps
from diskchain.jobs.bitmaps import BitmapNode, Outcome
from tests.live.daemons import libvirt
from tests.live.private_libvirtd import PrivateLibvirtd, started, wait_for
from tests.live.storage import QemuImg

_SENT = re.compile(r"QEMU_MONITOR_SEND_MSG: mon=\S+ msg=(\{.*\})")
_XML = """\
<domain type='qemu'><name>diskchain-test-bitmaps</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>
<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>
"""
_OVERLAY = "<source file='{}'/><driver type='qcow2'/>"
_DISKS = "<disks><disk name='vda'{}>{}</disk></disks>"
Nodes = list[BitmapNode]


class Guest(NamedTuple):
    """A paused domain with the disk vda, and the log of what libvirtd says to its QEMU."""

    domain: Any
    log: Path

    def chain(self) -> Nodes:
        """The layers of vda with their bitmaps, as QEMU has them."""
        import libvirt_qemu

        command = '{"execute": "query-named-block-nodes", "arguments": {"flat": true}}'
        answer = json.loads(libvirt_qemu.qemuMonitorCommand(self.domain, command, 0))["return"]
        nodes = {each["node-name"]: each for each in answer}
        disk = etree.fromstring(self.domain.XMLDesc(0)).find(".//disk")
        assert disk is not None
        source = disk.find("source")
        assert source is not None
        layers = [source, *disk.iterfind("backingStore"), *disk.iterfind("backingStore//backingStore")]
        return [bitmaps.of_qmp(nodes[f"libvirt-{layer.get('index')}-format"]) for layer in layers if layer.get("index")]

    def sent(self, during: Callable[[], object]) -> list[Any]:
        """The actions on bitmaps in the transactions that libvirtd sends meanwhile, in the order of their text."""
        start = self.log.stat().st_size
        during()
        with self.log.open("rb") as stream:
            stream.seek(start)
            text = stream.read().decode(errors="replace")
        messages = [json.loads(found) for found in _SENT.findall(text)]
        actions = [
            action
            for message in messages
            if message["execute"] == "transaction"
            for action in message["arguments"]["actions"]
            if action["type"].startswith("block-dirty-bitmap")
        ]
        return in_order(actions)

    def checkpoint(self, name: str) -> None:
        disks = _DISKS.format(f" checkpoint='bitmap' bitmap='{name}'", "")
        self.domain.checkpointCreateXML(f"<domaincheckpoint><name>{name}</name>{disks}</domaincheckpoint>", 0)

    def snapshot(self, overlay: Path) -> None:
        disks = _DISKS.format(" snapshot='external'", _OVERLAY.format(overlay))
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
        self.domain.snapshotCreateXML(f"<domainsnapshot>{disks}</domainsnapshot>", flags)

    def finish(self) -> None:
        """Wait for the block job to end."""
        wait_for(lambda: not self.domain.blockJobInfo("vda", 0), "the end of a block job")

    def pivot(self) -> None:
        """Wait until the copy is as the disk, and go over to it."""
        wait_for(lambda: "ready='yes'" in self.domain.XMLDesc(0), "a block job to be ready")
        self.domain.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
        self.finish()


def in_order(actions: Any) -> list[Any]:
    """As JSON has them, in the order of their text: libvirt and we go through bitmaps in different orders."""

    def plain(action: Any) -> Any:
        data = dict(action["data"])
        if not data.get("granularity", 1):
            del data["granularity"]
        return {"type": action["type"], "data": data}

    return sorted((plain(action) for action in actions), key=lambda action: json.dumps(action, sort_keys=True))


def agrees(guest: Guest, expected: Callable[[Nodes], Outcome], job: Callable[[], object], **first: Any) -> None:
    """`job` does what `expected` says for the chain as it is; `first`: an action that precedes it."""
    outcome = expected(guest.chain())
    sent = guest.sent(job)
    assert sent == in_order([*first.values(), *outcome.actions])
    assert [(node.node, set(node.bitmaps)) for node in guest.chain()] == [
        (node.node, set(node.bitmaps)) for node in outcome.after
    ]


@pytest.fixture(scope="module")
def logging_libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrivateLibvirtd, Path]]:
    log = tmp_path_factory.mktemp("log") / "libvirtd"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIBVIRT_LOG_FILTERS", "1:qemu.qemu_monitor 4:*")
        patch.setenv("LIBVIRT_LOG_OUTPUTS", f"1:file:{log}")
        with started() as daemon:
            yield daemon, log


@pytest.fixture
def guest(
    logging_libvirtd: tuple[PrivateLibvirtd, Path], image_dir: Path, qemu_img: QemuImg
) -> Iterator[Callable[[int], Guest]]:
    """Call it with a depth for a guest whose disk has so many layers; each was active when a checkpoint was made."""
    daemon, log = logging_libvirtd
    made: list[Any] = []

    def make(depth: int) -> Guest:
        qemu_img("create", "-q", "-f", "qcow2", image_dir / "layer-0", "1M")
        domain = daemon.connection.defineXML(_XML.format(image_dir / "layer-0"))
        made.append(domain)
        daemon.start_paused(domain)
        guest = Guest(domain, log)
        guest.checkpoint("chk-0")
        for number in range(1, depth):
            guest.snapshot(image_dir / f"layer-{number}")
            guest.checkpoint(f"chk-{number}")
        return guest

    yield make
    for domain in made:
        domain.destroy()
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        )


@pytest.mark.libvirtd
def test_snapshot(guest: Callable[[int], Guest], image_dir: Path) -> None:
    subject = guest(2)
    # The node is numbered by libvirtd.
    before = subject.chain()
    subject.checkpoint("one-more")
    sent = subject.sent(lambda: subject.snapshot(image_dir / "new"))
    after = subject.chain()
    outcome = bitmaps.snapshot([after[1], *before[1:]], BitmapNode(after[0].node, after[0].capacity))
    assert sent == in_order(outcome.actions)
    assert set(after[0].bitmaps) == set(outcome.after[0].bitmaps)


@pytest.mark.libvirtd
@pytest.mark.parametrize(("top", "base"), [(1, 2), (1, 3), (2, 3)])
def test_commit_below_the_active_layer(guest: Callable[[int], Guest], top: int, base: int, image_dir: Path) -> None:
    subject = guest(4)
    layers = [str(image_dir / f"layer-{number}") for number in reversed(range(4))]

    def job() -> None:
        subject.domain.blockCommit("vda", layers[base], layers[top], 0, 0)
        subject.finish()

    agrees(subject, lambda chain: bitmaps.commit(chain, top, base), job)


@pytest.mark.libvirtd
@pytest.mark.parametrize("base", [1, 2])
def test_commit_of_the_active_layer(guest: Callable[[int], Guest], base: int, image_dir: Path) -> None:
    subject = guest(3)

    def job() -> None:
        bottom = str(image_dir / f"layer-{2 - base}")
        subject.domain.blockCommit("vda", bottom, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
        subject.pivot()

    first = bitmaps.record_active_writes(subject.chain()[base].node)
    agrees(subject, lambda chain: bitmaps.commit(chain, 0, base, guest_writes=True), job, first=first)


@pytest.mark.libvirtd
@pytest.mark.parametrize("base", [2, None])
def test_pull(guest: Callable[[int], Guest], base: int | None, image_dir: Path) -> None:
    subject = guest(3)

    def job() -> None:
        if base is None:
            subject.domain.blockPull("vda", 0, 0)
        else:
            subject.domain.blockRebase("vda", str(image_dir / "layer-0"), 0, 0)
        subject.finish()

    agrees(subject, lambda chain: bitmaps.pull(chain, base), job)


@pytest.mark.libvirtd
@pytest.mark.parametrize("shallow", [False, True])
def test_copy(guest: Callable[[int], Guest], image_dir: Path, *, shallow: bool) -> None:
    subject = guest(3)
    before = subject.chain()

    def job() -> None:
        xml = f"<disk type='file'><source file='{image_dir / 'copy'}'/><driver type='qcow2'/></disk>"
        flags = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
        flags |= libvirt.VIR_DOMAIN_BLOCK_COPY_SHALLOW if shallow else 0
        subject.domain.blockCopy("vda", xml, flags=flags)
        subject.pivot()

    sent = subject.sent(job)
    after = subject.chain()
    target = BitmapNode(after[0].node, after[0].capacity)
    outcome = bitmaps.copy(before, target, shallow=shallow, guest_writes=True)
    assert sent == in_order([bitmaps.record_active_writes(target.node), *outcome.actions])
    assert [set(node.bitmaps) for node in after] == [set(node.bitmaps) for node in outcome.after]


@pytest.mark.libvirtd
@pytest.mark.parametrize("name", ["chk-0", "chk-1"])
def test_deletion_of_a_checkpoint(guest: Callable[[int], Guest], name: str) -> None:
    subject = guest(3)
    agrees(
        subject,
        lambda chain: bitmaps.delete_checkpoint(chain, name),
        lambda: subject.domain.checkpointLookupByName(name, 0).delete(0),
    )


@pytest.mark.libvirtd
def test_backup_since_a_checkpoint(guest: Callable[[int], Guest], image_dir: Path) -> None:
    subject = guest(3)
    chain = subject.chain()

    def job() -> None:
        target = f"<driver type='qcow2'/><target file='{image_dir / 'backup'}'/>"
        disks = f"<disks><disk name='vda' type='file'>{target}</disk></disks>"
        subject.domain.backupBegin(f"<domainbackup><incremental>chk-0</incremental>{disks}</domainbackup>", None, 0)
        wait_for(lambda: subject.domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE, "the end of a backup")

    sent = subject.sent(job)
    assert in_order(bitmaps.backup(chain, "chk-0", chain[0].node, "backup-vda")) == [
        action for action in sent if action["type"] != "block-dirty-bitmap-remove"
    ]
    assert subject.chain() == chain
