"""``python -m diskchain``."""

from diskchain.cli.main import entry

entry()
