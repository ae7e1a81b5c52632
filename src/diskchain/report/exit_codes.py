"""The one table of exit codes, of every verb. ``docs/exit-codes.md`` says the same for people.

Imports nothing of diskchain: the process needs it before anything else is loaded.
"""

TYPE_CHECKING = False  # what typing's is to type checkers
if TYPE_CHECKING:
    from diskchain.errors import Fault

CLEAN = 0
FINDINGS = 1
USAGE = 2
COULD_NOT_TELL = 3
INTERRUPTED = 130  # 128 and SIGINT, as shells have it

#: What each code is called where a word is wanted.
OUTCOMES = {
    CLEAN: "clean",
    FINDINGS: "findings",
    USAGE: "usage",
    COULD_NOT_TELL: "could-not-tell",
    INTERRUPTED: "interrupted",
}

#: The code of an error that ends a verb, by whose fault it is.
OF_FAULT: "dict[Fault, int]" = {
    "caller": USAGE,
    "image": FINDINGS,
    "host": COULD_NOT_TELL,
    "peer": COULD_NOT_TELL,
}
