"""``diskchain check``: every finding about images, documents and domains; for people, programs and code scanners."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from diskchain.actions.chains import DEPTH_WARNING, chain_of, examined, in_use
from diskchain.actions.cures import Cures
from diskchain.actions.select_layer import select
from diskchain.actions.target import Target, TargetDocument, document_of, image_target
from diskchain.checks.whole_files import closer
from diskchain.cli.options.remote import add_remote_arguments, discoverer_for, reader_for
from diskchain.cli.options.target import add_target_arguments
from diskchain.cli.progress import Progress
from diskchain.discover import BackingChain, Discoverer
from diskchain.discover.messages import nothing_looked_at, unreadable_target, yet_to_be_made
from diskchain.errors import NotStorage, ParseError, StorageError, UsageError, printable
from diskchain.findings import KINDS, Finding, Severity
from diskchain.readers.policy import POLICIES, policy_named
from diskchain.report.findings import exit_code, finding_lines
from diskchain.report.style import style_of
from diskchain.storage.location import local_path
from diskchain.storage.source import files as files_of
from diskchain.storage.source import layers

EXAMPLE = """\
examples:
  diskchain check vm.xml
  diskchain check --policy upload upload.qcow2
  diskchain check top.qcow2 --search /var/lib/libvirt/images
  diskchain check --sarif *.xml > findings.sarif
  diskchain check -c qemu:///system

With -c and no TARGET: all domains of the host, and rights on their files that nobody needs any more.
Every id is explained in docs/findings. Notes (info) do not count as findings.

