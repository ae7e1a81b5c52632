"""What logs us in to a server: a user name, and perhaps a password. Pure."""

from typing import NamedTuple

from diskchain.secrets.value import SecretValue


class Credentials(NamedTuple):
    """``password`` is read while the image is opened, and may be wiped afterwards; whoever needs it for longer keeps a copy."""

    user: str
    password: SecretValue | None = None
