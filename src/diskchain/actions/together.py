"""Many targets, and directories of them: in their order, each as soon as it is known, and with what the others do to it.

What a guest writes to may be what another target relies on. So documents and domains are looked at before all else: who uses which file
is kept of them (:class:`~diskchain.checks.relations.Relations`), and of a few thousand all there is. Then each target is told of in its
turn; images are walked ahead of that in batches.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from diskchain.actions.chains import Run, relate
from diskchain.actions.directory import Sort, Tell, sorts_of, targets_in
from diskchain.actions.examined import Examined, Settings
from diskchain.actions.image_names import is_called_image
from diskchain.actions.target import TargetName, is_stream
from diskchain.checks.relations import FileIdentity, Relations, Use
from diskchain.discover.batch import discover_many, rare_collections
from diskchain.storage.reference.value import is_file_name
from diskchain.storage.terms import StorageType

if TYPE_CHECKING:
    from diskchain.checks.consistency import Quiet
    from diskchain.discover import BackingChain
    from diskchain.storage.source import Source

#: Targets that are walked ahead, at most.
_AHEAD: Final = 4096
#: Documents that are kept from the first look until their turn; more are read once more then, but for streams, which cannot be.
_KEPT: Final = 4096
_HEADS_AT_ONCE: Final = 16


def examine_all(
    names: Iterable[TargetName], settings: Settings, host: str | None = None, *, tell: Tell | None = None
) -> Iterator[Examined]:
    """Targets in their order, each as it is known; of a directory, what is in it. Errors of one target are in its ``error``.

    ``host``: the URI of a libvirt connection; at the end comes what is wrong with rights on files that none of the targets uses.
    ``tell``: is told how far it has got.
    """
    run = Run(settings)
    with rare_collections():
        yield from _Together(run, tell).examined(_listed(list(names), settings, tell))
    if host is not None:
        yield Examined(host, said=run.rights(host))


def _listed(names: Sequence[TargetName], settings: Settings, tell: Tell | None) -> list[TargetName | Examined]:
    """Targets, with what is in directories in their place, and what each is as far as that was worth a look."""
    unknown = iter([name for name in names if _is_unknown(name)])
    sorts: dict[TargetName, Sort] = {}
    while some := list(islice(unknown, _HEADS_AT_ONCE)):
        sorts.update(zip(some, sorts_of([each.name for each in some], some[0].timeout), strict=True))
    if not sorts:
        return list(names)
    found: list[TargetName | Examined] = []
    for name in names:
        sort = sorts.get(name)
        if sort == "directory":
            found += targets_in(name, one_file_system=settings.one_file_system, tell=tell)
        else:
            found.append(name._replace(sort="document") if sort == "document" else name)
    return found


def _is_unknown(name: TargetName) -> bool:
    """Whether it could be a document or a directory, by its name."""
    if name.sort is not None or name.connect is not None or name.format is not None:
        return False
    return bool(name.name) and not is_stream(name.name) and not is_called_image(name.name) and is_file_name(name.name)


class _Together:
    """Targets that are looked at together."""

    def __init__(self, run: Run, tell: Tell | None) -> None:
        self._run = run
        self._tell = tell
        self._relations = Relations()
        self._used: dict[FileIdentity, Use] = {}
        self._quiet: Quiet = {}
        self._kept: dict[TargetName, Examined] = {}
        self._several = False
        self._done = 0
        self._total = 0

    def examined(self, targets: Sequence[TargetName | Examined]) -> Iterator[Examined]:
        """Each of ``targets``, and what is in those that turn out to be directories."""
        self._total += len(targets)
        self._several = self._several or len(targets) > 1
        documents = [each for each in targets if isinstance(each, TargetName) and _is_document(each)]
        for name in documents:
            looked = self._run.look(name)
            self._relate(looked)
            if len(self._kept) < _KEPT or is_stream(name.name):
                self._kept[name] = looked
            self._say(0)
        self._update()
        left = iter(targets)
        while batch := list(islice(left, _AHEAD)):
            yield from self._batch(batch)

    def _batch(self, targets: Sequence[TargetName | Examined]) -> Iterator[Examined]:
        run = self._run
        tops = [None if isinstance(each, Examined) or _is_document(each) else run.top(each) for each in targets]
        plain = [(top, True) for top in tops if top is not None]
        walked = discover_many(run.shared, plain)
        for target, top in zip(targets, tops, strict=True):
            if isinstance(target, Examined):
                yield target
            elif top is None:
                looked = self._kept.pop(target) if target in self._kept else self._looked(target)
                yield self._told(target, looked)
            else:
                chain = next(walked)
                if target.found_in is None and _is_directory(chain):
                    inside = targets_in(target, one_file_system=run.settings.one_file_system, tell=self._tell)
                    yield from self.examined(inside)
                else:
                    yield self._told(target, self._looked(target, (top, chain)))
            self._say(1)

    def _looked(self, name: TargetName, walked: "tuple[Source, BackingChain] | None" = None) -> Examined:
        looked = self._run.look(name, walked)
        if looked.view is not None and not _is_document(name):  # what is called an image, and is a document
            self._relate(looked)
            self._update()
        return looked

    def _told(self, name: TargetName, looked: Examined) -> Examined:
        return self._run.judged(looked, self._used, self._quiet, name.connect)

    def _relate(self, looked: Examined) -> None:
        relate(self._relations, looked, several=self._several)

    def _update(self) -> None:
        """Let what is said from now on be said of all that is known."""
        self._used = self._relations.uses()
        self._quiet = {}

    def _say(self, more: int) -> None:
        self._done += more
        if self._tell is not None:
            self._tell(self._done, self._total)


def _is_document(name: TargetName) -> bool:
    return name.sort == "document" or name.connect is not None or is_stream(name.name)


def _is_directory(chain: "BackingChain") -> bool:
    facts = chain.top.facts
    return facts is not None and facts.type is StorageType.DIR
