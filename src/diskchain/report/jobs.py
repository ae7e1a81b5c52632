"""Jobs as lines of text: plans, events, the journal, progress."""

import time
from collections.abc import Iterator

from diskchain.errors import printable
from diskchain.findings import Finding, Severity
from diskchain.jobs.events import Event
from diskchain.jobs.journal_schema import Listed, ListedJob
from diskchain.jobs.plan import Plan
from diskchain.jobs.states import FINAL, State
from diskchain.jobs.words import nearest_commands, plan_steps
from diskchain.report.findings import finding_lines
from diskchain.report.style import Style
from diskchain.units import human_size


def plan_lines(plan: Plan | None, findings: tuple[Finding, ...], style: Style, *, refused: bool) -> Iterator[str]:
    """What would be done, what stands in the way, and what comes nearest of other tools."""
    if plan is not None and plan.nothing_to_do:
        yield "nothing to do: the chain is as it shall be"
    elif plan is not None:
        yield f"{plan.verb} {printable(plan.target)}"
        for number, step in enumerate(plan_steps(plan), 1):
            yield f"  {number}. {printable(step.words)}"
        if plan.room:
            yield f"  room needed: at most {human_size(plan.room)}"
    for found in findings:
        yield from finding_lines(found, style)
    if plan is not None and not plan.nothing_to_do and not refused:
        commands = nearest_commands(plan)
        if commands:
            yield style.dim("nearest commands (they compare nothing, and keep no journal):")
        yield from (f"  {printable(command)}" for command in commands)
    if refused:
        yield "this is not carried out"


def refused_lines(findings: tuple[Finding, ...], style: Style) -> Iterator[str]:
    """Why nothing was changed."""
    for found in findings:
        if found.severity is not Severity.INFO:
            yield from finding_lines(found, style)


def event_line(event: Event) -> str | None:
    """A state that was reached; None for progress."""
    if event.kind != "state":
        return None
    detail = f": {printable(event.detail)}" if event.detail else ""
    return f"job {event.job}: {event.state}{detail}"


def end_lines(plan: Plan, job: int, state: State) -> Iterator[str]:
    """What the user may do next with a job that is done."""
    left = [plan.layers[place].name for place in plan.old if place not in plan.new]
    if plan.verb == "copy" and plan.document is None:
        return
    if state is State.CLEANED and left and not plan.delete:
        yield f"no longer part of the chain: {', '.join(map(printable, left))}"
        yield f"diskchain rollback {job} takes the job back as long as they are there"
    top = plan.layers[plan.new[0]].name
    if state is State.CLEANED and plan.new[0] != plan.old[0] and plan.document is None:
        yield f"the disk is {printable(top)} now: no document was given that could be changed"


def jobs_lines(listed: Listed) -> Iterator[str]:
    """The journal's jobs."""
    for each in listed.jobs:
        yield from _job_lines(each)
    for damage in listed.damage:
        yield f"job {'?' if damage.id is None else damage.id}: its record is damaged: {printable(damage.problem)}"
    if not listed.jobs and not listed.damage:
        yield "no unfinished jobs"


def _job_lines(listed: ListedJob) -> Iterator[str]:
    job = listed.job
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
    who = f", process {job.owner.pid} works on it" if job.owner is not None and job.running else ""
    yield f"job {job.id}: {job.plan.verb} {printable(job.plan.target)}, {job.state}{who} (begun {when})"
    if job.reason:
        yield f"  stopped: {printable(job.reason)}"
    if job.state not in FINAL and not who:
        yield f"  diskchain resume {job.id} carries on, diskchain rollback {job.id} takes it back"


def adopt_lines(findings: tuple[Finding, ...], searched: tuple[str, ...], style: Style) -> Iterator[str]:
    """What another tool left of a merge."""
    for found in findings:
        yield from finding_lines(found, style)
    if not findings:
        yield "nothing shows a merge that was cut off"
    if searched:
        yield style.dim(f"other leaves were looked for in {', '.join(map(printable, searched))} (--search DIR)")


class Rate:
    """How far a step is, how fast, and how long it still takes, from what its events say."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._state: State | None = None
        self._first = 0

    def line(self, event: Event) -> str:
        """One line, without its end."""
        if event.state is not self._state:
            self._state, self._began, self._first = event.state, time.monotonic(), event.done
        share = 100 * event.done / event.total if event.total else 100.0
        word = "copying" if event.state is State.COPYING else "comparing"
        passed = time.monotonic() - self._began
        rate = (event.done - self._first) / passed if passed > 0 else 0.0
        speed = f", {human_size(int(rate))}/s" if event.state is State.COPYING else ""
        left = f", {_duration((event.total - event.done) / rate)} left" if rate > 0 else ""
        return f"{word} {share:.0f} %{speed}{left}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
