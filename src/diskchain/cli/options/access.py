"""``--for``: the operation on the command line, for the verbs that judge and grant access."""

import argparse
import os

from diskchain.actions.select_layer import layer_position
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.errors import UsageError
from diskchain.storage.location import FileLocation
from diskchain.storage.operation import OPERATIONS, Commit, Copy, Operation, Pull, Rebase, Snapshot, Start
from diskchain.storage.source import TERMINATOR, UNKNOWN, Source

#: What each operation takes besides its name.
_TAKES = {
    "start": (),
    "commit": ("base", "top", "offline"),
    "pull": ("base",),
    "copy": ("to", "shallow"),
    "snapshot": ("to",),
    "rebase": ("layer", "backing", "unsafe"),
}
_ALL = tuple(dict.fromkeys(name for names in _TAKES.values() for name in names))


def add_access_arguments(parser: argparse.ArgumentParser) -> None:
    """Who, and for what."""
    parser.add_argument(
        "--as",
        dest="who",
        metavar="USER[:GROUP]",
        help="names or ids; default: the user libvirt runs the domain's QEMU as",
    )
    parser.add_argument(
        "--for", dest="operation", choices=OPERATIONS, default="start", help="the operation (default: %(default)s)"
    )
    parser.add_argument(
        "--capabilities",
        action=argparse.BooleanOptionalAction,
        help="whether the process keeps root's capabilities (default: root does, except a domain's QEMU)",
    )
    parser.add_argument(
        "--as-is", action="store_true", help="judge a domain's files as they are, not as libvirt will label them"
    )
    add_timeout_argument(parser)
    which = parser.add_argument_group("of the operation", "LAYER: a position (0 is the top), vda[2], or a path")
    which.add_argument("--base", metavar="LAYER", help="commit into this layer, or pull what is above it")
    which.add_argument("--top", metavar="LAYER", help="commit from this layer down (default: the active one)")
    which.add_argument("--offline", action="store_true", help="the commit is done by qemu-img")
    which.add_argument("--to", metavar="PATH", help="the file that a copy or a snapshot makes")
    which.add_argument("--shallow", action="store_true", help="the copy keeps the backing file")
    which.add_argument("--layer", metavar="LAYER", help="rebase this layer (default: the top)")
    which.add_argument("--backing", metavar="PATH", help="rebase onto this file")
    which.add_argument("--unsafe", action="store_true", help="the rebase changes the header only (qemu-img rebase -u)")


def operation_of(args: argparse.Namespace, chain: Source) -> Operation:
    """The operation on this chain. Raises UsageError for options that do not go with it, and for unknown layers."""
    takes = _TAKES[args.operation]
    for name in _ALL:
        if getattr(args, name) and name not in takes:
            raise UsageError(f"--{name} does not go with --for {args.operation}")
    if args.operation == "commit":
        top = 0 if args.top is None else layer_position(chain, args.top, args.timeout)
        return Commit(_position(chain, args.base, args.timeout), top, online=not args.offline)
    if args.operation == "pull":
        return Pull(_position(chain, args.base, args.timeout))
    if args.operation == "copy":
        return Copy(_new_file(args), shallow=args.shallow)
    if args.operation == "snapshot":
        return Snapshot(_new_file(args))
    if args.operation == "rebase":
        layer = 0 if args.layer is None else layer_position(chain, args.layer, args.timeout)
        backing = None if args.backing is None else _file(args.backing)
        return Rebase(layer, backing, unsafe=args.unsafe)
    return Start()


def _position(chain: Source, text: str | None, seconds: float) -> int | None:
    return None if text is None else layer_position(chain, text, seconds)


def _new_file(args: argparse.Namespace) -> Source:
    if args.to is None:
        raise UsageError(f"--for {args.operation} needs --to PATH: the file it makes")
    return _file(args.to)._replace(backing=TERMINATOR)


def _file(path: str) -> Source:
    return Source(FileLocation(os.path.abspath(path)), backing=UNKNOWN)
