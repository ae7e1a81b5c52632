"""``<source protocol=…>``. Source: libvirt 11.3.0 (``virDomainDiskSourceFormatNetwork``)."""

from diskchain.libvirtxml.format.style import Style
from diskchain.libvirtxml.markup.writer import attribute, element, escape, escape_text, yes_no
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import HttpOptions, IscsiOptions, NbdOptions, NfsOptions, SshOptions
from diskchain.storage.terms import Protocol, Transport


def network_parts(pad: str, location: NetworkLocation, style: Style) -> tuple[str, str]:
    """The attributes of the ``<source>``, and the lines inside it."""
    options = location.options
    http = options if isinstance(options, HttpOptions) else HttpOptions()
    nbd = options if isinstance(options, NbdOptions) else NbdOptions()
    # libvirt reads nothing without a name, but for nbd; what it writes of an empty one it cannot read again.
    name = location.name or (None if location.protocol is Protocol.NBD else "")
    hidden = style.migratable and location.tls_from_config
    attributes = (
        f" protocol='{location.protocol}'{attribute('name', name)}{attribute('query', http.query)}"
        f"{'' if hidden else attribute('tls', yes_no(location.tls))}{attribute('tlsHostname', nbd.tls_hostname)}"
    )
    if style.status:
        attributes += f" tlsFromConfig='{int(location.tls_from_config)}'"
    lines = [host_element(pad, host) for host in location.hosts]
    if isinstance(options, NfsOptions):
        lines.append(element(pad, "identity", attribute("user", options.user) + attribute("group", options.group)))
    if nbd.reconnect_delay:
        lines.append(f"{pad}<reconnect delay='{nbd.reconnect_delay}'/>\n")
    lines.append(element(pad, "snapshot", attribute("name", location.snapshot)))
    lines.append(element(pad, "config", attribute("file", location.config_file)))
    if isinstance(options, IscsiOptions):
        iqn = element(pad + "  ", "iqn", attribute("name", options.initiator))
        lines.append(element(pad, "initiator", "", iqn))
    lines.append(_http(pad, http, style))
    if isinstance(options, SshOptions):
        lines.append(_ssh(pad, options))
    return attributes, "".join(lines)


def host_element(pad: str, host: NetworkHost) -> str:
    """One server. TCP goes without saying."""
    transport = None if host.transport is Transport.TCP else host.transport
    return (
        f"{pad}<host{attribute('name', host.name)}{attribute('port', host.port or None)}"
        f"{attribute('transport', transport)}{attribute('socket', host.socket)}/>\n"
    )


def _http(pad: str, options: HttpOptions, style: Style) -> str:
    lines = [element(pad, "ssl", attribute("verify", yes_no(options.ssl_verify)))]
    if style.secure:
        cookies = (
            f"{pad}  <cookie name='{escape(cookie.name)}'>{escape_text(cookie.value)}</cookie>\n"
            for cookie in options.cookies
        )
        lines.append(element(pad, "cookies", "", "".join(cookies)))
    lines.append(element(pad, "readahead", attribute("size", options.readahead or None)))
    lines.append(element(pad, "timeout", attribute("seconds", options.timeout or None)))
    return "".join(lines)


def _ssh(pad: str, options: SshOptions) -> str:
    known_hosts = element(pad, "knownHosts", attribute("path", options.known_hosts))
    if not options.keyfile and not options.agentsock:  # libvirt's XML has no place for a name alone
        return known_hosts
    return known_hosts + element(
        pad,
        "identity",
        attribute("username", options.username)
        + attribute("keyfile", options.keyfile)
        + attribute("agentsock", options.agentsock),
    )
