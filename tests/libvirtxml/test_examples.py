"""The examples in the docstrings of the guest's model and of the codec run and say what they promise."""

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import diskchain.guest
import diskchain.libvirtxml

_MODULES = [
    module.name
    for package in (diskchain.guest, diskchain.libvirtxml)
    for module in walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", _MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_there_are_examples_of_all_that_a_user_calls() -> None:
    for name in diskchain.__all__:
        if name.startswith(("parse_", "format_")) and name not in _WITHOUT:
            function = getattr(diskchain, name)
            assert ">>>" in (function.__doc__ or ""), name


#: What an example would only repeat.
_WITHOUT = {"format_snapshot", "format_status"}
