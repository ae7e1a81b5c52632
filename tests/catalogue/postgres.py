"""A PostgreSQL cluster of this test run alone: made with initdb as its own user, reached by a unix socket, stopped by pid."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.peers import give_up

_USER = "postgres"
#: Text in the order of a language, as most clusters have it: there "/SRV/x" lies between "/srv/" and "/srv0".
_ORDER = ("--locale-provider=icu", "--icu-locale=en-US")


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        give_up("PostgreSQL is not installed (Debian: postgresql)")
    return found[-1].parent


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of an empty database."""
    binaries = _binaries()
    directory = Path(tempfile.mkdtemp(prefix="diskchain-pg-"))
    as_user: list[str | Path] = (
        [] if os.getuid() else ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--"]
    )
    try:
        if as_user:
            shutil.chown(directory, _USER, _USER)
        data = directory / "data"
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [*as_user, binaries / "initdb", "--no-sync", "-A", "trust", *_ORDER, "-U", _USER, "-D", data],
            check=True,
            capture_output=True,
            env=environment,
            cwd="/",
        )
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(directory),
            "fsync": "off",
            "shared_buffers": "512MB",
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        control = [*as_user, binaries / "pg_ctl", "-D", data]
        subprocess.run(
            [*control, "-w", "-l", directory / "log", "-o", options, "start"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=environment,
            cwd="/",
        )
        try:
            yield f"postgresql://{_USER}@/postgres?host={directory}"
        finally:
            subprocess.run(
                [*control, "-w", "-m", "immediate", "stop"],
                check=True,
                stdout=subprocess.DEVNULL,
                env=environment,
                cwd="/",
            )
    finally:
        shutil.rmtree(directory)
