"""qemu.conf as libvirt reads it: our reader against libvirt's own, on generated texts."""

import ctypes
import ctypes.util
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from diskchain.errors import ParseError
from diskchain.hypervisor.configuration_file import Value, parse_settings
from tests.live.peers import give_up

#: ``virConfType``
_LLONG, _ULLONG, _STRING, _LIST = 1, 2, 3, 4
_NAMES = ("user", "group", "a_1", "dynamic_ownership")


@pytest.fixture(scope="module")
def libvirt_reads() -> Callable[[str], dict[str, Value] | None]:
    """The settings in a text by libvirt's parser, None when it refuses the text. Lists are shown as their strings."""
    with suppress(OSError):
        library: Any = ctypes.CDLL("libvirt.so.0")
        with suppress(AttributeError):
            library.virInitialize()
            library.virConfReadString.restype = ctypes.c_void_p
            return lambda text: _read(library, text)
    return give_up("needs libvirt.so.0 with its private symbols")


def _read(library: Any, text: str) -> dict[str, Value] | None:
    conf = library.virConfReadString(text.encode(), 0)
    if not conf:
        return None
    handle = ctypes.c_void_p(conf)
    found: dict[str, Value] = {}
    for name in _NAMES:
        kind = library.virConfGetValueType(handle, name.encode())
        if kind in (_LLONG, _ULLONG):
            number = ctypes.c_longlong()
            if library.virConfGetValueLLong(handle, name.encode(), ctypes.byref(number)) == 1:
                found[name] = number.value
        elif kind == _STRING:
            string = ctypes.c_char_p()
            library.virConfGetValueString(handle, name.encode(), ctypes.byref(string))
            found[name] = (string.value or b"").decode()
        elif kind == _LIST:
            found[name] = ()
    library.virConfFree(handle)
    return found


def ours(text: str) -> dict[str, Value] | None:
    try:
        settings = parse_settings(text)
    except ParseError:
        return None
    return {
        name: () if isinstance(setting.value, tuple) else setting.value
        for name, setting in settings.items()
        if name in _NAMES
    }


_BLANKS = st.sampled_from(["", " ", "\t", "  "])
_TEXTS = st.text("ab #=[,\n", max_size=5)
_SCALARS = st.one_of(
    st.integers(-5, 99).map(str),
    st.sampled_from(["+7", "0x10", "yes", "'", '"', '"""', "1a", "-", "''", '""', '"a" "b"', "[1", "]"]),
    _TEXTS.map(lambda text: f'"{text}"'),
    _TEXTS.map(lambda text: f"'{text}'"),
    _TEXTS.map(lambda text: f'"""{text}"""'),
)
_LISTS = st.builds(
    lambda items, gap, end: "[" + gap + f"{gap},{gap}".join(items) + gap + end,
    st.lists(_SCALARS, max_size=3),
    st.sampled_from(["", " ", "\n", " \n # c\n"]),
    st.sampled_from(["]", "]", ",]", ""]),
)
_LINES = st.one_of(
    st.builds(
        lambda name, a, b, value, c, comment: f"{name}{a}={b}{value}{c}{comment}",
        st.sampled_from([*_NAMES, "1x", "a-b", ""]),
        _BLANKS,
        _BLANKS,
        st.one_of(_SCALARS, _SCALARS, _LISTS),
        _BLANKS,
        st.sampled_from(["", "", "# end", "#"]),
    ),
    st.sampled_from(["", "# user = 'x'", "  ", "user", "=", ";"]),
)
_FILES = st.lists(_LINES, max_size=5).map("\n".join)


@settings(max_examples=600)
@given(_FILES)
@example('user = "root"\nuser = "daemon"')
@example("dynamic_ownership = 0 # off\r\ngroup='kvm'")
def test_settings_are_those_that_libvirt_reads(libvirt_reads: Callable[[str], Any], text: str) -> None:
    assert ours(text) == libvirt_reads(text), text


@given(st.text(max_size=200))
def test_any_text_gives_settings_or_a_parse_error(text: str) -> None:
    ours(text)


def test_a_setting_knows_its_line_and_an_error_does() -> None:
    assert parse_settings("\n# x\nuser = 'a'")["user"].line == 3
    with pytest.raises(ParseError, match="line 2: expecting an assignment"):
        parse_settings("\nuser 'a'")
