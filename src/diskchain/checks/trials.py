"""Whether a chain is better than the one before a change. Pure.

Better: the faults that the change is for are gone, what could be read before still can, the guest sees no smaller disk, and there is no
new fault. A layer that comes into view may itself lack something: that was so before, and nobody saw it.
"""

from collections.abc import Iterable
from typing import Final

from diskchain.checks.consistency import examine
from diskchain.discover.chain import BackingChain
from diskchain.findings import Finding, Severity

#: What a change must not bring about, error or warning.
_WORSE: Final = frozenset(
    ("loop", "capacity-mismatch", "base-changed", "reference-refused", "format-mismatch", "extent-repeated")
)  # fmt: skip
#: What a layer that comes into view may lack.
_SEEN_NOW: Final = frozenset(("missing", "unreadable", "timeout", "not-inspected", "unreachable", "foreign-reference"))


def is_better(before: BackingChain, after: BackingChain | None, faults: Iterable[Finding]) -> bool:
    """Whether ``after`` is better than ``before`` and without ``faults``; never where storage did not answer (None)."""
    if after is None or _depth(after) < _depth(before) or _is_smaller(after, before):
        return False
    now = {_key(each) for each in _all(after)}
    if any(_key(fault) in now for fault in faults):
        return False
    deeper = _depth(after) > _depth(before)
    return all(deeper and id in _SEEN_NOW for id, _ in _serious(after) - _serious(before))


def _key(found: Finding) -> tuple[str, str | None]:
    return found.id, found.file


def _all(chain: BackingChain) -> list[Finding]:
    return [*chain.findings, *(each for _, each in examine(chain))]


def _serious(chain: BackingChain) -> set[tuple[str, str | None]]:
    return {
        _key(each)
        for each in _all(chain)
        if each.severity is Severity.ERROR or (each.severity is Severity.WARNING and each.id in _WORSE)
    }


def _depth(chain: BackingChain) -> int:
    """How many layers could be read."""
    return sum(layer.header is not None for layer in chain.layers)


def _is_smaller(after: BackingChain, before: BackingChain) -> bool:
    one, other = after.top.header, before.top.header
    return one is not None and other is not None and one.capacity < other.capacity
