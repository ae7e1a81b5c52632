"""``<auth>`` and ``<encryption>``. Source: libvirt 11.3.0 (``virStorageAuthDefParse``, ``virStorageEncryptionParseNode``)."""

from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import one_of, read_number, uuid
from diskchain.libvirtxml.markup.unknown import NOTHING, attributes, children, numbered
from diskchain.libvirtxml.vocabulary import AUTH_TYPES, ENCRYPTION_ENGINES, ENCRYPTION_FORMATS
from diskchain.storage.auth import Auth, SecretReference
from diskchain.storage.encryption import Cipher, Encryption, EncryptionFormat, InitVector
from diskchain.storage.foreign import Foreign

_AUTH = frozenset({"username", "type"})
_SECRET = frozenset({"type", "uuid", "usage"})
_ENCRYPTION = frozenset({"format", "engine"})
_CIPHER = frozenset({"name", "size", "mode", "hash"})
_IVGEN = frozenset({"name", "hash"})
_SECRET_CHILD = frozenset({"secret"})
_ENCRYPTION_CHILDREN = frozenset({"secret", "cipher", "ivgen"})

_auth_type = one_of(AUTH_TYPES)
_format = one_of(ENCRYPTION_FORMATS)
_engine = one_of(ENCRYPTION_ENGINES)


def read_auth(element: Element, place: str, found: list[Foreign]) -> Auth:
    """A user name and its secret."""
    names = attributes(element, _AUTH, place, found)
    if not names.get("username"):
        refuse(element, "<auth> has no username")
    type = names.get("type")
    secrets = children(element, _SECRET_CHILD, place, found).get("secret")
    if not secrets:
        refuse(element, "<auth> has no <secret>")
    return Auth(
        names["username"],
        _read_secret(secrets[0], f"{place}/secret", found),
        _auth_type(element, "the type of <auth>", type) if type else None,
    )


def _read_secret(element: Element, place: str, found: list[Foreign]) -> SecretReference:
    names = attributes(element, _SECRET, place, found)
    children(element, NOTHING, place, found)
    id, usage = names.get("uuid"), names.get("usage")
    if (id is None) is (usage is None):
        refuse(element, "<secret> needs a uuid or a usage, and not both")
    return SecretReference(names.get("type"), None if id is None else uuid(element, "the uuid of <secret>", id), usage)


def read_encryption(element: Element, place: str, found: list[Foreign]) -> Encryption:
    """A format, the secrets for it, and with LUKS how a new volume would be made."""
    names = attributes(element, _ENCRYPTION, place, found)
    format = _format(element, "the format of <encryption>", names.get("format", ""))
    engine = names.get("engine")
    parts = children(element, _ENCRYPTION_CHILDREN, place, found)
    secrets = tuple(
        _read_passphrase(secret, numbered(f"{place}/secret", n), found)
        for n, secret in enumerate(parts.get("secret", ()))
    )
    cipher, ivgen = None, None
    if format is EncryptionFormat.LUKS:
        if "cipher" in parts:
            cipher = _read_cipher(parts["cipher"][0], f"{place}/cipher", found)
        if "ivgen" in parts:
            if cipher is None:
                refuse(parts["ivgen"][0], "<ivgen> needs a <cipher>")
            ivgen = _read_ivgen(parts["ivgen"][0], f"{place}/ivgen", found)
    return Encryption(
        format,
        secrets,
        None if engine is None else _engine(element, "the engine of <encryption>", engine),
        cipher,
        ivgen,
    )


def _read_passphrase(element: Element, place: str, found: list[Foreign]) -> SecretReference:
    if element.get("type") != "passphrase":
        refuse(element, "the type of an encryption's <secret>", ("passphrase",))
    return _read_secret(element, place, found)


def _read_cipher(element: Element, place: str, found: list[Foreign]) -> Cipher:
    names = attributes(element, _CIPHER, place, found)
    if "name" not in names or "size" not in names:
        refuse(element, "<cipher> needs a name and a size")
    size = read_number(element, "the size of <cipher>", names["size"])
    return Cipher(names["name"], size, names.get("mode"), names.get("hash"))


def _read_ivgen(element: Element, place: str, found: list[Foreign]) -> InitVector:
    names = attributes(element, _IVGEN, place, found)
    if "name" not in names:
        refuse(element, "<ivgen> needs a name")
    return InitVector(names["name"], names.get("hash"))
