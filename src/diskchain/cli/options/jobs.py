"""The options that all verbs share that make jobs, and what such a verb prints: a plan, or a job as it runs."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from diskchain.actions.job_plans import JobWishes, PlannedJob
from diskchain.actions.jobs import run
from diskchain.actions.keys import NO_KEYS
from diskchain.cli.options.remote import add_timeout_argument
from diskchain.cli.options.secrets import add_secret_arguments, key_places
from diskchain.cli.options.state import add_state_argument, state_of
from diskchain.cli.options.target import add_policy_argument, add_target_arguments
from diskchain.errors import DiskchainError, ParseError, UsageError
from diskchain.findings import Severity
from diskchain.jobs.events import Event, JobPaused, JobRefused, JobStopped
from diskchain.jobs.states import State
from diskchain.report.exit_codes import CLEAN, FINDINGS, INTERRUPTED, OF_FAULT, OUTCOMES, USAGE
from diskchain.report.findings import finding_lines
from diskchain.report.jobs import Rate, end_lines, event_line, plan_lines, refused_lines
from diskchain.report.style import style_of
from diskchain.system.signals import ended_by_signals
from diskchain.units import parse_size

if TYPE_CHECKING:
    from diskchain.schema.job import JobEventDocument

_End = Literal["done", "refused", "stopped", "paused"]


def add_job_arguments(parser: argparse.ArgumentParser, *, copies: bool = True) -> None:
    """TARGET and what all jobs can be told. ``copies``: data are copied, so that there is a speed and a proof."""
    add_target_arguments(parser)
    add_policy_argument(parser)
    parser.add_argument("--plan", action="store_true", help="only say what would be done; nothing is changed")
    if copies:
        parser.add_argument("--bandwidth", metavar="RATE", help="bytes a second at most, such as 100M")
        parser.add_argument(
            "--no-verify", action="store_true", help="do not compare what the disk reads before and after"
        )
        parser.add_argument(
            "--search",
            metavar="DIR",
            action="append",
            default=[],
            help="look in DIR and all below it for other overlays of these files; repeatable",
        )
        add_secret_arguments(parser)
    add_running_arguments(parser)


def add_running_arguments(parser: argparse.ArgumentParser) -> None:
    """What verbs can be told that work on a job."""
    parser.add_argument("--json", action="store_true", help="print JSON: of a job one event a line")
    add_timeout_argument(parser)
    add_state_argument(parser)


def wishes_of(args: argparse.Namespace) -> JobWishes:
    """What the arguments want of the job. Raises UsageError for what is no rate."""
    return JobWishes(not args.no_verify, _rate(args.bandwidth), tuple(args.search))


def _rate(text: str | None) -> int:
    if text is None:
        return 0
    digits = text.rstrip("kKmMgGtTiBb")
    try:
        return parse_size(digits, text[len(digits) :])
    except ParseError as error:
        raise UsageError(f"--bandwidth: {error}") from error


def print_planned(args: argparse.Namespace, planned: PlannedJob) -> int:
    """Print a plan, or carry it out; returns the exit code."""
    if args.plan:
        _print_plan(args, planned)
        return USAGE if planned.refused else CLEAN
    if not args.json and not planned.refused:
        for found in planned.findings:
            if found.severity is Severity.WARNING:
                print("\n".join(finding_lines(found, style_of(sys.stderr, environ=dict(os.environ)))), file=sys.stderr)
    if not args.json and planned.plan is not None and planned.plan.nothing_to_do and not planned.refused:
        _print_plan(args, planned)
        return CLEAN
    stop = _Stop()
    places = key_places(args) if hasattr(args, "secret") else NO_KEYS
    last = print_events(args, run(planned, state_of(args), stop, places), stop)
    if not args.json and planned.plan is not None and last.event is not None and last.code == CLEAN:
        for line in end_lines(planned.plan, last.event.job, last.event.state):
            print(line)
    return last.code


def _print_plan(args: argparse.Namespace, planned: PlannedJob) -> None:
    if args.json:
        from diskchain.schema import plan_document, to_json

        document = plan_document(
            planned.plan, planned.findings, verb=args.verb, target=args.target, refused=planned.refused
        )
        print(to_json(document))
        return
    style = style_of(sys.stdout, environ=dict(os.environ))
    for line in plan_lines(planned.plan, planned.findings, style, refused=planned.refused):
        print(line)


class _Stop:
    """Whether a signal came. Called by whoever works on the job."""

    def __init__(self) -> None:
        self.wanted = False

    def __call__(self) -> bool:
        return self.wanted

    def now(self) -> None:
        self.wanted = True


class Last:
    """How a job ended for us: its last event, if any, and the exit code."""

    def __init__(self) -> None:
        self.event: Event | None = None
        self.code = CLEAN


def stop_by_signals() -> _Stop:
    """What tells :func:`print_events` and a job that a signal came."""
    return _Stop()


def print_events(args: argparse.Namespace, events: Iterator[Event], stop: _Stop) -> Last:
    """Print what a job says while it runs. A signal pauses it in good order."""
    last, printer = Last(), _JsonPrinter() if args.json else _TextPrinter(Path(state_of(args)), args.state)
    with ended_by_signals(stop.now, lambda: None) as ending:
        ending.begin()
        try:
            for event in events:
                last.event = event
                printer.event(event)
        except JobRefused as error:
            last.code = USAGE
            printer.end("refused", last, error)
        except JobStopped as error:
            last.code = FINDINGS
            printer.end("stopped", last, error)
        except JobPaused as error:
            last.code = INTERRUPTED
            printer.end("paused", last, error)
        except DiskchainError as error:
            if not args.json:
                raise
            last.code = _print_error(args, error)
        else:
            printer.end("done", last, None)
    return last


def _print_error(args: argparse.Namespace, error: DiskchainError) -> int:
    """An error that ends a job is a line of JSON, too; returns the exit code."""
    from diskchain.schema.base import to_json_line
    from diskchain.schema.error import error_document

    code = OF_FAULT[error.fault]
    print(f"diskchain: {error}", file=sys.stderr)
    print(to_json_line(error_document(error, exit_code=code, outcome=OUTCOMES[code], verb=args.verb)), flush=True)
    return code


class _TextPrinter:
    def __init__(self, state: Path, given: str | None) -> None:
        self._option = "" if given is None else f" --state {state}"
        self._rate = Rate()
        self._shown = False
        self._terminal = sys.stderr.isatty()

    def event(self, event: Event) -> None:
        line = event_line(event)
        if line is not None:
            self._clear()
            print(line, flush=True)
        elif self._terminal:
            self._shown = True
            print(f"\r\x1b[K{self._rate.line(event)}", end="", file=sys.stderr, flush=True)

    def end(self, kind: _End, _last: Last, error: JobRefused | JobStopped | JobPaused | None) -> None:
        self._clear()
        if error is None:
            return
        style = style_of(sys.stderr, environ=dict(os.environ))
        if isinstance(error, JobPaused):
            print(f"{error}{' with' + self._option if self._option else ''}", file=sys.stderr)
            return
        for line in refused_lines(error.findings, style):
            print(line, file=sys.stderr)
        if kind == "refused":
            print("nothing was changed", file=sys.stderr)
        elif isinstance(error, JobStopped):
            print(_after_stop(error, self._option), file=sys.stderr)

    def _clear(self) -> None:
        if self._shown:
            self._shown = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _after_stop(error: JobStopped, option: str) -> str:
    said = "the disk reads as before" if error.state in _BEFORE else "the new chain is in force"
    number = error.job
    return (
        f"job {number} stopped, {error.state}: {said}, nothing was deleted; "
        f"diskchain resume {number}{option} tries again, diskchain rollback {number}{option} takes it back"
    )


_BEFORE = frozenset({State.PLANNED, State.COPYING, State.DATA_DURABLE, State.PROVEN})


class _JsonPrinter:
    def event(self, event: Event) -> None:
        from diskchain.schema.job import event_document

        self._print(event_document(event))

    def end(self, kind: _End, last: Last, error: JobRefused | JobStopped | JobPaused | None) -> None:
        from diskchain.schema.job import end_document

        job = last.event.job if last.event is not None else getattr(error, "job", None)
        state = last.event.state if last.event is not None else getattr(error, "state", None)
        findings = () if error is None or isinstance(error, JobPaused) else error.findings
        self._print(end_document(kind, last.code, job=job, state=state, findings=findings))

    def _print(self, document: "JobEventDocument") -> None:
        from diskchain.schema.base import to_json_line

        print(to_json_line(document), flush=True)
