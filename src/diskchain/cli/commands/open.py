"""``diskchain open``: a chain with all its keys in a qemu-storage-daemon, shown to a command; the images stay untouched."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple

from diskchain.actions.blockdev import NodeTarget, node_targets
from diskchain.actions.keys import gathered
from diskchain.actions.numbering import NumberedChain, number_chains
from diskchain.actions.select_layer import below, from_layer, left_out, may_hold
from diskchain.actions.target import Target
from diskchain.cli.options.secrets import add_secret_arguments, keys_of, tls_directory, with_tls
from diskchain.cli.options.target import add_target_arguments
from diskchain.discover import Discoverer
from diskchain.errors import ImageError, PeerError, StorageError, UsageError, printable
from diskchain.findings import Severity
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.daemon import StorageDaemon
from diskchain.qemu.emission import Emission, SecretItem
from diskchain.qemu.export import add_overlay, export_fuse, export_nbd, nbd_uri
from diskchain.qemu.open_nodes import LayerRefused, open_nodes
from diskchain.qemu.policy import QSD, QSD_SHARED
from diskchain.readers.policy import POLICIES, policy_named
from diskchain.secrets.keys import Keys
from diskchain.storage.location import NetworkLocation
from diskchain.storage.source import Source, Terminator, chain_end, layers
from diskchain.storage.terms import BACKING_FORMATS
from diskchain.system.cleanup import Guard
from diskchain.system.event_loop import Interrupted, carry_on, interrupt
from diskchain.system.signals import Ending, ended_by_signals
from diskchain.system.supervise import run_beside, serve_beside

#: What follows ``--`` is a command.
TAKES_COMMAND = True
EXAMPLE = """\
examples:
  diskchain open vm.xml -d vda --secret vda[1]=ask -- qemu-img convert -f raw {} -O raw disk.raw
  diskchain open image.qcow2 --fuse /mnt/disk.raw -- fdisk -l /mnt/disk.raw
  diskchain open -c qemu:///system vm -d vda --write-overlay --nbd /tmp/vda.sock

In COMMAND, {} stands for the NBD URI or, with --fuse, the file; DISKCHAIN_URI in its environment is the URI. Without COMMAND the
URI is printed and served until Ctrl-C. Nothing is ever written to an image.

exit codes: COMMAND's; without one 0; else 1 findings, 2 usage, 3 could not tell"""

