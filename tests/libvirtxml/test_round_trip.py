"""What is written reads back as the same value, and writing that gives the same text."""

from collections.abc import Callable
from inspect import signature

import pytest
from hypothesis import HealthCheck, given, settings
from tests.disk_strategies import disks
from tests.strategies import sources
from tests.values import same

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.codec import (
    format_backing_store,
    format_disk,
    format_source,
    parse_backing_store,
    parse_disk,
    parse_source,
)
from diskchain.libvirtxml.documents.backup import format_backup, parse_backup
from diskchain.libvirtxml.documents.domain import format_domain, parse_domain
from diskchain.libvirtxml.documents.snapshot import format_snapshot, parse_snapshot
from diskchain.libvirtxml.view import View
from diskchain.storage.source import UNKNOWN, Source

_MANY = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _check(disk: Disk, view: View) -> None:
    text = format_disk(disk, view=view, secure=True)
    again = parse_disk(text, view=view)
    assert same(again, disk)
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
    text = format_source(source, view=View.INACTIVE, secure=True)
    if text:
        bare = source._replace(format=None, backing=UNKNOWN, metadata_cache=None, readonly=False, shared=False)
        if bare.data_file is not None:
            bare = bare._replace(data_file=bare.data_file._replace(readonly=False))
        assert same(parse_source(text, type=source.location.type), bare)


@_MANY
@given(sources(top=False))
def test_a_chain_alone_reads_back_as_it_was(source: Source) -> None:
    text = format_backing_store(source, view=View.INACTIVE, secure=True)
    assert same(parse_backing_store(text), source)


@pytest.mark.parametrize("depth", [1, 2, 50, 200])
def test_a_chain_reads_back_however_deep(depth: int) -> None:
    text = "<backingStore/>"
    for number in range(depth):
        text = (
            f"<backingStore type='file' index='{number + 1}'><format type='qcow2'/><source file='/{number}'/>"
            f"{text}</backingStore>"
        )
    chain = parse_backing_store(text)
    assert same(parse_backing_store(format_backing_store(chain, view=View.LIVE)), chain)


@_MANY
@given(disks(live=True))
def test_without_a_word_about_views_what_is_read_is_written(disk: Disk) -> None:
    text = format_disk(disk, secure=True)
    assert same(parse_disk(text), disk)
    assert format_disk(parse_disk(text), secure=True) == text


@pytest.mark.parametrize(
    ("parse", "format"),
    [
        (parse_disk, format_disk),
        (parse_source, format_source),
        (parse_backing_store, format_backing_store),
        (parse_domain, format_domain),
        (parse_snapshot, format_snapshot),
        (parse_backup, format_backup),
    ],
)
def test_reading_and_writing_have_one_default_view(parse: Callable[..., object], format: Callable[..., str]) -> None:
    assert signature(parse).parameters["view"].default is signature(format).parameters["view"].default
