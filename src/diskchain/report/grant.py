"""Plans, grants and what became of them as lines for a terminal, and what they mean for the exit code."""

import time
from collections.abc import Iterable, Iterator

from diskchain.access.grants.apply import Granted
from diskchain.access.grants.changes import AddEntry, AddMode, Change
from diskchain.access.grants.journal_schema import Contents, Grant, Hold, describe_damage
from diskchain.access.grants.plan import LeftOver, Plan, Step
from diskchain.access.grants.revert import Outcome
from diskchain.access.grants.revert_rules import Result
from diskchain.access.kernel.identity import user_name
from diskchain.actions.grant import PlannedGrant
from diskchain.actions.revert import Listed, Reverted
from diskchain.errors import printable
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS
from diskchain.report.style import Style
from diskchain.system.posix_acl import show_permission


def grant_code(planned: PlannedGrant) -> int:
    """1 when something is in the way, else 3 when something could not be told, else 0."""
    plan = planned.plan
    if any(not rest.unknown for rest in plan.left) or any(not each.unknown for each in plan.refused):
        return FINDINGS
    told = (
        planned.known
        and planned.journal_problem is None
        and not (plan.left or plan.refused or plan.no_answer or plan.elsewhere)
    )
    return CLEAN if told else COULD_NOT_TELL


def plan_lines(plan: Plan, style: Style) -> Iterator[str]:
    """Each change with its reason, who named the file and the command for the same; then what stays in the way."""
    for step in plan.changing:
        yield style.bold(printable(step.path))
        yield f"    why: {printable('; '.join(step.because))}"
        yield f"    named by: {_named(step)}"
        yield f"    do: {printable(step.command or '')}"
    for step in plan.steps:
        if not step.changes:
            yield f"{style.dim(printable(step.path))}: nothing to change (named by {_named(step)})"
    for rest in plan.left:
        yield from _left_lines(rest, style)
    for refusal in plan.refused:
        label = style.paint("could not tell:" if refusal.unknown else "refused:", "33" if refusal.unknown else "31;1")
        yield f"{label} {printable(refusal.reason)}"
    for name in plan.elsewhere:
        yield style.paint(f"could not tell: {printable(name)} is no file on this host, and was not looked at", "33")
    if plan.complete and plan.steps and not plan.changing and not plan.elsewhere:
        yield f"{user_name(plan.who.uid)} may do this already"


def refusal_hint(plan: Plan) -> str | None:
    """What to do about names in headers that no right is granted on; None where there are none."""
    if any(refusal.distrust for refusal in plan.refused):
        return "if you trust that header: declare the layer in a document, or say --policy libvirt"
    return None


def _named(step: Step) -> str:
    return ", ".join(printable(str(by)) for by in step.named)


def _left_lines(rest: LeftOver, style: Style) -> Iterator[str]:
    label = style.paint("may be in the way:" if rest.unknown else "in the way:", "33")
    yield f"{label} {printable(rest.reason)}"
    if rest.command:
        yield f"    decide on: {printable(rest.command)}"
    if rest.advice:
        yield f"    advice: {printable(rest.advice)}"


def granted_lines(granted: Granted, *, running: bool) -> Iterator[str]:
    """What was done, and how to give it back. ``running``: the domain was running already."""
    yield f"grant {granted.grant.id}: {len(granted.changed)} changed, {len(granted.recorded)} recorded as they are"
    if running:
        yield "the domain runs: its backing files belong to its user already, and whose they were before is not recorded"
    yield f"give it back with: diskchain revert {granted.grant.id}"


def failed_lines(given_back: Iterable[Outcome]) -> Iterator[str]:
    """What became of the files of a grant that failed half-way."""
    outcomes = list(given_back)
    for outcome in outcomes:
        yield f"{printable(outcome.path or 'the journal')}: {outcome.result}"
    kept = next((outcome.grant for outcome in outcomes if not outcome.done), None)
    if kept is not None:
        yield f"the journal keeps it; give it back with: diskchain revert {kept}"


def revert_code(reverted: Reverted) -> int:
    """1 when something was kept, refused or failed; else 3 when a file did not answer or a record is damaged; else 0."""
    left = {outcome.result for outcome in reverted.outcomes if not outcome.done}
    if left - {Result.NO_ANSWER, Result.DAMAGED}:
        return FINDINGS
    return COULD_NOT_TELL if left else CLEAN


def reverted_lines(reverted: Reverted) -> Iterator[str]:
    """One line for each file, and for each grant that was left alone."""
    for outcome in reverted.outcomes:
        words = [f"grant {outcome.grant}" if outcome.grant is not None else "", printable(outcome.path or "")]
        words += [str(outcome.result), printable(outcome.reason)]
        yield ": ".join(word for word in words if word)
    told = {outcome.grant for outcome in reverted.outcomes}
    untold = [grant for grant in reverted.left.grants if grant.id not in told]
    for grant in untold:
        yield f"grant {grant.id}: its process still runs; left alone"
    if not reverted.outcomes and not untold:
        yield "nothing is granted"


def list_code(listed: Listed) -> int:
    """3 when a record is damaged, or nothing can be given back; else 0."""
    return COULD_NOT_TELL if listed.contents.damage or listed.unwritable is not None else CLEAN


def listed_lines(contents: Contents) -> Iterator[str]:
    """Each grant and what it holds, then what cannot be read."""
    for grant in contents.grants:
        yield _grant_line(grant)
        yield from (_hold_line(hold) for hold in contents.holds if hold.grant == grant.id)
        for damage in contents.damage:
            if damage.grant == grant.id:
                yield f"  {printable(damage.path or '?')}: {printable(describe_damage(damage))}"
    for damage in contents.damage:
        if damage.grant is None:
            yield printable(describe_damage(damage))
    if not contents.grants and not contents.damage:
        yield "nothing is granted"


def _grant_line(grant: Grant) -> str:
    if grant.damaged:
        return f"grant {grant.id}: for what and to whom cannot be read"
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(grant.created))
    state = "over or unknown" if grant.over else "running"
    what = f"{printable(grant.operation)} of {printable(grant.target)}"
    return f"grant {grant.id}: {what} by {user_name(grant.uid)}, since {created}, {state}"


def _hold_line(hold: Hold) -> str:
    changes = ", ".join(map(show_change, hold.changes)) or "recorded as it was"
    return f"  {printable(hold.file.path)}: {changes} ({hold.phase})"


def show_change(change: Change) -> str:
    """A change in setfacl's and chmod's words: ``u:libvirt-qemu:rw-``, ``mode +200``, ``owner root``."""
    if isinstance(change, AddEntry):
        return f"u:{user_name(change.uid)}:{show_permission(change.perm)}"
    if isinstance(change, AddMode):
        return f"mode +{change.bits:o}"
    return f"owner {user_name(change.uid)}"
