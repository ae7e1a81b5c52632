"""Whether the libvirt of a domain has the secrets that its disks name, in all their layers: without one the domain does not start.

Asks libvirt through ``hypervisor.secret_state``. The commands it gives were tried: they define a secret with the UUID that the document
names, or with one that follows from its usage, and ask for the value on the terminal.
"""

import uuid
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from diskchain.actions.examined import DiskChain
from diskchain.checks.annotate import annotated
from diskchain.errors import PeerError, printable
from diskchain.findings import Finding, finding
from diskchain.hypervisor.connection import Connection
from diskchain.hypervisor.secret_state import SecretState, SecretStates
from diskchain.secrets.keys import describe
from diskchain.storage.auth import SecretReference
from diskchain.storage.location import describe_location
from diskchain.storage.reference import redacted
from diskchain.storage.source import Source, layers
from diskchain.system.shell_words import shell_word

#: The element of ``<usage>`` that holds the name, by its type.
_ELEMENTS: Final = {"volume": "volume", "ceph": "name", "iscsi": "target"}
_IDS: Final = frozenset(("secret-missing", "secret-without-value", "secret-type", "secret-unknown"))
_NAMED: Final = uuid.uuid5(uuid.NAMESPACE_URL, "libvirt:secret:usage")


def with_secrets(uri: str, disks: tuple[DiskChain, ...]) -> tuple[DiskChain, ...]:
    """``disks`` of a domain of the connection ``uri``, with what is wrong with the secrets of each layer. Raises MissingExtra, PeerError."""
    if not any(_references(source) for disk in disks for source in layers(disk.whole.source)):
        return disks
    with Connection(uri) as connection:
        daemon = connection.daemon()
        is_here = connection.host is None and daemon.pid is not None and daemon.uid == 0
    with SecretStates(uri, daemon.root if is_here else None) as states:
        return tuple(disk._replace(whole=annotated(disk.whole, _of_chain(disk, states))) for disk in disks)


def cures(uri: str, disks: tuple[DiskChain, ...], lacking: frozenset[str]) -> list[Finding]:
    """What libvirt at ``uri`` lacks for the layers called ``lacking``, each with a command if there is one. Raises MissingExtra, PeerError."""
    found = [each for disk in with_secrets(uri, disks) for each in disk.findings()]
    return [each for each in found if each.id in _IDS and each.layer in lacking]


def _of_chain(disk: DiskChain, states: SecretStates) -> Iterator[tuple[int, Finding]]:
    for position, source in enumerate(layers(disk.whole.source)):
        for reference, usage_type, what in _references(source):
            found = _judged(source, reference, usage_type, what, states)
            if found is not None:
                yield position, found


def _references(source: Source) -> list[tuple[SecretReference, str, str]]:
    """The secrets that a layer needs: each with the type that libvirt wants it to have, and what it is for."""
    found = []
    if source.encryption is not None:
        found += [(secret, "volume", "its key") for secret in source.encryption.secrets]
    if source.auth is not None:
        usage_type = "ceph" if getattr(source.location, "protocol", None) == "rbd" else "iscsi"
        found.append((source.auth.secret, usage_type, f"the log-in of {printable(source.auth.username)}"))
    return found


def _judged(
    source: Source, reference: SecretReference, usage_type: str, what: str, states: SecretStates
) -> Finding | None:
    name = describe_location(source.location)
    secret = f"the secret {printable(describe(reference))}"
    about = f"{printable(name)}: {secret}, for {what},"
    try:
        state = states.state(reference, usage_type)
    except PeerError as error:
        return finding("secret-unknown", f"{about} could not be asked for: {error}", file=name)
    uri = redacted(states.uri)
    match state:
        case SecretState.MISSING:
            message = f"{about} is not defined in {printable(uri)}: the domain does not start"
            return finding("secret-missing", message, file=name, fix=_define(uri, reference, usage_type, name))
        case SecretState.OTHER_TYPE:
            message = f"{about} is of another type than {usage_type}: the domain does not start"
            return finding("secret-type", message, file=name)
        case SecretState.NO_VALUE:
            message = f"{about} has no value: the domain does not start"
            return finding("secret-without-value", message, file=name, fix=_set_value(uri, reference))
        case SecretState.UNKNOWN:
            message = f"{about} is defined, and libvirt does not tell whether it has a value"
            return finding("secret-unknown", message, file=name)
        case _:
            return None


def _define(uri: str, reference: SecretReference, usage_type: str, layer: str) -> str:
    """The command that defines the secret, persistent and private, and then asks for its value."""
    id, usage = reference.uuid, reference.usage or layer
    if id is None:
        id = str(uuid.uuid5(_NAMED, f"{usage_type}:{usage}"))
    element = _ELEMENTS[usage_type]
    xml = (
        f"<secret ephemeral='no' private='yes'><uuid>{id}</uuid>"
        f"<usage type='{usage_type}'><{element}>{escape(usage)}</{element}></usage></secret>"
    )
    virsh = f"virsh -c {shell_word(uri)}"
    set_value = f"{virsh} secret-set-value {id} --interactive"
    return f"printf %s {shell_word(xml)} | {virsh} secret-define /dev/stdin && {set_value}"


def _set_value(uri: str, reference: SecretReference) -> str | None:
    """The command that asks for the value on the terminal; None where the document names no UUID."""
    if reference.uuid is None:
        return None
    return f"virsh -c {shell_word(uri)} secret-set-value {reference.uuid} --interactive"
