"""``<auth>``, ``<encryption>`` and ``<seclabel>``.

Source: libvirt 11.3.0 (``virStorageAuthDefFormat``, ``virStorageEncryptionFormat``, ``virSecurityDeviceLabelDefFormat``).
"""

from dataclasses import replace

from diskchain.libvirtxml.format.style import Style
from diskchain.libvirtxml.markup.writer import attribute, leaf
from diskchain.storage.auth import Auth, AuthType, SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.seclabel import SecLabel


def auth_element(pad: str, auth: Auth) -> str:
    """A user name and its secret."""
    type = None if auth.type is AuthType.NONE else auth.type
    return (
        f"{pad}<auth{attribute('type', type)}{attribute('username', auth.username)}>\n"
        f"{_secret(pad + '  ', auth.secret)}{pad}</auth>\n"
    )


def _secret(pad: str, secret: SecretReference) -> str:
    return (
        f"{pad}<secret{attribute('type', secret.usage_type)}{attribute('uuid', secret.uuid)}"
        f"{attribute('usage', secret.usage)}/>\n"
    )


def encryption_element(pad: str, encryption: Encryption) -> str:
    """Format, engine, secrets; the cipher for LUKS only."""
    inner = pad + "  "
    lines = [f"{pad}<encryption{attribute('format', encryption.format)}{attribute('engine', encryption.engine)}>\n"]
    lines += [_secret(inner, replace(secret, usage_type="passphrase")) for secret in encryption.secrets]
    cipher, ivgen = encryption.cipher, encryption.ivgen
    if cipher is not None and encryption.format is EncryptionFormat.LUKS:
        lines.append(
            f"{inner}<cipher{attribute('name', cipher.name)} size='{cipher.size}'{attribute('mode', cipher.mode)}"
            f"{attribute('hash', cipher.hash)}/>\n"
        )
        if ivgen is not None:
            lines.append(f"{inner}<ivgen{attribute('name', ivgen.name)}{attribute('hash', ivgen.hash)}/>\n")
    lines.append(f"{pad}</encryption>\n")
    return "".join(lines)


def seclabel_element(pad: str, label: SecLabel, style: Style) -> str:
    """A label's override. A configuration leaves out one that says nothing."""
    relabel = label.relabel is not False
    if style.inactive and label.label is None and relabel:
        return ""
    skip = label.labelskip and not style.inactive
    said = " labelskip='yes'" if skip else " relabel='yes'" if relabel else " relabel='no'"
    start = f"{pad}<seclabel{attribute('model', label.model)}{said}"
    if label.label is None:
        return f"{start}/>\n"
    return f"{start}>\n{leaf(pad + '  ', 'label', label.label)}{pad}</seclabel>\n"
