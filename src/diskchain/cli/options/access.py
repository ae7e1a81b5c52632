"""``--for``: the operation on the command line, for the verbs that judge and grant access."""

import argparse

from diskchain.actions.access import Question, Who, ask
from diskchain.actions.operation import DETAILS, Wanted
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.cli.options.target import settings_of, target_name, wanted_disks
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.operation import OPERATIONS


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
    which.add_argument("--to", metavar="PATH", help="the file that a copy, a snapshot or a backup makes")
    which.add_argument("--shallow", action="store_true", help="the copy keeps the backing file")
    which.add_argument(
        "--reuse",
        action="store_true",
        help="the file of a copy, a snapshot or a backup is there already (--reuse-external)",
    )
    which.add_argument("--layer", metavar="LAYER", help="rebase this layer (default: the top)")
    which.add_argument("--backing", metavar="PATH", help="rebase onto this file")
    which.add_argument("--unsafe", action="store_true", help="the rebase changes the header only (qemu-img rebase -u)")


def wanted_of(args: argparse.Namespace) -> Wanted:
    """The operation that the arguments name."""
    return Wanted(args.operation, **{name: getattr(args, name) for name in DETAILS})


def question_of(args: argparse.Namespace, policy: OpenPolicy = LIBVIRT) -> Question:
    """The question that the arguments ask. Raises UsageError, StorageError, XmlError, PeerError.

    ``policy``: what a header may make us look at.
    """
    who = Who(args.who, args.capabilities, args.as_is)
    settings = settings_of(args)._replace(policy=policy)
    return ask(target_name(args), wanted_of(args), wanted_disks(args), who, settings)
