"""Which files the interpreter opens, as its audit events tell: nothing that is written in Python opens one without."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Is told the name and the flags before the file is opened.
Watcher = Callable[[str, int], None]

_watchers: list[Watcher] = []


def _hook(event: str, args: tuple[object, ...]) -> None:
    if event == "open" and _watchers:
        name, _, flags = args
        if isinstance(name, str | bytes) and isinstance(flags, int):
            for watcher in _watchers:
                watcher(os.fsdecode(name), flags)


sys.addaudithook(_hook)  # for good: there is no way to take one back


@contextmanager
def told(watcher: Watcher) -> Iterator[None]:
    """``watcher`` is told of all that is opened meanwhile, by any thread."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


@contextmanager
def opened() -> Iterator[set[str]]:
    """The files that are opened meanwhile, symlinks resolved; not those that are held without being opened (O_PATH)."""
    found: set[str] = set()

    def note(name: str, flags: int) -> None:
        if not flags & os.O_PATH:
            found.add(os.path.realpath(name))

    with told(note):
        yield found
