"""What an emission is made of: objects, secrets to be filled in, and nodes, in the order QEMU must see them. Pure values.

A secret is named, never held: its value joins when it goes over QMP.
"""

from dataclasses import dataclass
from typing import Any, Literal

from diskchain.storage.auth import SecretReference
from diskchain.storage.protocol_options import Cookie

Purpose = Literal["encryption", "auth", "cookie", "tls"]


@dataclass(frozen=True, slots=True)
class SecretItem:
    """A secret QEMU needs before the node that comes after it.

    ``id``: QEMU's name of the object. ``layer`` counts from the top, 0 being the top. ``reference``: the libvirt secret; None
    when nobody named one. ``cookies``: what a cookie secret is made of.
    """

    id: str
    purpose: Purpose
    layer: int
    reference: SecretReference | None = None
    cookies: tuple[Cookie, ...] = ()
    type: Literal["secret"] = "secret"


@dataclass(frozen=True, slots=True)
class ObjectItem:
    """Another object: TLS credentials, a reservation helper. ``properties`` as ``object-add`` takes them."""

    properties: dict[str, Any]
    layer: int
    type: Literal["object"] = "object"


@dataclass(frozen=True, slots=True)
class NodeItem:
    """A node. ``properties`` as ``blockdev-add`` takes them. ``effective``: the topmost of its layer.

    QEMU takes a URL with its query, which may sign it: the repr hides that.
    """

    properties: dict[str, Any]
    layer: int
    effective: bool = False
    type: Literal["node"] = "node"

    def __repr__(self) -> str:
        from diskchain.storage.reference import redacted

        url = self.properties.get("url")
        shown = self.properties if url is None else {**self.properties, "url": redacted(str(url))}
        return f"NodeItem(properties={shown!r}, layer={self.layer}, effective={self.effective})"


Item = SecretItem | ObjectItem | NodeItem


@dataclass(frozen=True, slots=True)
class Emission:
    """All of one disk, bottom up. ``top`` is the node the guest's device gets; ``layers`` the effective node of each, top first."""

    items: tuple[Item, ...]
    top: str
    layers: tuple[str, ...]

    def nodes(self) -> list[dict[str, Any]]:
        """The ``-blockdev`` list alone."""
        return [item.properties for item in self.items if isinstance(item, NodeItem)]
