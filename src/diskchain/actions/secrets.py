"""Which layer of a target needs which key, whether it is to be had here, and whether it opens the layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from diskchain.actions.blockdev import pick
from diskchain.actions.chains import Examined
from diskchain.actions.keys import KeyPlaces, open_keys, pass_over
from diskchain.actions.numbering import NumberedChain
from diskchain.actions.try_key import NO, UNSURE, could_not_tell, try_key, try_login
from diskchain.discover.chain import BackingChain, Layer
from diskchain.errors import DiskchainError, PeerError, StorageError
from diskchain.findings import Finding, Verdict, verdict
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.luks.header import LUKS2_KEY_SLOTS
from diskchain.readers.local import open_local
from diskchain.secrets.keys import Found, Keys, describe
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import local_path
from diskchain.storage.source import layers
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE

_NOT_TRIED: Final = "-"
_FROM_DOCUMENT: Final = {
    EncryptionFormat.DEFAULT: "legacy aes",
    EncryptionFormat.QCOW: "legacy aes",
    EncryptionFormat.LUKS: "luks",
}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One layer's key, in words. ``slots``: used of all; ``found``: where the key is, or ``no``."""

    layer: str
    kind: str
    cipher: str
    slots: str
    secret: str
    found: str
    opens: str


@dataclass(frozen=True, slots=True)
class NeededKeys:
    """The keys that the layers of a target need. ``findings``: about the chains themselves."""

    rows: tuple[KeyRow, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether every key is there and right, one is missing or wrong, or something could not be told."""
        if any(NO in (row.found, row.opens) for row in self.rows):
            return Verdict.FINDINGS
        unsure = any(UNSURE in cell for row in self.rows for cell in (row.found, row.opens))
        if unsure or verdict(self.findings) is Verdict.COULD_NOT_TELL:
            return Verdict.COULD_NOT_TELL
        return Verdict.CLEAN  # what else is wrong with a chain is for other verbs to say


def needed_keys(
    target: Examined,
    places: KeyPlaces,
    wanted: Sequence[str] = (),
    *,
    attempt: bool = False,
    seconds: float = DEFAULT_DEADLINE,
) -> NeededKeys:
    """The keys of the disks and layers that ``wanted`` names. ``attempt``: open each layer with its key, by itself and read-only.

    Raises UsageError for a rule that fits no layer, LayerNotFound, PeerError.
    """
    picked = pick(target, wanted, seconds)
    rows: list[KeyRow] = []
    certificates = places.tls_directory if attempt else None
    with open_keys(places) as keys:
        for numbered, chain in zip(picked.chains, picked.whole, strict=True):
            rows += _rows(numbered, chain, keys, certificates)
        pass_over(picked.others, keys)
        keys.check_fit()
    return NeededKeys(tuple(rows), picked.findings)


def _rows(numbered: NumberedChain, chain: BackingChain, keys: Keys, certificates: str | None) -> list[KeyRow]:
    """``certificates``: their directory, for what is tried; None: nothing is."""
    rows: list[KeyRow] = []
    for layer, source, names in zip(chain.layers, layers(numbered.source), numbered.names, strict=True):
        if source.auth is not None:
            kind = f"login to {getattr(source.location, 'protocol', source.location.type)}"
            found, where = _find(keys, names, source.auth.secret)
            opens = _NOT_TRIED
            if certificates is not None and found is not None:
                opens = try_login(source, source.auth.username, found, certificates)
            rows.append(KeyRow(names[0], kind, "", "", describe(source.auth.secret), where, opens))
            _wipe(found)
        if source.encryption is not None:
            rows.append(_of_encryption(layer, source.encryption, names, keys, certificates))
    return rows


def _of_encryption(
    layer: Layer, declared: Encryption, names: tuple[str, ...], keys: Keys, certificates: str | None
) -> KeyRow:
    reference = declared.secrets[0] if declared.secrets else None
    found, where = _find(keys, names, reference)
    try:
        opens = _NOT_TRIED
        if certificates is not None and found is not None:
            opens = try_key(layer, names, found, certificates)
        return KeyRow(names[0], *_described(layer, declared), _secret(reference), where, opens)
    finally:
        _wipe(found)


def _described(layer: Layer, declared: Encryption) -> tuple[str, str, str]:
    """Kind, cipher and key slots: the header's word, or the document's where nobody could look."""
    seen = None if layer.header is None else _whole_header(layer, layer.header).encryption
    if seen is None:
        return _FROM_DOCUMENT.get(declared.format, str(declared.format)), "?", "?"
    if seen.kind == "aes":
        return "legacy aes", "aes-cbc", ""
    inside = "qcow2-" if layer.source.format is Format.QCOW2 else ""
    kind = inside + ("luks" if seen.kind == "luks1" else seen.kind)
    if seen.slots is None:
        return kind, seen.cipher or "?", "?"
    every = LUKS2_KEY_SLOTS if seen.kind == "luks2" else len(seen.slots)  # LUKS2 lists those in use
    used = f"{sum(slot.active for slot in seen.slots)} of {every}"
    return kind, seen.cipher or "?", used


def _whole_header(layer: Layer, header: ImageHeader) -> ImageHeader:
    """The header with its key slots, which discovery does not read; without them where they cannot be read."""
    path = local_path(layer.source.location)
    if path is None:
        return header
    try:
        with open_local(path) as image:
            return inspect(image.window(), header.format, full=True)
    except DiskchainError:
        return header


def _secret(reference: SecretReference | None) -> str:
    return "none named" if reference is None else describe(reference)


def _find(keys: Keys, names: tuple[str, ...], reference: SecretReference | None) -> tuple[Found | None, str]:
    """The key, and where it is in words."""
    keys.want(names, reference)
    try:
        found = keys.find(names, reference)
    except (PeerError, StorageError) as error:
        return None, could_not_tell(error)
    return found, NO if found is None else found.place


def _wipe(found: Found | None) -> None:
    if found is not None:
        found.value.wipe()
