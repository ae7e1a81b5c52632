"""Every verb, and where its module is. Imports none of them until it is asked for."""

from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    import argparse

#: Every verb and what it does, in the order a newcomer meets them. Module names are the verbs with ``_`` for ``-``.
VERBS: Final[dict[str, str]] = {
    "show": "the chain of an image, a document or a domain, as a tree",
    "info": "everything one image header says; nothing it names is opened",
    "check": "all that is wrong with images, documents and domains",
    "explain": "what a finding means, how it comes about and how to mend it",
    "diff": "what document, headers and running domain say, side by side",
    "complete": "fill in every <backingStore> of a document, or take it out",
    "edit": "write into a document where a layer is, or its format",
    "open": "open a chain with its keys and show it to a command",
    "secrets": "which layer needs which key, and whether it opens the layer",
    "set-secret": "write into a document which secret opens a layer",
    "map": "which layer holds which bytes, and which are hidden",
    "blockdev": "the block nodes QEMU gets for a disk",
    "access": "who may touch which layer: needed against present",
    "grant": "plan or apply the least rights an operation needs",
    "revert": "give back every right that was granted",
    "snapshot": "a new overlay over a disk that no guest uses",
    "commit": "merge layers into the one below; the disk reads the same at every instant",
    "pull": "have a disk's active layer take in the layers below it",
    "copy": "a proven copy of a disk in a new file",
    "rebase": "a disk's active layer over another backing file, reading the same",
    "relocate": "new names in headers and documents for files that were moved",
    "jobs": "the jobs on chains that are not finished",
    "resume": "carry on with jobs that were paused or killed",
    "rollback": "the chain as it was before a job",
    "cancel": "give up a job that is copying",
    "scan": "what a host has: its images, and its domains with every file they need",
    "catalogue": "the scans of many hosts in one place: load them, and see how well each place was seen",
    "dependents": "what relies on a file: overlays, snapshots and domains, on all hosts that were scanned",
    "unreferenced": "files that nothing needs, with sizes; deletes nothing",
    "what-if": "what becomes invalid when a file is deleted, moved or merged",
    "completion": "print the completion script for a shell",
}


class Command(Protocol):
    """What a module in ``commands`` offers.

    ``TAKES_COMMAND = True``, where it is there: what follows ``--`` is a command to run, as ``args.command``.
    """

    EXAMPLE: str

    def add_arguments(self, parser: "argparse.ArgumentParser") -> None:
        """Declare options and arguments."""

    def run(self, args: "argparse.Namespace") -> int:
        """Do it, and say how it went. Raises DiskchainError."""


def add_common_arguments(parser: "argparse.ArgumentParser") -> None:
    """Options of every verb."""
    parser.add_argument(
        "--color",
        metavar="WHEN",
        choices=("auto", "always", "never"),
        help="auto (default): on a terminal; NO_COLOR and FORCE_COLOR in the environment say otherwise; always; never",
    )


def command(verb: str) -> Command:
    """The module of ``verb``."""
    # Not import_module(), whose own module takes half a millisecond to import.
    return cast("Command", __import__("diskchain.cli.commands." + verb.replace("-", "_"), fromlist=("run",)))
