"""Who is at the other end of the Unix sockets that this process has open. Source: unix(7), ``SO_PEERCRED``."""

import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_UCRED: Final = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that listens at ``path``, as it was when it began to. ``pid`` is 0 when it is in a namespace we do not see."""

    path: str
    pid: int
    uid: int
    gid: int


def unix_peers() -> dict[int, Peer]:
    """The servers behind our connected Unix sockets that have a path, by descriptor."""
    found: dict[int, Peer] = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError, ValueError):
            peer = _peer(int(name))
            if peer is not None:
                found[int(name)] = peer
    return found


def _peer(descriptor: int) -> Peer | None:
    if not os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:"):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as ours:
        if ours.family is not socket.AF_UNIX:
            return None
        path = ours.getpeername()
        if not isinstance(path, str) or not path:
            return None
        return Peer(path, *_UCRED.unpack(ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))
