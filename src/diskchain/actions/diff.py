"""What the document of a domain declares, what the headers say, and what the domain runs with: side by side, disk by disk."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from diskchain.actions.chains import DEFAULT, DiskChain, Examined, Settings, examine_one
from diskchain.actions.document import disk_targets
from diskchain.actions.domain_findings import transient_overlay
from diskchain.actions.select_layer import selected
from diskchain.actions.target import Target, TargetName
from diskchain.checks.compare import Row, compare, undeclared
from diskchain.discover import Discoverer
from diskchain.errors import LayerNotFound, StorageError, UsageError, printable
from diskchain.findings import Finding, Verdict, about, verdict
from diskchain.libvirtxml.edit.completion import declared_disks
from diskchain.readers.places import Places
from diskchain.storage.source import Source
from diskchain.system.paths import real_path


@dataclass(frozen=True, slots=True)
class DiskDifference:
    """The positions of one disk in every view. ``findings``: about the chain that libvirt will use."""

    name: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """The disks of a document. ``live``: the domain runs, so there is a third view. ``said``: of the document as a whole."""

    disks: tuple[DiskDifference, ...]
    said: tuple[Finding, ...]
    live: bool

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything found, as ``check`` has it."""
        return self.said + tuple(found for disk in self.disks for found in disk.findings)

    def keeping(self, keep: Callable[[Finding], bool]) -> "Difference":
        """The same with those of the findings that ``keep`` is true of."""
        disks = tuple(replace(disk, findings=tuple(filter(keep, disk.findings))) for disk in self.disks)
        return replace(self, disks=disks, said=tuple(filter(keep, self.said)))

    @property
    def verdict(self) -> Verdict:
        """Findings where views differ, too."""
        if not all(row.agree for disk in self.disks for row in disk.rows):
            return Verdict.FINDINGS
        return verdict(self.findings)


def diff(name: TargetName, wanted: Sequence[str] = (), settings: Settings = DEFAULT) -> Difference:
    """The disks and layers that ``wanted`` names, compared; all disks for none. Of a domain, the document is its persistent definition.

    Raises UsageError for an image and for files on another host, LayerNotFound, XmlError, StorageError, PeerError.
    """
    return compared(examine_one(name, settings._replace(persistent=True)), wanted, settings)


def compared(target: Examined, wanted: Sequence[str] = (), settings: Settings = DEFAULT) -> Difference:
    """The views of a target that was looked at. Raises UsageError for an image and for files on another host, LayerNotFound."""
    if target.view is None:
        raise UsageError("diff compares a document with images: name a document, or a domain with -c")
    if target.view.document.host is not None:
        raise UsageError(f"the images are on {printable(target.view.document.host)}: run diff there")
    running = _running(target)
    live_only = [disk for disk in running or {} if all(disk != each.name for each in target.disks)]
    asked = selected(target, [each for each in wanted if each not in live_only])
    disks = [_compared(disk, running) for disk in asked.disks] if not wanted or set(wanted) - set(live_only) else []
    disks += [
        _of_running(disk, (running or {})[disk].source, settings) for disk in live_only if not wanted or disk in wanted
    ]
    if wanted and not disks and not asked.said:
        raise LayerNotFound(f"{printable(target.name)} has no disk called {printable(wanted[0])}", name=wanted[0])
    return Difference(tuple(disks), asked.said, running is not None)


def _running(target: Examined) -> dict[str, Target] | None:
    """The disks of the running domain, by name; None when it does not run, or when there is only a document."""
    view = target.view
    domain = view.document.domain if view is not None else None
    if domain is None or domain.live is None:
        return None
    return {disk.name: disk for disk in disk_targets(declared_disks(domain.live, target.name))}


def _compared(disk: DiskChain, running: dict[str, Target] | None) -> DiskDifference:
    headers = (disk.headers or disk.whole).source
    runs = (running or {}).get(disk.name)
    live = None if runs is None else runs.kept or runs.source
    rows = compare(disk.target.source, headers, live, live=running is not None, resolve=partial(_file_of, disk.places))
    found = tuple(disk.findings())
    if runs is not None and runs.kept is not None and not disk.first:
        said = transient_overlay(runs.source, runs.kept)
        found += (about(said, disk.name, disk.names[0].shown),)
    return DiskDifference(disk.name, tuple(rows[disk.first :]), found)


def _of_running(name: str, live: Source, settings: Settings) -> DiskDifference:
    """A disk that was plugged in while the domain runs, and is in no definition."""
    headers = Discoverer(settings.policy, seconds=settings.timeout).discover(undeclared(live))
    rows = compare(None, headers.source, live, live=True, resolve=partial(_file_of, None))
    chain = DiskChain(Target(name, live, attached=True), headers)
    return DiskDifference(name, tuple(rows), tuple(chain.findings()))


def _file_of(places: Places | None, path: str) -> str:
    """What ``path`` leads to, on this host or in ``places``; the path itself, tidied up, where that cannot be told in time."""
    try:
        return real_path(path if places is None else places.opened(path))
    except (StorageError, ValueError):
        return os.path.normpath(path)
