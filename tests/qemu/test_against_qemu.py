"""Every list of nodes is taken by a real QEMU, and what that says it has open is the chain the list was made from."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.daemon import StorageDaemon
from diskchain.qemu.emission import SecretItem
from diskchain.qemu.export import export_nbd
from diskchain.qemu.nodes import Numbering
from diskchain.qemu.open_nodes import close_nodes, open_nodes
from diskchain.qemu.policy import PROFILES, NodePolicy, ThrottleFilter
from diskchain.qemu.query_nodes import read_chain
from diskchain.secrets.value import SecretValue
from diskchain.storage.encryption import EncryptionFormat
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.source import TERMINATOR, UNKNOWN, Source, layers, stack
from diskchain.storage.terms import Format, Protocol, Transport
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.qemu.images import BASE_KINDS, KINDS, OVERLAY_KINDS, PASSPHRASE, SIZE, Templates

pytestmark = [pytest.mark.qemu, requires("qemu-storage-daemon", "qemu-img")]

CHAINS = 240
#: QEMU 7.2 refuses these; newer ones are not asked.
_NOT_IN_THIS_QEMU = ("discard-no-unref",)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory, qemu_img: QemuImg) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"), qemu_img)


@pytest.fixture(scope="module")
def daemon() -> Iterator[StorageDaemon]:
    with StorageDaemon() as running:
        running.execute("object-add", {"qom-type": "throttle-group", "id": "throttle-slow"})
        yield running


@pytest.fixture(scope="module")
def nbd_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A raw image of :data:`SIZE` on a server of its own."""
    directory = tmp_path_factory.mktemp("nbd")
    image = directory / "remote.raw"
    image.write_bytes(bytes(SIZE))
    source = Numbering().chain(Source(FileLocation(str(image)), Format.RAW))
    with StorageDaemon() as server:
        nodes = blockdev(source)
        open_nodes(server, nodes, {}, ["remote"])
        export_nbd(server, nodes.top, str(directory / "socket"), writable=True)
        yield str(directory / "socket")


