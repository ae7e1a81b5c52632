"""``diskchain blockdev``: the -blockdev list QEMU gets for a disk, with every secret named and none shown."""

import argparse
import json
import os
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diskchain.actions.blockdev import NodeTarget, node_targets
from diskchain.actions.keys import pass_over, want_all
from diskchain.actions.numbering import NumberedChain, number_chains
from diskchain.actions.select_layer import below, from_layer, left_out, may_hold
from diskchain.cli.options.secrets import add_secret_arguments, keys_of, with_tls
from diskchain.cli.options.target import add_target_arguments
from diskchain.errors import SecretMissing, UsageError, printable
from diskchain.findings import Finding
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.emission import Emission, Item, NodeItem, ObjectItem, SecretItem
from diskchain.qemu.policy import LIBVIRT_11, PROFILES, QSD, profile_named
from diskchain.secrets.keys import Keys, describe
from diskchain.secrets.places import file_of
from diskchain.system.terminal import shown_json

if TYPE_CHECKING:
    from diskchain.discover import BackingChain

EXAMPLE = """\
examples:
  diskchain blockdev vm.xml -d vda
  diskchain blockdev vm.xml --declared --profile libvirt-9
  diskchain blockdev image.qcow2 --as qsd --secrets file --secret image.qcow2=file:/etc/keys/image

A secret is an object with a file: with --secrets file the one --secret names, else a word that says which key belongs there.

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``blockdev``."""
    add_target_arguments(parser)
    add_secret_arguments(parser)
    parser.add_argument(
        "--secrets",
        choices=("placeholder", "file"),
        default="placeholder",
        help="what a secret object refers to (default: %(default)s)",
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=("qemu", "qsd", "json"),
        default="qemu",
        help="arguments of QEMU, arguments of qemu-storage-daemon, or a JSON document (default: %(default)s)",
    )
    parser.add_argument(
        "--profile",
        choices=list(PROFILES),
        help=f"whose nodes (default: {LIBVIRT_11.name}; {QSD.name}, all of them read-only, with --as qsd)",
    )
    parser.add_argument("--declared", action="store_true", help="only what TARGET says itself: look at no image")


def run(args: argparse.Namespace) -> int:
    """Build and print."""
    from diskchain.report.findings import exit_code, finding_lines
    from diskchain.report.style import style_of

    profile = profile_named(args.profile or (QSD.name if args.form == "qsd" else LIBVIRT_11.name))
    chains, others, findings = _chains(args)
    with keys_of(args) as keys:
        disks = _once([(chain, blockdev(chain.source, with_tls(chain.policy, args), profile)) for chain in chains])
        for chain, emission in disks:
            want_all(emission, chain.names, keys)
        pass_over(others, keys)
        keys.check_fit()
        if args.form == "json":
            print(_document(args, disks, keys))
        else:
            options = [text for chain, emission in disks for text in _options(args, chain, emission, keys)]
            print(" \\\n".join(options))
    style = style_of(sys.stderr, environ=dict(os.environ))
    for found in findings:
        for line in finding_lines(found, style):
            print(line, file=sys.stderr)
    return exit_code(findings)


def _once(disks: list[tuple[NumberedChain, Emission]]) -> list[tuple[NumberedChain, Emission]]:
    """Objects that disks share, a throttle group or libvirt's reservation helper, with the first disk alone."""
    met: set[str] = set()
    done = []
    for chain, emission in disks:
        items = [item for item in emission.items if not (isinstance(item, ObjectItem) and item.properties["id"] in met)]
        met |= {item.properties["id"] for item in items if isinstance(item, ObjectItem)}
        done.append((chain, replace(emission, items=tuple(items))))
    return done


def _chains(args: argparse.Namespace) -> tuple[list[NumberedChain], list[NodeTarget], list[Finding]]:
    """Those to print, the disks that are not, and what was found."""
    disks = node_targets(args)
    held = may_hold([disk for disk in disks if disk.source is not None], args.disk)
    found: dict[str, BackingChain] = {}
    if args.declared:
        chains = [disk.source for disk in disks]
    else:
        from diskchain.discover import Discoverer

        discoverer = Discoverer()
        chains = []
        for disk in disks:
            chain = disk.discover(discoverer)
            chains.append(chain.source if chain is not None else None)
            if chain is not None and disk in held:
                found[disk.name] = chain
    chosen = from_layer(
        [each for each in number_chains(disks, chains) if any(each.disk == disk.name for disk in held)], args.disk
    )
    findings = [each for chain in chosen if chain.disk in found for each in below(found[chain.disk], chain).findings]
    return chosen, left_out(disks, chosen, args.disk), findings


def _options(args: argparse.Namespace, chain: NumberedChain, emission: Emission, keys: Keys) -> list[str]:
    dashes = "--" if args.form == "qsd" else "-"
    lines = []
    for item in emission.items:
        option = "blockdev" if isinstance(item, NodeItem) else "object"
        lines.append(f"{dashes}{option} {shlex.quote(_json(_properties(args, chain, item, keys)))}")
    return lines


def _json(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"QEMU takes no name that is not UTF-8: {printable(text)}") from None
    return shown_json(text)


def _document(args: argparse.Namespace, disks: list[tuple[NumberedChain, Emission]], keys: Keys) -> str:
    """Every step as the QMP command it is, in order."""
    commands = {"node": "blockdev-add"}
    shown = [
        {
            "disk": chain.disk,
            "node": emission.top,
            "layers": [
                {"name": names[0], "node": node} for names, node in zip(chain.names, emission.layers, strict=True)
            ],
            "commands": [
                {
                    "execute": commands.get(item.type, "object-add"),
                    "arguments": _properties(args, chain, item, keys),
                }
                for item in emission.items
            ],
        }
        for chain, emission in disks
    ]
    return json.dumps({"schema": "diskchain/blockdev/1", "target": args.target, "disks": shown}, indent=2)


def _properties(args: argparse.Namespace, chain: NumberedChain, item: Item, keys: Keys) -> dict[str, Any]:
    if isinstance(item, NodeItem | ObjectItem):
        _json(item.properties)  # a name that JSON cannot hold is refused in every form
        return item.properties
    if args.secrets == "file":
        file = _file(chain, item, keys)
    else:
        what = f"the secret {describe(item.reference)}" if item.reference else f"the {item.purpose} secret"
        file = f"<{what} of {chain.names[item.layer][0]}>"
    return {"qom-type": "secret", "id": item.id, "file": file}


def _file(chain: NumberedChain, item: SecretItem, keys: Keys) -> str:
    names = (*chain.names[item.layer], item.id)
    path = file_of(keys.place(names if item.purpose != "cookie" else (item.id,), item.reference) or "")
    if path is None:
        raise SecretMissing(f"no --secret WHICH=file:PATH names the file of {item.id}", layer=names[0])
    return os.path.abspath(path)
