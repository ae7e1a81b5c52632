"""Which label libvirt gives each file. The table itself is measured against a real libvirtd in tests/live."""

from dataclasses import replace

import pytest

from diskchain.access.security.libvirt_labels import (
    CONTENT_CONTEXT,
    FILE_CONTEXT,
    DomainLabel,
    Why,
    at_job,
    at_start,
    dac_ids,
)
from diskchain.errors import UsageError
from diskchain.storage.location import DirLocation, FileLocation, NetworkLocation
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.source import TERMINATOR, Source, layers, stack
from diskchain.storage.terms import Protocol

DAC = DomainLabel("dac", "+64055:+107")
SELINUX = DomainLabel("selinux", "system_u:object_r:svirt_image_t:s0:c1,c2")


def chain(*layers_: Source) -> Source:
    below = [layer._replace(readonly=True) for layer in layers_[1:]]
    return stack([layers_[0], *below], TERMINATOR)


def image(
    name: str, *labels: SecLabel, readonly: bool = False, shared: bool = False, data_file: Source | None = None
) -> Source:
    return Source(FileLocation(f"/{name}"), seclabels=labels, readonly=readonly, shared=shared, data_file=data_file)


def labels(top: Source, domain: DomainLabel) -> list[str | None]:
    return [found.label for found in at_start(top, domain)]


def test_dac_gives_every_layer_to_the_domain_s_user() -> None:
    assert labels(chain(image("top"), image("a"), image("base")), DAC) == ["+64055:+107"] * 3


@pytest.mark.parametrize(
    ("readonly", "shared", "expected"),
    [
        (False, False, SELINUX.label),
        (True, False, CONTENT_CONTEXT),
        (False, True, FILE_CONTEXT),
        (True, True, FILE_CONTEXT),
    ],
)
def test_selinux_labels_the_top_by_its_flags_and_layers_below_as_content(
    readonly: bool,  # noqa: FBT001 - a table's column
    shared: bool,  # noqa: FBT001
    expected: str,
) -> None:
    top = image("top", readonly=readonly, shared=shared)
    assert labels(chain(top, image("base")), SELINUX) == [expected, CONTENT_CONTEXT]


def test_only_an_exclusive_writable_top_is_remembered_and_given_back() -> None:
    found = at_start(chain(image("top"), image("base")), DAC)
    assert [(one.remembered, one.given_back) for one in found] == [(True, True), (False, False)]
    for top_image in (image("top", readonly=True), image("top", shared=True)):
        (top,) = at_start(chain(top_image), DAC)
        assert (top.remembered, top.given_back) == (False, False)


def test_an_image_s_own_label_wins_over_the_top_s_and_the_domain_s() -> None:
    own = SecLabel("dac", "+1:+1", relabel=True)
    top = SecLabel("dac", "+2:+2", relabel=True)
    found = at_start(chain(image("top", top), image("a", own), image("base")), DAC)
    assert [(one.label, one.why) for one in found] == [("+2:+2", Why.OWN), ("+1:+1", Why.OWN), ("+2:+2", Why.TOP)]


def test_relabel_no_is_obeyed_where_it_is_said() -> None:
    no = SecLabel("dac", relabel=False)
    assert labels(chain(image("top", no), image("base")), DAC) == [None, None]
    assert labels(chain(image("top"), image("base", no)), DAC) == [DAC.label, None]
    assert labels(chain(image("top"), image("base")), replace(DAC, relabel=False)) == [None, None]
    assert labels(chain(image("top", SecLabel("selinux", relabel=False))), DAC) == [DAC.label]


def test_a_job_labels_a_layer_as_if_it_were_alone() -> None:
    top = image("top", SecLabel("dac", "+2:+2", relabel=True))
    base = list(layers(chain(top, image("base"))))[1]
    assert [one.label for one in at_job(base, 1, DAC, writable=True)] == [DAC.label]
    assert [one.label for one in at_job(base, 1, SELINUX, writable=True)] == [SELINUX.label]
    assert [one.label for one in at_job(base, 1, SELINUX, writable=False)] == [CONTENT_CONTEXT]
    assert not any(one.remembered or one.given_back for one in at_job(top, 0, DAC, writable=True))


def test_a_data_file_is_labelled_as_its_image() -> None:
    data = image("data")
    found = at_start(chain(image("top", data_file=data), image("base", data_file=data)), SELINUX)
    assert [one.label for one in found] == [SELINUX.label, SELINUX.label, CONTENT_CONTEXT, CONTENT_CONTEXT]


def test_network_and_directory_sources_are_not_labelled() -> None:
    for location in (NetworkLocation(Protocol.NBD), DirLocation("/d"), FileLocation(None)):
        (found,) = at_start(Source(location), DAC)
        assert (found.label, found.why) == (None, Why.NOT_A_FILE)


@pytest.mark.parametrize(
    ("label", "ids"), [("+64055:+107", (64055, 107)), ("0:0", (0, 0)), ("root:root", (0, 0)), (":+5", (None, 5))]
)
def test_dac_labels_name_a_user_and_a_group(label: str, ids: tuple[int | None, int | None]) -> None:
    assert dac_ids(label) == ids


@pytest.mark.parametrize("label", ["", ":", "no-such-user-here:root", "+4294967295:+1", "+99999999999:+1", "+1:+-1"])
def test_a_label_that_is_none_is_a_usage_error(label: str) -> None:
    with pytest.raises(UsageError):
        dac_ids(label)
