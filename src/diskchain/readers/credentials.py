"""What logs us in to a server: a user name, and perhaps a password. Pure."""

from dataclasses import dataclass

from diskchain.secrets.value import SecretValue


@dataclass(frozen=True, slots=True)
class Credentials:
    """``password`` is read while the image is opened, and may be wiped afterwards; whoever needs it for longer keeps a copy."""

    user: str
    password: SecretValue | None = None
