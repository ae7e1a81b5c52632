"""Many targets are written one by one, and the text is that of the whole document."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.findings import KINDS, Finding, finding
from diskchain.schema import check, check_document, to_json
from diskchain.schema.check import check_json, target_document

TEXT = st.text(st.characters(codec=None), max_size=12)
FINDINGS = st.builds(
    finding,
    st.sampled_from(sorted(KINDS)),
    TEXT,
    file=st.none() | TEXT,
    fix=st.none() | TEXT,
    line=st.none() | st.integers(1, 9),
    allowed=st.lists(TEXT, max_size=2).map(tuple),
)


@pytest.fixture(params=[1, 2, 256], scope="module")
def at_once(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "_AT_ONCE", request.param)
        yield


@pytest.mark.usefixtures("at_once")
@given(st.dictionaries(TEXT, st.lists(FINDINGS, max_size=3), max_size=4))
def test_it_is_the_text_of_the_document(found: dict[str, list[Finding]]) -> None:
    pairs = [(name, each) for name, findings in found.items() for each in findings]
    assert check_json(target_document(*each) for each in found.items()) == to_json(check_document(list(found), pairs))
    assert check_json(target_document(*each) for each in found.items()).isascii()