_PLACEHOLDER: Final = "{}"
#: What discovery says of a layer on a server, which is about to be opened.
_LOOKED_AT_BY_QEMU: Final = "not-inspected"
#: ``sockaddr_un``, unix(7): 108 bytes with a NUL.
_SOCKET_PATH_MAX: Final = 107


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``open``."""
    parser.usage = "diskchain open [options] TARGET [-- COMMAND …]"
    add_target_arguments(parser)
    add_secret_arguments(parser)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--read-only", action="store_true", help="refuse writes (the default)")
    mode.add_argument(
        "--write-overlay", action="store_true", help="take writes into a temporary overlay, forgotten at the end"
    )
    parser.add_argument("--overlay-dir", metavar="DIR", help="where the overlay is (default: TMPDIR)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--nbd", metavar="SOCKET", help="serve NBD on this unix socket (default: one in TMPDIR)")
    where.add_argument("--fuse", metavar="FILE", help="show the disk as this file, made if there is none")
    parser.add_argument(
        "--policy",
        choices=list(POLICIES),
        default="libvirt",
        help="what an image may make us open (default: %(default)s)",
    )
    parser.add_argument(
        "--in-use", action="store_true", help="open images that a VM has open, too; what is read may not fit together"
    )


def run(args: argparse.Namespace) -> int:
    """Open, export, run the command, and tear everything down."""
    if args.overlay_dir is not None and not args.write_overlay:
        raise UsageError("--overlay-dir says where the overlay of --write-overlay is, which was not asked for")
    with ended_by_signals(interrupt, carry_on) as ending, ExitStack() as exits:
        try:
            place = _Place(exits, exits.enter_context(Guard()))  # before there is any secret in memory
            with keys_of(args) as keys:
                chain, others = _chain(args, keys)
                policy = with_tls(chain.policy, args)
                emission = blockdev(chain.source, policy, QSD_SHARED if args.in_use else QSD)
                with gathered(emission, chain.names, keys, others) as values:
                    ending.begin()
                    target = place.file(args.fuse) if args.fuse is not None else place.socket(args.nbd)
                    daemon = exits.enter_context(StorageDaemon())
                    place.guard.process(daemon.pid)
                    open_nodes(daemon, emission, values, [each[0] for each in chain.names])
            node = emission.top
            if args.write_overlay:
                directory = place.directory(args.overlay_dir)
                node = add_overlay(daemon, node, directory, encrypted=_is_encrypted(emission))
            if args.fuse is not None:
                export_fuse(daemon, node, target, writable=args.write_overlay)
            else:
                export_nbd(daemon, node, target, writable=args.write_overlay)
            return _serve(args, daemon, place.guard, ending, target)
        except Interrupted:
            ending.check()
            raise
        except LayerRefused as error:
            if error.locked and not args.in_use:
                raise PeerError(f"{error}; a VM or another program has it open: --in-use") from error
            raise
        finally:
            ending.hold()


def _is_encrypted(emission: Emission) -> bool:
    return any(isinstance(item, SecretItem) and item.purpose == "encryption" for item in emission.items)


def _serve(args: argparse.Namespace, daemon: StorageDaemon, guard: Guard, ending: Ending, target: str) -> int:
    """Run the command, or wait for a signal. ``target``: the file or socket."""
    uri = f"file://{target}" if args.fuse is not None else nbd_uri(target)
    if args.command:
        word = target if args.fuse is not None else uri
        command = [each.replace(_PLACEHOLDER, word) for each in args.command]
        code = run_beside(
            daemon.pid, command, {**os.environ, "DISKCHAIN_URI": uri}, before=ending.check, after=guard.process
        )
        if code is not None:
            return code
    else:

        def announce() -> None:
            ending.check()
            print(uri, flush=True)

        if serve_beside(daemon.pid, announce):
            return 0
    words = daemon.last_words()
    raise PeerError("qemu-storage-daemon ended before its time" + (f": {words}" if words else ""))


class _Place(NamedTuple):
    """Where things appear in the file system; the guard knows of each, and all are gone afterwards."""

    exits: ExitStack
    guard: Guard

    def directory(self, parent: str | None = None) -> str:
        """A directory nobody else can enter. Raises StorageError."""
        try:
            path = self.exits.enter_context(tempfile.TemporaryDirectory(prefix="diskchain-", dir=parent))
        except OSError as error:
            where = parent or tempfile.gettempdir()
            raise StorageError(f"no directory can be made there: {error.strerror}", path=where) from error
        self.guard.directory(path)
        return path

    def socket(self, wanted: str | None) -> str:
        """The path of a socket that QEMU will make. Raises UsageError."""
        path = os.path.abspath(wanted) if wanted is not None else os.path.join(self.directory(), "nbd")
        if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
            raise UsageError(f"a socket's path has at most {_SOCKET_PATH_MAX} bytes: {printable(path)}")
        if os.path.lexists(path):
            raise UsageError(f"{printable(path)} is there already")
        self.exits.callback(_remove, path)
        self.guard.file(path)
        return path

    def file(self, wanted: str) -> str:
        """The file that FUSE will show the disk in. Raises UsageError, StorageError."""
        from diskchain.system.fuse_mount import mount_point

        path, ours = self.exits.enter_context(mount_point(wanted))
        if ours:
            self.guard.file(path)
        self.guard.mount(path)
        return path


def _remove(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


def _chain(args: argparse.Namespace, keys: Keys) -> tuple[NumberedChain, list[NodeTarget]]:
    """The one disk to open, discovered to its end, and all the others; findings go to stderr. Raises UsageError, PeerError."""
    from diskchain.report.findings import COULD_NOT_TELL, exit_code, finding_lines
    from diskchain.report.style import style_of

    every = node_targets(args)
    chosen = may_hold([disk for disk in every if disk.source is not None], args.disk)
    if args.disk is None and len(chosen) != 1:
        if not chosen:
            raise UsageError(f"{printable(args.target)} has no disk with a medium")
        raise UsageError(f"choose one disk with -d; the disks are: {', '.join(disk.name for disk in chosen)}")
    if chosen[0].host is not None:
        raise UsageError(f"the images are on {chosen[0].host}, and only those of this host can be opened")
    with _discoverer(args, chosen, keys) as discoverer:
        found = {disk.name: disk.discover(discoverer) for disk in chosen}
    sources = [known.source if known is not None else None for known in found.values()]
    (chain,) = from_layer(number_chains(chosen, sources), args.disk)
    whole = found[chain.disk]
    assert whole is not None  # noqa: S101 (it has a source)
    style = style_of(sys.stderr, environ=dict(os.environ))
    opened = below(whole, chain)
    told = [each for each in opened.findings if each.severity is not Severity.INFO and each.id != _LOOKED_AT_BY_QEMU]
    for each in told:
        for line in finding_lines(each, style):
            print(line, file=sys.stderr)
    if opened.faulty:
        if exit_code(told) == COULD_NOT_TELL:
            raise PeerError("a layer could not be read, so nothing was opened")
        raise ImageError("the chain has faults, so nothing was opened")
    if any(each.id == "reference-refused" for each in told):
        # Also where the document ends the chain: QEMU follows data files and extents by itself.
        raise UsageError(f"policy {args.policy} refuses what the images name, so nothing was opened")
    *_, last = layers(chain.source)
    if not isinstance(chain_end(chain.source), Terminator) and last.format in BACKING_FORMATS:
        raise UsageError(
            f"what is below {chain.names[-1][0]} is not known, so nothing was opened; a document can say it: <backingStore/>"
        )
    return chain, left_out(every, [chain], args.disk)


@contextmanager
def _discoverer(args: argparse.Namespace, chosen: list[NodeTarget], keys: Keys) -> Iterator[Discoverer]:
    """What finds out what the document does not say; on servers too, where it names one and leaves open what is below."""
    policy = policy_named(args.policy)
    if not any(disk.source is not None and _ends_open_on_a_server(disk.source) for disk in chosen):
        yield Discoverer(policy)
        return
    from diskchain.actions.remote import RemoteReader
    from diskchain.qemu.bridge import Bridge
    from diskchain.readers.remote import TIMEOUT

    with Bridge(tls_directory=tls_directory(args)) as bridge:
        targets = [Target(disk.name, disk.source) for disk in chosen if disk.source is not None]
        yield Discoverer(policy, RemoteReader(keys, bridge, TIMEOUT).of(targets))


def _ends_open_on_a_server(top: Source) -> bool:
    *_, last = layers(top)
    remote = isinstance(last.location, NetworkLocation)
    return remote and last.format in BACKING_FORMATS and not isinstance(last.backing, Terminator)
