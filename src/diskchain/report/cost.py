"""What an operation would cost, as lines for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from diskchain.errors import printable
from diskchain.report.style import Style
from diskchain.units import human_size

if TYPE_CHECKING:
    from diskchain.allocation.forecast import Forecast


def cost_lines(cost: "Forecast", style: Style) -> Iterator[str]:
    """A line for each thing to know before it runs."""
    into = "a new image" if cost.writes is None else printable(cost.writes)
    zeros = f", and writes {human_size(cost.zeroes)} of zeros" if cost.zeroes else ""
    yield f"{style.bold(cost.operation)}  copies at most {human_size(cost.copies)} into {into}{zeros}"
    grown = human_size(cost.growth)
    most = f", at most by {human_size(cost.growth_at_most)}" if cost.growth_at_most != cost.growth else ""
    what = "takes" if cost.writes is None else "grows by"
    yield f"  {what} {grown}{most}"
    if cost.loses:
        yield f"  {human_size(cost.loses)} of its data are overwritten with zeros"
    if cost.frees:
        yield f"  frees {human_size(cost.frees)} when the files that are not needed any more are gone, unless something else uses them"
    elif cost.frees is None:
        yield "  what it frees cannot be told"
    if cost.room is not None:
        enough = "enough" if cost.enough else "cannot be told whether enough" if cost.enough is None else "not enough"
        yield f"  {human_size(cost.room)} free where that file is: {enough}"
    if cost.operation == "commit":
        yield f"  changes {into} for everything else that is over it"
    if cost.unknown:
        yield f"  of {human_size(cost.unknown)} nobody can tell, so all this is too little"
