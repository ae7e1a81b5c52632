"""The proof: that a disk reads the same through its old layers and its new ones, asked of QEMU while both are there.

What is compared is opened with the layers the plan names, whatever headers say, so that it can be asked before a pointer moves. The
files must not change meanwhile; ``run`` looks at them before and after.
"""

from collections.abc import Callable

from diskchain.jobs.engines.interface import Keys
from diskchain.jobs.plan import Plan, Proof, source_of
from diskchain.qemu.images import chain_argument, differ, extents


def difference(
    plan: Plan, proof: Proof, keys: Keys, *, stop: Callable[[], bool], progress: Callable[[float], None]
) -> str | None:
    """What differs between the old and the new chain, in words; None: nothing does. ``keys``: of encrypted layers.

    Raises Stopped, ImageToolFailed.
    """
    if proof.empty:
        return _own_content(plan, proof.new[0])
    old = chain_argument(source_of(plan, proof.old))
    new = chain_argument(source_of(plan, proof.new), 2 * len(plan.layers) + 1)
    secrets: dict[str, bytes] = {}
    for chain, places in ((old, proof.old), (new, proof.new)):
        for id, value in keys.of(chain.emission, [plan.layers[place] for place in places]).items():
            with value.reveal() as shown:
                secrets[id] = bytes(shown)
    return differ(old, new, stop=stop, progress=progress, secrets=secrets)


def _own_content(plan: Plan, layer: int) -> str | None:
    """What a new overlay holds itself: nothing, so that all of it is read from below. Cheap: no data are read."""
    found = [each for each in extents(chain_argument(source_of(plan, (layer,)))) if each.get("present") or each["data"]]
    return f"the new overlay has content of its own at {found[0]['start']}" if found else None
