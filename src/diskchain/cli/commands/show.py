"""``diskchain show``: the chain as a tree, top first, or as JSON."""

import os
import sys
from typing import TYPE_CHECKING

from diskchain.actions.chains import discovered
from diskchain.actions.select_layer import select
from diskchain.cli.options.remote import add_remote_arguments, discoverer_for, reader_for
from diskchain.cli.options.target import add_target_arguments, targets
from diskchain.errors import printable
from diskchain.readers.policy import POLICIES, policy_named
from diskchain.report.findings import exit_code

if TYPE_CHECKING:
    import argparse

EXAMPLE = """\
examples:
  diskchain show /var/lib/libvirt/images/vm.qcow2
  diskchain show vm.xml -d vda --json
  virsh dumpxml vm | diskchain show -
  diskchain show -c qemu:///system vm

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell"""


def add_arguments(parser: "argparse.ArgumentParser") -> None:
    """Options of ``show``."""
    add_target_arguments(parser)
    add_remote_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/chain/1)")
    parser.add_argument(
        "--policy",
        choices=list(POLICIES),
        default="libvirt",
        help="what an image may make us open (default: %(default)s)",
    )


def run(args: "argparse.Namespace") -> int:
    """Discover and print."""
    with reader_for(args) as reader:
        chosen = targets(args)
        discoverer = discoverer_for(args, policy_named(args.policy), chosen, reader)
        if reader is not None:
            reader.keys.check_fit()
        chains = select(discovered(discoverer, chosen), args.disk)
    if args.json:
        from diskchain.schema import ChainDocument, disk_document, to_json

        print(to_json(ChainDocument(target=args.target, disks=tuple(disk_document(n, c) for n, c in chains))))
    else:
        from diskchain.report.style import style_of
        from diskchain.report.tree import chain_lines

        style = style_of(sys.stdout, environ=dict(os.environ))
        if not chains:
            print(f"{printable(args.target)}: no disk with a medium")
        for name, chain in chains:
            for line in chain_lines(name, chain, style):
                print(line)
    return exit_code(found for _, chain in chains for found in chain.findings)
