"""From a chain and an operation to the answer: needs, a look at every file, the judgement. Looks, changes nothing."""

from collections.abc import Iterable
from dataclasses import replace

from diskchain.access.actor import Actor, acting
from diskchain.access.evidence import examine_all
from diskchain.access.grants.journal_schema import Hold
from diskchain.access.grants.without_grants import without_grants
from diskchain.access.judge import UNCONFINED, Confinement, FileAccess, judge
from diskchain.access.kernel.identity import Identity
from diskchain.access.requirements import needs
from diskchain.access.security.relabelled import Adjust, as_it_is
from diskchain.storage.operation import Operation
from diskchain.storage.source import Source
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.system.process_rights import open_files


def survey(  # noqa: PLR0913 - what is asked, and five ways to ask it differently
    chain: Source,
    operation: Operation,
    who: Identity | Actor,
    confined: Confinement = UNCONFINED,
    *,
    ignore: frozenset[int] = frozenset(),
    without: Iterable[Hold] = (),
    adjust: Adjust = as_it_is,
    seconds: float = DEFAULT_DEADLINE,
    process: int | None = None,
) -> tuple[FileAccess, ...]:
    """Whether ``who`` may do ``operation`` on ``chain``, file by file.

    ``ignore``: processes whose image locks do not count (the domain's own QEMU). ``without``: rights of other
    grants, which are not to be leaned on. ``adjust``: what else will have changed by then, such as owners that
    libvirt sets at start. ``seconds``: what a file has to answer; one that does not "cannot tell". ``process``: what this one has
    open already, it may use. Raises UsageError when the operation does not fit the chain.
    """
    wanted = needs(chain, operation)
    found = examine_all([need.path for need in wanted if need.path is not None], ignore=ignore, seconds=seconds)
    actor = acting(who)
    if process is not None:
        inodes = {present.facts.file.number for present in found.values() if present.facts.file is not None}
        actor = replace(actor, opened=open_files(process, inodes))
    holds = tuple(without)
    if holds:
        found = {path: without_grants(present, holds) for path, present in found.items()}
    return judge(wanted, found.__getitem__, actor, confined, adjust)
