"""What would mend the chains of a run: candidates for missing files, and commands that were tried before they are said."""

from collections.abc import Iterable

from diskchain.access.openers import Openers
from diskchain.actions.read_document import TargetDocument
from diskchain.actions.target import Target
from diskchain.actions.tell_document import TellDocument
from diskchain.checks.cures import with_cures
from diskchain.checks.replacements import Around
from diskchain.checks.search import FileIndex
from diskchain.discover.chain import BackingChain
from diskchain.discover.partial_layer import OpenElsewhere
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.system.deadline import DEFAULT_DEADLINE


class Cures:
    """Cures for the chains of one run: each directory is searched once, each process asked once.

    ``search``: directories to search for missing files. ``seconds``: for each answer of storage.
    """

    def __init__(
        self, *, policy: OpenPolicy = LIBVIRT, search: Iterable[str] = (), seconds: float = DEFAULT_DEADLINE
    ) -> None:
        directories = tuple(search)
        self._policy = policy
        self._searched = FileIndex(directories, seconds=seconds) if directories else None
        self._open_in = Openers(seconds)
        self._seconds = seconds

    def of(
        self,
        target: Target,
        chain: BackingChain,
        elsewhere: OpenElsewhere | None = None,
        document: TargetDocument | None = None,
    ) -> BackingChain:
        """``chain`` of ``target``, examined, with its cures.

        ``elsewhere`` opens layers on other hosts, where the walk could. ``document``: what ``target`` is a disk of.
        """
        if target.host is not None:
            return chain
        around = Around(
            target.source,
            self._open_in,
            target.probe,
            self._policy,
            elsewhere,
            self._searched,
            None if document is None else TellDocument(document, target.name, target.source),
            self._seconds,
        )
        return with_cures(chain, around)
