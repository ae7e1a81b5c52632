"""Lines are as wide as they may be, and nothing of the words is lost."""

from hypothesis import given
from hypothesis import strategies as st

from diskchain.report.wrapping import wrapped

_WORDS = st.lists(st.text(st.characters(codec="ascii", exclude_characters=" "), min_size=1, max_size=60), min_size=1)


@given(_WORDS, st.sampled_from([40, 80, 160, 250]))
def test_no_line_is_wider_and_no_character_is_lost(words: list[str], width: int) -> None:
    lines = list(wrapped(words, width))
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split(" ")) == "".join(words)


@given(_WORDS)
def test_without_a_width_there_is_one_line(words: list[str]) -> None:
    assert list(wrapped(words, None)) == [" ".join(words)]


def test_a_long_path_is_cut_behind_a_slash() -> None:
    assert list(wrapped(["see", "/var/lib/libvirt/images/production/vm.qcow2"], 30)) == [
        "see",
        "  /var/lib/libvirt/images/",
        "  production/vm.qcow2",
    ]