def kinds_of(seed: int) -> list[str]:
    """A chain of 1 to 8 layers, top first, the same each time; every kind of image comes up as the last."""
    random = Random(seed)  # noqa: S311 (nothing secret)
    above = [random.choice(OVERLAY_KINDS) for _ in range(seed % 8)]
    return [*above, (*BASE_KINDS, "nbd")[seed // 8 % (len(BASE_KINDS) + 1)]]


def policy_of(seed: int) -> NodePolicy:
    random = Random(~seed)  # noqa: S311
    direct = random.choice((None, False))
    return NodePolicy(
        direct=direct,
        no_flush=direct is not None and random.random() < 0.5,
        aio=random.choice((None, "threads")),
        discard=random.choice((None, "unmap", "ignore")),
        detect_zeroes=random.choice((None, "on", "off", "unmap")),
        copy_on_read=random.choice((None, None, "vda")),
        throttle_filters=(ThrottleFilter("slow", "libvirt-99-filter"),) if random.random() < 0.3 else (),
    )


def test_the_generated_chains_cover_every_kind_of_image() -> None:
    chains = [kinds_of(seed) for seed in range(CHAINS)]
    assert {len(chain) for chain in chains} == set(range(1, 9))
    assert set(Counter(chain[-1] for chain in chains)) == {*BASE_KINDS, "nbd"}
    assert min(Counter(kind for chain in chains for kind in chain[:-1]).values()) >= 20


def as_read_back(source: Source, profile_name: str, *, new: bool) -> list[Source]:
    """What of a Source QEMU can tell: not who named it, nor which secret opens it."""

    def plain(layer: Source) -> Source:
        readonly = layer.readonly or profile_name == "qsd"
        return layer._replace(backing=UNKNOWN, chain_index=None, runtime=None, data_file=None, readonly=readonly)

    data_files = [layer.data_file for layer in layers(source) if layer.data_file is not None and new]
    return [plain(layer) for layer in (*layers(source), *data_files)]


@pytest.mark.parametrize("first", range(0, CHAINS, 24))
def test_qemu_takes_every_list_and_has_the_same_chain_open(
    first: int, templates: Templates, daemon: StorageDaemon, nbd_socket: str, tmp_path: Path
) -> None:
    remote = NetworkLocation(Protocol.NBD, hosts=(NetworkHost(socket=nbd_socket, transport=Transport.UNIX),))
    for seed in range(first, first + 24):
        profile = list(PROFILES.values())[seed % len(PROFILES)]
        chain: list[Source] = []
        for number, kind in enumerate(kinds_of(seed)):
            if kind == "nbd":
                chain.append(Source(remote, Format.RAW))
            elif profile.read_only or "aes" not in kind:
                chain.append(templates.copy(KINDS[kind], tmp_path / f"{seed}-{number}"))
            else:
                chain.append(templates.copy(KINDS["qcow2"], tmp_path / f"{seed}-{number}"))
        chain[1:] = [layer._replace(readonly=True) for layer in chain[1:]]
        if chain[0].data_file is not None:
            chain[0] = chain[0]._replace(data_file=chain[0].data_file._replace(readonly=False))
        source = Numbering().chain(stack(chain, TERMINATOR))
        emission = blockdev(source, policy_of(seed), profile)
        keys = {item.id: SecretValue(PASSPHRASE) for item in emission.items if isinstance(item, SecretItem)}
        open_nodes(daemon, emission, keys, [f"{seed}[{number}]" for number in range(len(chain))])
        nodes = daemon.execute("query-named-block-nodes")
        graph = daemon.execute("x-debug-query-block-graph")
        read = read_chain(nodes, emission.top)
        close_nodes(daemon, emission)
        assert list(layers(read_chain(nodes, emission.top, graph))) == list(layers(read)), seed
        assert as_read_back(read, "", new=profile.newer) == as_read_back(source, profile.name, new=profile.newer), seed
        runtime = [layer.runtime for layer in layers(read)]
        assert [each and (each.format_node or each.storage_node) for each in runtime] == list(emission.layers)
        assert daemon.execute("query-named-block-nodes") == []


def test_an_unknown_end_is_looked_up_by_qemu_itself(daemon: StorageDaemon, qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.raw", tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "raw", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top)
    source = Numbering().chain(Source(FileLocation(str(top)), Format.QCOW2))
    emission = blockdev(source)
    open_nodes(daemon, emission, {}, ["top"])
    read = read_chain(daemon.execute("query-named-block-nodes"), emission.top)
    close_nodes(daemon, emission)
    assert [layer.location for layer in layers(read)] == [FileLocation(str(top)), FileLocation(str(base))]


def test_a_terminator_hides_what_the_header_names(daemon: StorageDaemon, qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.raw", tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "raw", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top)
    source = Numbering().chain(Source(FileLocation(str(top)), Format.QCOW2, TERMINATOR))
    emission = blockdev(source)
    open_nodes(daemon, emission, {}, ["top"])
    read = read_chain(daemon.execute("query-named-block-nodes"), emission.top)
    close_nodes(daemon, emission)
    assert [layer.location for layer in layers(read)] == [FileLocation(str(top))]


def test_the_encryption_read_back_is_the_one_of_each_layer(
    daemon: StorageDaemon, templates: Templates, tmp_path: Path
) -> None:
    layer_kinds = ("qcow2-luks", "qcow2", "luks")
    chain = [templates.copy(KINDS[kind], tmp_path / kind) for kind in layer_kinds]
    emission = blockdev(Numbering().chain(stack(chain, TERMINATOR)))
    keys = {item.id: SecretValue(PASSPHRASE) for item in emission.items if isinstance(item, SecretItem)}
    open_nodes(daemon, emission, keys, layer_kinds)
    read = read_chain(daemon.execute("query-named-block-nodes"), emission.top)
    close_nodes(daemon, emission)
    found = [layer.encryption and layer.encryption.format for layer in layers(read)]
    assert found == [EncryptionFormat.LUKS, None, EncryptionFormat.LUKS]


def test_qemu_takes_as_many_layers_as_libvirt_does(daemon: StorageDaemon, templates: Templates, tmp_path: Path) -> None:
    chain = [templates.copy(KINDS["qcow2"], tmp_path / f"{number}") for number in range(200)]
    chain[1:] = [layer._replace(readonly=True) for layer in chain[1:]]
    source = Numbering().chain(stack(chain, TERMINATOR))
    emission = blockdev(source)
    open_nodes(daemon, emission, {}, [str(number) for number in range(200)])
    nodes, graph = (
        daemon.execute("query-named-block-nodes", {"flat": True}),
        daemon.execute("x-debug-query-block-graph"),
    )
    close_nodes(daemon, emission)
    wanted = [layer.location for layer in layers(source)]
    assert [layer.location for layer in layers(read_chain(nodes, emission.top, graph))] == wanted
