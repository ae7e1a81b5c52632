"""What the model does not know survives in its place."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.disk_strategies import disks
from tests.values import same

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.codec import format_disk, format_source, parse_disk, parse_source
from diskchain.libvirtxml.view import View
from diskchain.storage.foreign import Foreign
from diskchain.storage.terms import StorageType

_STRANGE = """\
<disk type='network' device='disk' xmlns:q='urn:q' q:z='1' q:y='2' new='3'>
  <future a='1'/>
  <driver name='qemu' type='qcow2' cache='none' frob='on'>
    <metadata_cache>
      <max_size unit='bytes'>4096</max_size>
      <policy>lru</policy>
    </metadata_cache>
    <statistics><statistic interval='5'/></statistics>
  </driver>
  <source protocol='rbd' name='p/i' index='3' zone='eu'>
    <host name='a' weight='2'/>
    <host name='b' weight='3'/>
    <snapshot name='s'/>
    <odd deep='1'><er>text &amp; more</er></odd>
    <dataStore type='file'>
      <format type='raw'/>
      <source file='/d' zip='1'/>
    </dataStore>
  </source>
  <backingStore type='file' index='4' lazy='yes'>
    <format type='qcow2' level='9'/>
    <source file='/b'/>
    <backingStore type='file' lazy='no'>
      <format type='raw'/>
      <source file='/c'>
        <stripe><x/></stripe>
      </source>
      <backingStore/>
    </backingStore>
  </backingStore>
  <geometry shape='round'/>
  <target dev='vda' bus='virtio' dpofua='on'/>
  <alias name='virtio-disk0'/>
</disk>
"""


def test_strangers_come_back_where_they_stood() -> None:
    text = format_disk(parse_disk(_STRANGE), view=View.LIVE)
    assert _quotes(text) == _quotes(_STRANGE)


def test_strangers_are_values_of_the_layer_they_belong_to() -> None:
    disk = parse_disk(_STRANGE)
    assert Foreign("target", None, "dpofua='on'") in disk.foreign
    assert Foreign("driver/metadata_cache", "max_size", "<policy>lru</policy>") in disk.foreign
    assert Foreign("source/host[2]", None, "weight='3'") in disk.source.foreign
    below: Any = disk.source.backing
    assert below.foreign == (Foreign("", None, "lazy='yes'"), Foreign("format", None, "level='9'"))


def test_strangers_can_be_left_out_as_libvirt_does() -> None:
    text = format_disk(parse_disk(_STRANGE), view=View.LIVE, foreign=False)
    for word in ("future", "frob", "weight", "odd", "zip", "lazy", "level", "stripe", "shape", "dpofua", "xmlns"):
        assert word not in text


def test_an_element_nobody_declared_a_prefix_for_survives() -> None:
    text = "<disk qemu:a='1'><target dev='vda' bus='virtio'/><qemu:b c='2'/></disk>"
    disk = parse_disk(text)
    assert [stranger.text for stranger in disk.foreign] == ['<qemu:b c="2"/>', "qemu:a='1'"]
    assert same(parse_disk(format_disk(disk)), disk)


def test_what_libvirt_knows_and_has_no_use_for_is_no_stranger() -> None:
    text = "<disk type='file'><source file='/a' dev='/b' name='c'><host name='x'/></source><target dev='vda' bus='virtio'/></disk>"
    disk = parse_disk(text)
    assert not disk.foreign
    assert not disk.source.foreign


def test_what_libvirt_prints_for_any_protocol_survives_where_the_model_has_no_place_for_it() -> None:
    text = "<source protocol='rbd' name='p/i' tlsHostname='h'><initiator><iqn name='i'/></initiator></source>"
    source = parse_source(text, type=StorageType.NETWORK)
    written = format_source(source)
    assert "tlsHostname='h'" in written
    assert "<iqn name=" in written
    assert same(parse_source(written, type=StorageType.NETWORK), source)


_PLACES = ["", "driver", "target", "geometry", "iotune", "source", "alias"]


@settings(max_examples=100, deadline=None)
@given(disks(), st.lists(st.sampled_from(_PLACES), max_size=4), st.sampled_from(["", "driver", "target", "serial"]))
def test_writing_strangers_again_changes_nothing(disk: Disk, places: list[str], after: str) -> None:
    strangers = [Foreign(place, None, f"stranger{n}='1'") for n, place in enumerate(places)]
    disk = replace(disk, foreign=(*strangers, Foreign("", after, "<stranger/>"), Foreign("", after, "<second/>")))
    once = format_disk(disk)
    again = parse_disk(once)
    assert format_disk(again) == once
    assert once.index("<stranger/>") < once.index("<second/>")


@pytest.mark.parametrize("view", list(View))
def test_what_is_left_out_of_a_view_takes_its_strangers_along(view: View) -> None:
    text = (
        "<disk type='file'><source file='/a'/><mirror type='file' job='copy'><format type='raw'/>"
        "<source file='/m' odd='1'/></mirror><target dev='vda' bus='virtio'/></disk>"
    )
    assert ("odd='1'" in format_disk(parse_disk(text), view=view)) is view.running


def _quotes(text: str) -> str:
    return text.replace('"', "'")
