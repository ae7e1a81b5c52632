"""Open a file under a narrow policy, which has a say where a header names the file, and may want to know where the top image is."""

from os.path import dirname
from typing import TYPE_CHECKING

from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.local import begin
from diskchain.readers.open_beneath import begin_pinned
from diskchain.readers.policy import OpenPolicy, refusal_of_file
from diskchain.storage.terms import StorageType

if TYPE_CHECKING:
    from diskchain.discover.layer_reader import Look


def begin_guarded(
    seen: "Look", path: str, length: int, policy: OpenPolicy, above: "Look | None"
) -> tuple[int, ImageFacts, bytes]:
    """As :func:`diskchain.readers.local.begin`, for ``seen``, which learns its ``home``. Raises PolicyRefusal as well."""
    if above is None:
        return begin(path, length) if policy.directories != () else _begin_top(seen, path, length)
    seen.home = above.home
    if not (seen.source.detected and policy.asks_for_the_file):
        return begin(path, length)
    return begin_pinned(path, length, lambda real, type: refusal_of_file(policy, real, type, seen.home))


def _begin_top(seen: "Look", path: str, length: int) -> tuple[int, ImageFacts, bytes]:
    def learn(real: str, type: StorageType | None) -> None:  # noqa: ARG001
        seen.home = dirname(real)

    return begin_pinned(path, length, learn)
