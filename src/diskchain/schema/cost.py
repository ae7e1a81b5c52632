"""``diskchain map --cost --json``: schema ``diskchain/cost/1``."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from diskchain.findings import Finding
from diskchain.schema.base import FindingDocument, finding_document

if TYPE_CHECKING:
    from diskchain.allocation.forecast import Forecast

COST_SCHEMA = "diskchain/cost/1"


class CostDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What an operation would move, in bytes; null: nobody can tell.

    ``writes``: the file that is written to, null for a new one. ``growth``: data it holds more afterwards; ``growth_at_most``: if zeros are written as
    data. ``loses``: data of it that are zeros then. ``frees``: room of the files that are not needed any more. ``room``: what is free where
    the file is, and whether that is ``enough``. ``unknown``: bytes of which nobody can tell, so that all this is too little.
    """

    schema: str = COST_SCHEMA
    target: str
    disk: str
    operation: str
    top: str | None
    base: str | None
    writes: str | None
    copies: int
    zeroes: int
    growth: int
    growth_at_most: int
    loses: int
    frees: int | None
    room: int | None
    enough: bool | None
    unknown: int
    findings: tuple[FindingDocument, ...] = ()


def cost_document(target: str, disk: str, cost: "Forecast", findings: Iterable[Finding]) -> CostDocument:
    """The JSON form of a forecast."""
    return CostDocument(
        target=target,
        disk=disk,
        operation=cost.operation,
        top=cost.top,
        base=cost.base,
        writes=cost.writes,
        copies=cost.copies,
        zeroes=cost.zeroes,
        growth=cost.growth,
        growth_at_most=cost.growth_at_most,
        loses=cost.loses,
        frees=cost.frees,
        room=cost.room,
        enough=cost.enough,
        unknown=cost.unknown,
        findings=tuple(map(finding_document, findings)),
    )
