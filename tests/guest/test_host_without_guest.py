"""The host's half of the house works without the guest's."""

import subprocess
import sys

HOST_PACKAGES = ("storage", "image", "readers", "discover", "labels", "qemu", "allocation", "secrets")

_IMPORT_ALL = f"""
import importlib, pkgutil, sys
import diskchain
for found in pkgutil.iter_modules(diskchain.__path__):
    if found.name in {HOST_PACKAGES!r}:
        package = importlib.import_module("diskchain." + found.name)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as missing:
                if (missing.name or "").startswith("diskchain"):
                    raise
print(*(name for name in sys.modules if name.startswith(("diskchain.guest", "diskchain.libvirtxml"))))
print(sum(name.startswith("diskchain.storage.") for name in sys.modules))
"""


def test_importing_every_host_module_loads_no_guest_module() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, check=True, timeout=60)
    guests, storage_modules = done.stdout.splitlines()
    assert guests == ""
    assert int(storage_modules) >= 5
