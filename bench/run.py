"""``make bench``: every measurement beside its peer, in one run. Prints ratios; fails nothing, times no test.

With names of modules as arguments (``discovery``, ``startup``, …) runs only those.
"""

import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT.parent), str(ROOT.parent / "demo"), str(ROOT)]


def shown(seconds: float) -> str:
    """A time in the unit that reads best."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.1f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def main(wanted: list[str]) -> int:
    """Run and print. Returns 2 for a name there is no measurement of."""
    names = sorted(path.stem for path in ROOT.glob("*.py") if path.stem not in ("run", "rows"))
    unknown = set(wanted) - set(names)
    if unknown:
        print(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    for name in wanted or names:
        print(f"\n{name}")
        for row in import_module(name).run():
            goal = (
                ""
                if row.target is None
                else f"  (reach: ≤ {row.target:g} ×{'' if row.ratio <= row.target else ', missed'})"
            )
            print(
                f"  {row.name:<44} {shown(row.ours):>9}   {row.ratio:8.3g} × {row.against} ({shown(row.theirs)}){goal}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
