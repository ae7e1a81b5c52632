"""Who has an image open now, so that no command is suggested that would write under them: by descriptors, and by QEMU's image locks."""

from diskchain.access.image_locks import image_locks
from diskchain.errors import StorageError
from diskchain.system.deadline import within
from diskchain.system.open_files import OpenFiles

#: Holders named in one message.
_SHOWN = 3


class Openers:
    """Call it with a path: who has the file open, in words; None: nobody that this user can see. ``seconds`` for each answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open = OpenFiles()

    def __call__(self, path: str) -> str | None:
        """Who has ``path`` open. A file that does not answer in time counts as open: nobody knows."""
        try:
            return within(self._seconds, path, lambda: self._holders(path))
        except StorageError as error:
            return f"a process that could not be found out ({error.problem})"

    def _holders(self, path: str) -> str | None:
        try:
            found = self._open.holders(path)
        except OSError:
            return None
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            return ", ".join(found[:_SHOWN]) + more
        locks = image_locks(path)
        if locks is None or not locks.held:
            return None
        named = ", ".join(f"{holder.command} (process {holder.pid})" for holder in locks.holders)
        return named or "a QEMU process of another user or host (it holds QEMU's image locks)"