exit codes: 0 clean, 1 findings, 2 usage, 3 could not tell"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``check``."""
    add_target_arguments(parser, several=True)
    add_remote_arguments(parser)
    parser.add_argument(
        "--policy",
        choices=list(POLICIES),
        default="libvirt",
        help="what an image may make us open (default: %(default)s)",
    )
    parser.add_argument(
        "--profile",
        choices=["generic", "qemu"],
        default="qemu",
        help="whose rules a document must keep: any hypervisor's, or QEMU's too (default: %(default)s)",
    )
    parser.add_argument(
        "--search", metavar="DIR", action="append", default=[], help="look here for missing layers; repeatable"
    )
    parser.add_argument(
        "--depth",
        metavar="N",
        type=int,
        default=DEPTH_WARNING,
        help="warn about chains deeper than N (default: %(default)s)",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON document (schema diskchain/check/1)")
    output.add_argument("--sarif", action="store_true", help="print a SARIF 2.1.0 log")


def run(args: argparse.Namespace) -> int:
    """Collect, print, and say how bad it is."""
    if not args.target and args.connect is None:
        raise UsageError("check what? Name images or documents, or a connection with -c")
    names = list(dict.fromkeys(args.target)) or _domains(args.connect)
    with reader_for(args) as reader, Progress(len(names)) as progress:
        policy = policy_named(args.policy)
        if reader is None:  # nobody logs in anywhere, so one will do, and reads a shared base once
            shared = discoverer_for(args, policy, (), None, closer)
            looked = [_look(args, name, lambda _: shared) for name in progress.over(names)]
        else:
            looked = [
                _look(args, name, lambda disks: discoverer_for(args, policy, disks, reader, closer))
                for name in progress.over(names)
            ]
        if reader is not None and (problem := reader.keys.misfit()) is not None:
            print(f"diskchain: warning: {problem}", file=sys.stderr)
        files: set[str] = set()
        found = [*_findings(args, looked, files)]
    if args.connect is not None:
        rights = [
            (args.connect, each)
            for each in _rights(args.connect, args.timeout)
            if not args.target or each.file in files
        ]
        found += rights
        names = [*names, args.connect] if rights or not args.target else names
    if args.json:
        from diskchain.schema import check_document, to_json

        print(to_json(check_document(names, found)))
    elif args.sarif:
        from diskchain.report.sarif import sarif

        print(sarif(found, {id: kind.title for id, kind in KINDS.items()}))
    else:
        _print(names, found)
    return exit_code(finding for _, finding in found)


def _domains(uri: str) -> list[str]:
    """The names of all domains of a connection."""
    from diskchain.hypervisor.connection import Connection

    with Connection(uri) as connection:
        return sorted(domain.name for domain in connection.domains())


def _rights(uri: str, seconds: float) -> list[Finding]:
    """Rights that nobody needs, or that somebody lacks, on the files of all domains of a connection."""
    from diskchain.actions.rights_audit import label_findings
    from diskchain.hypervisor.connection import Connection

    with Connection(uri) as connection:
        return label_findings(connection, seconds=seconds)


_Chain = tuple[Target, BackingChain]
#: What discovers the chains of some targets.
DiscovererOf = Callable[[list[Target]], Discoverer]


class _Looked(NamedTuple):
    """One target: what is said of it before all chains are seen together, and the chains of its disks, if they are wanted."""

    name: str
    said: tuple[Finding, ...]
    chains: tuple[tuple[Target, BackingChain], ...] | None = None


def _look(args: argparse.Namespace, name: str, discoverer_of: DiscovererOf) -> _Looked:
    """Everything there is to see of one target; that it cannot be read is one more finding."""
    try:
        document = document_of(args, name)
        if document is not None:
            return _look_at_document(args, name, document, discoverer_of)
        return _Looked(name, (), _chains([_image(args, name)], discoverer_of))
    except (ParseError, StorageError) as error:
        return _Looked(name, (unreadable_target(name, error),))


def _image(args: argparse.Namespace, name: str) -> Target:
    """One image; that it is a directory is no reason to say nothing of the other targets. Raises StorageError, UsageError."""
    try:
        return image_target(name, args.format, args.timeout)
    except UsageError as error:
        if len(args.target) == 1:
            raise
        raise NotStorage("is a directory", path=name) from error


def _look_at_document(
    args: argparse.Namespace, name: str, document: TargetDocument, discoverer_of: DiscovererOf
) -> _Looked:
    """What libvirt would say of a document, and the chains of those of its disks that can be understood."""
    from diskchain.actions.document import disk_targets, overlay_targets
    from diskchain.libvirtxml.postparse import Profile
    from diskchain.libvirtxml.validate.document import check_document

    checked = check_document(document.text, Profile(args.profile), name)
    disks = disk_targets(checked.disks, document.host) or overlay_targets(checked.overlays or (), document.host)
    asked = None if args.disk is None else args.disk.partition("[")[0]
    about_asked = tuple(said for disk, said in checked.findings if disk == asked)
    known = any(disk.name == asked for disk in disks)
    # Else nobody asked for one disk, or by the path of a layer.
    said = about_asked if about_asked or known else tuple(said for _, said in checked.findings)
    chains = _chains(disks, discoverer_of) if known or not about_asked else None
    if checked.overlays is not None and chains is not None:
        chains, more = _of_snapshot(name, chains)
        said += more
    return _Looked(name, said, chains)


def _of_snapshot(name: str, chains: tuple[_Chain, ...]) -> tuple[tuple[_Chain, ...], tuple[Finding, ...]]:
    """The overlays that are there, and what to say of the others: libvirt makes them when it takes the snapshot."""
    there: list[_Chain] = []
    said: list[Finding] = []
    for disk, chain in chains:
        gone = [each.file for each in chain.top.findings if each.id == "missing" and each.file is not None]
        said += [yet_to_be_made(name, path) for path in gone]
        there += [] if gone else [(disk, chain)]
    if not there:
        said.append(nothing_looked_at(name))
    return tuple(there), tuple(said)


def _chains(disks: list[Target], discoverer_of: DiscovererOf) -> tuple[tuple[Target, BackingChain], ...]:
    discoverer = discoverer_of(disks)
    return tuple((disk, chain_of(discoverer, disk)) for disk in disks)


def _findings(args: argparse.Namespace, looked: list[_Looked], files: set[str]) -> Iterator[tuple[str, Finding]]:
    """All findings, each with its target. One disk may write to what is a backing file of another, of any target.

    Adds the layers of all chains that are asked for to ``files``. Raises UsageError when no target has the disk asked for.
    """
    several = len(looked) > 1
    used = in_use(
        (disk._replace(name=f"{disk.name} of {each.name}") if several else disk, chain)
        for each in looked
        for disk, chain in each.chains or ()
    )
    cures = Cures(policy=policy_named(args.policy), search=args.search, seconds=args.timeout)
    without: UsageError | None = None
    picked = False
    for name, said, chains in looked:
        yield from ((name, each) for each in said)
        try:
            seen = examined(chains, used, depth_warning=args.depth) if chains is not None else []
            seen = [
                (disk, cures.of(target, chain)) for (target, _), (disk, chain) in zip(chains or (), seen, strict=True)
            ]
            chosen = select(seen, args.disk) if chains is not None else []
        except UsageError as error:  # it has no such disk; another target may
            chosen, without = [], error
        picked = picked or bool(chosen)
        for _, chain in chosen:
            for layer in layers(chain.source):
                files.update(path for file in files_of(layer) if (path := local_path(file.location)) is not None)
            yield from ((name, each) for each in chain.findings)
    if without is not None and not picked:
        raise without


def _print(names: list[str], found: list[tuple[str, Finding]]) -> None:
    style = style_of(sys.stdout, environ=dict(os.environ))
    by_target: dict[str, list[Finding]] = {name: [] for name in names}
    for name, each in found:
        by_target[name].append(each)
    for name, mine in by_target.items():
        worst = sum(finding.severity is not Severity.INFO for finding in mine)
        verdict = "clean" if not worst else f"{worst} finding{'s' if worst > 1 else ''}"
        print(f"{style.bold(printable(name))}: {verdict}")
        for finding in mine:
            for line in finding_lines(finding, style):
                print(f"  {line}")
