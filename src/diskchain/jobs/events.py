"""What a running job says: values for programs, terminals and JSON lines. Pure."""

from dataclasses import dataclass
from typing import Literal

from diskchain.errors import DiskchainError
from diskchain.findings import Finding
from diskchain.jobs.states import State


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a job.

    ``state``: a state was reached, ``detail`` says with what. ``progress``: ``done`` of ``total`` of what the state ``state`` waits for,
    in bytes while copying and in hundredths of a percent while comparing.
    """

    kind: Literal["state", "progress"]
    job: int
    state: State
    detail: str = ""
    done: int = 0
    total: int = 0


class JobStopped(DiskchainError):
    """A job does not go on: ``findings`` say why. What the disk reads is as before, or as it shall be; nothing was deleted."""

    fault = "image"

    def __init__(self, job: int, state: State, findings: tuple[Finding, ...]) -> None:
        super().__init__(f"job {job} stopped: {findings[0].message}")
        self.job = job
        self.state = state
        self.findings = findings


class JobPaused(DiskchainError):
    """A job was asked to stop, and did in good order. ``diskchain resume`` carries on with it."""

    def __init__(self, job: int, state: State) -> None:
        super().__init__(
            f"job {job} is paused: `diskchain resume {job}` carries on, `diskchain cancel {job}` gives it up"
        )
        self.job = job
        self.state = state


class JobRefused(DiskchainError):
    """A plan that is not carried out, because of ``findings``. Nothing was changed."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(f"nothing was changed: {findings[0].message}")
        self.findings = findings
