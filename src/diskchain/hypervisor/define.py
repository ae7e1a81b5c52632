"""Gives a domain another persistent definition, unless somebody has changed it meanwhile. Needs libvirt-python (extra ``libvirt``)."""

from diskchain.errors import MissingExtra, PeerError
from diskchain.storage.reference import redacted


def replace_definition(uri: str, name: str, old: bytes, new: bytes) -> str | None:
    """Have ``new`` be the definition of the domain ``name`` where it is ``old`` now. Returns why it is not, None when it is.

    Both are as a connection shows them, or as such a text was edited: white space between elements does not count, which libvirt writes in
    its own way. They are without passwords; a definition that holds some (of VNC) is left alone, as they would get lost.
    Raises PeerError, MissingExtra.
    """
    try:
        import libvirt
    except ImportError:
        raise MissingExtra("libvirt-python", "libvirt", "talking to libvirt") from None
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        connection = libvirt.open(uri)
        try:
            domain = connection.lookupByUUIDString(name) if _is_uuid(name) else connection.lookupByName(name)
            now = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE).encode()
            whole = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE).encode()
            if _same(now, new):
                return None
            if domain.isActive():
                return f"domain {name} runs now, so its definition was not changed"
            if not _same(now, old):
                return f"the definition of domain {name} was changed since the job was planned, so it was not written"
            if whole != now:
                return f"the definition of domain {name} holds passwords, so it was not written: virsh edit {name}"
            connection.defineXML(new.decode())
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise PeerError(f"{redacted(uri)}: {error}") from error
    return None


def _is_uuid(name: str) -> bool:
    from uuid import UUID

    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _same(one: bytes, other: bytes) -> bool:
    """Whether two texts of libvirt's are one document but for white space between elements."""
    from lxml import etree

    parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False)
    first, second = (etree.tostring(etree.fromstring(text, parser), method="c14n") for text in (one, other))
    return bool(first == second)
