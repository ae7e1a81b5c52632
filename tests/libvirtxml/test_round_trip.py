"""What is written reads back as the same value, and writing that gives the same text."""

import pytest
from hypothesis import HealthCheck, given, settings
from tests.disk_strategies import disks
from tests.strategies import sources

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.codec import (
    format_backing_store,
    format_disk,
    format_source,
    parse_backing_store,
    parse_disk,
    parse_source,
)
from diskchain.libvirtxml.view import View
from diskchain.storage.source import UNKNOWN, Source

_MANY = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _check(disk: Disk, view: View) -> None:
    text = format_disk(disk, view=view, secure=True)
    again = parse_disk(text, view=view)
    assert again == disk
    assert format_disk(again, view=view, secure=True) == text


@_MANY
@given(disks())
def test_a_configured_disk_reads_back_as_it_was(disk: Disk) -> None:
    _check(disk, View.INACTIVE)


@_MANY
@given(disks(live=True))
def test_a_running_disk_reads_back_as_it_was(disk: Disk) -> None:
    _check(disk, View.LIVE)


@_MANY
@given(disks(status=True))
def test_a_disk_in_a_status_document_reads_back_as_it_was(disk: Disk) -> None:
    _check(disk, View.STATUS)


@_MANY
@given(sources())
def test_a_source_alone_reads_back_without_its_format_and_chain(source: Source) -> None:
    text = format_source(source, secure=True)
    if text:
        bare = source._replace(format=None, backing=UNKNOWN, metadata_cache=None, readonly=False, shared=False)
        if bare.data_file is not None:
            bare = bare._replace(data_file=bare.data_file._replace(readonly=False))
        assert parse_source(text, type=source.location.type) == bare


@_MANY
@given(sources(top=False))
def test_a_chain_alone_reads_back_as_it_was(source: Source) -> None:
    assert parse_backing_store(format_backing_store(source, secure=True)) == source


@pytest.mark.parametrize("depth", [1, 2, 50, 200])
def test_a_chain_reads_back_however_deep(depth: int) -> None:
    text = "<backingStore/>"
    for number in range(depth):
        text = (
            f"<backingStore type='file' index='{number + 1}'><format type='qcow2'/><source file='/{number}'/>"
            f"{text}</backingStore>"
        )
    chain = parse_backing_store(text)
    assert parse_backing_store(format_backing_store(chain, view=View.LIVE)) == chain
