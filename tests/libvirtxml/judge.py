"""A libvirt driver asked for its opinion: it defines a domain with some disks and prints them again."""

import re
from typing import Any, NamedTuple

import libvirt

from diskchain.errors import XmlError
from diskchain.libvirtxml.codec import format_disk
from diskchain.libvirtxml.documents.domain import parse_domain, post_parse_domain
from diskchain.libvirtxml.postparse import Profile
from diskchain.libvirtxml.view import View

_DOMAIN = """\
<domain type='{type}'>
  <name>diskchain-agreement</name>
  <memory unit='MiB'>64</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <iothreads>4</iothreads>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
{disks}  </devices>
</domain>
"""
_DISK = re.compile(r"^    <disk .*?^    </disk>\n", re.MULTILINE | re.DOTALL)


class Verdict(NamedTuple):
    """libvirt's text and ours; or libvirt's complaint, and ours if we have one."""

    theirs: str
    ours: str
    refusal: str | None = None
    our_refusal: str | None = None


class Judge(NamedTuple):
    """A libvirt connection, the type of domain it takes, and the profile that fits it."""

    connection: Any
    type: str
    profile: Profile

    def hear(self, disks: str) -> Verdict:
        text = _DOMAIN.format(type=self.type, disks=disks)
        ours, our_refusal = "", None
        try:
            parsed = post_parse_domain(parse_domain(text, view=View.INACTIVE), self.profile)
            ours = "".join(
                format_disk(disk, view=View.INACTIVE, secure=True, indent=4, foreign=False) for disk in parsed.disks
            )
        except XmlError as error:
            our_refusal = str(error)
        try:
            domain = self.connection.defineXML(text)
        except libvirt.libvirtError as error:
            return Verdict("", ours, str(error), our_refusal)
        try:
            told = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
        finally:
            domain.undefine()
        return Verdict("".join(_DISK.findall(told)), ours, None, our_refusal)


def open_judge(uri: str, type: str, profile: Profile) -> Judge:
    """A judge of its own connection."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    return Judge(libvirt.open(uri), type, profile)
