"""A secret value shows itself to nobody who does not ask for it by name."""

import copy
import logging
import pickle
import traceback

import pytest

from diskchain.secrets.value import SecretValue

SECRET = b"hunter2 and more"


@pytest.mark.parametrize(
    "show", [repr, str, format, "{}".format, "{!r:>40}".format, lambda value: f"{[value]} {(value,)}"]
)
def test_no_way_of_printing_shows_it(show: object) -> None:
    assert callable(show)
    assert "hunter" not in show(SecretValue(SECRET))


def test_reveal_gives_the_bytes() -> None:
    value = SecretValue(SECRET)
    with value.reveal() as view:
        assert bytes(view) == SECRET


@pytest.mark.parametrize("copying", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_is_not_copied_or_stored(copying: object) -> None:
    assert callable(copying)
    with pytest.raises(TypeError, match="not to be copied"):
        copying(SecretValue(SECRET))


def test_wiping_leaves_zeroes() -> None:
    value = SecretValue(SECRET)
    value.wipe()
    value.wipe()
    with value.reveal() as view:
        assert bytes(view) == bytes(len(SECRET))


def test_leaving_its_context_wipes_it() -> None:
    with SecretValue(SECRET) as value:
        assert len(value) == len(SECRET)
    with value.reveal() as view:
        assert not any(view)


def test_two_of_the_same_content_are_not_equal() -> None:
    assert SecretValue(SECRET) != SecretValue(SECRET)


def test_it_is_in_no_traceback_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    value = SecretValue(SECRET)
    try:
        raise ValueError(value)
    except ValueError as error:
        logging.getLogger("diskchain").exception("failed with %s", value)
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        assert "hunter" not in "".join(line for line in lines if "SECRET" not in line)
    assert "hunter" not in caplog.text
