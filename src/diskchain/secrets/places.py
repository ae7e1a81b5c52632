"""Where a user may keep a key, as one word: ``file:PATH``, ``env:NAME``, ``fd:N``, ``keyring:SERVICE/USER``, ``ask``.

Knows the places; must not know whom a key is for. A key is taken as it is, as QEMU takes it: a line feed at the end of a file
belongs to it.
"""

import os
from collections.abc import Callable
from typing import Final

from diskchain.errors import MissingExtra, StorageError, UsageError, printable
from diskchain.secrets.value import SecretValue

#: More than any passphrase; a bound for pipes and mistaken paths. In bytes.
LARGEST: Final = 64 * 1024
_DIGITS_OF_A_DESCRIPTOR: Final = 9
PLACES: Final = "file:PATH, env:NAME, fd:N, keyring:SERVICE/USER or ask"


def check_place(place: str) -> None:
    """Raise UsageError unless ``place`` is well formed. Looks at nothing."""
    kind, colon, rest = place.partition(":")
    if place != "ask" and (kind not in _READERS or not colon or not rest):
        raise UsageError(f"a secret is kept in {PLACES}, not in {printable(kind)!r}")
    if kind == "fd" and not (rest.isascii() and rest.isdecimal() and len(rest) <= _DIGITS_OF_A_DESCRIPTOR):
        raise UsageError("fd: takes the number of a file descriptor")


def read_place(place: str, purpose: str) -> SecretValue | None:
    """The key kept there; None when the place exists and holds none. ``purpose`` is what a person is asked for.

    Raises UsageError for a malformed place, StorageError for a file that cannot be read, MissingExtra for a keyring without
    its package.
    """
    check_place(place)
    if place == "ask":
        import getpass

        return SecretValue(getpass.getpass(f"{purpose}: ").encode())
    kind, _, rest = place.partition(":")
    return _READERS[kind](rest)


def file_of(place: str) -> str | None:
    """The path, where the place is a file."""
    kind, _, rest = place.partition(":")
    return rest if kind == "file" else None


def variable_of(place: str) -> str | None:
    """The name, where the place is an environment variable."""
    kind, _, rest = place.partition(":")
    return rest if kind == "env" else None


def _file(path: str) -> SecretValue:
    try:
        # Non-blocking, so that a FIFO without a writer is an empty key and not a wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StorageError(f"no key can be read: {reason}", path=path) from error
    try:
        return _read(descriptor, path)
    finally:
        os.close(descriptor)


def _descriptor(number: str) -> SecretValue:
    return _read(int(number), f"fd:{number}")


def _read(descriptor: int, name: str) -> SecretValue:
    whole = bytearray()
    try:
        while len(whole) <= LARGEST and (piece := os.read(descriptor, LARGEST)):
            whole += piece
    except OSError as error:
        raise StorageError(f"no key can be read: {error.strerror}", path=name) from error
    try:
        if len(whole) > LARGEST:
            raise StorageError(f"longer than any key: {LARGEST} bytes and more", path=name)
        return SecretValue(whole)
    finally:
        whole[:] = bytes(len(whole))


def _environment(name: str) -> SecretValue | None:
    value = os.environb.get(os.fsencode(name))
    return None if value is None else SecretValue(value)


def _keyring(entry: str) -> SecretValue | None:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise MissingExtra("keyring", "keyring", "looking into a keyring") from None
    service, slash, user = entry.rpartition("/")
    if not slash or not service:
        raise UsageError("keyring: takes SERVICE/USER")
    try:
        value = keyring.get_password(service, user)
    except KeyringError as error:
        raise StorageError(f"the keyring does not answer: {error}", path=f"keyring:{entry}") from error
    return None if value is None else SecretValue(value.encode())


_READERS: Final[dict[str, Callable[[str], SecretValue | None]]] = {
    "file": _file,
    "fd": _descriptor,
    "env": _environment,
    "keyring": _keyring,
}
