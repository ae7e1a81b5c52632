"""Backing strings fit to be shown: whatever could be a secret replaced, everything else as written.

Knows where each syntax keeps its secrets, and errs on the side of hiding: it also gets strings that are malformed.
"""

from typing import Any, Final

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.reference.value import is_file_name

HIDDEN: Final = "…"

_RBD_SECRET: Final = r"(:(?:key|password)=)(?:[^\\:]|\\.|\\\Z)*"  # noqa: S105  # where one is, not one


def redacted(text: str) -> str:
    """``text`` with every password, key, cookie and query that could be one replaced by ``…``. Not yet fit for a terminal.

    A ``json:`` string that is not JSON is hidden whole.
    """
    if is_file_name(text):  # nearly every one: what the others take is imported for them
        return text
    if text.startswith("json:"):
        return _json(text)
    if "://" in text and not text.startswith(("rbd:", "fat:")):
        return _uri(text)
    import re

    return re.sub(_RBD_SECRET, rf"\1{HIDDEN}", text, flags=re.DOTALL)


def _uri(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    before_query, question, query = rest.partition("?")
    authority = before_query.partition("/")[0]
    if "@" not in authority and "@" in before_query and not _plain(authority):
        # A password with an unescaped slash: the user part ends at the last @.
        userinfo, _, tail = before_query.rpartition("@")
    else:
        userinfo, at, host = authority.rpartition("@")
        tail = host + before_query[len(authority) :]
        if not at:
            return scheme + mark + tail + _query(question, query)
    user = userinfo.replace("%", ":").partition(":")
    shown = user[0] + (f":{HIDDEN}" if user[1] else "")
    return f"{scheme}{mark}{shown}@{tail}{_query(question, query)}"


def _plain(authority: str) -> bool:
    """Whether this is a host, and perhaps a port, and so not the start of a user part."""
    port = authority.rpartition(":")[2]
    return ":" not in authority or authority.startswith("[") or not port or (port.isascii() and port.isdigit())


def _query(question: str, query: str) -> str:
    """Queries sign URLs; only a socket is surely no secret."""
    if not question or (query.startswith("socket=") and "&" not in query):
        return question + query
    return question + HIDDEN


def _json(text: str) -> str:
    import json

    from diskchain.storage.reference.json_document import load

    try:
        root = load(text.removeprefix("json:"), "qemu")
    except ReferenceSyntaxError:
        return f"json:{HIDDEN}"
    waiting: list[Any] = [root]
    hidden = False
    while waiting:
        value = waiting.pop()
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in list(items):
            if isinstance(each, dict | list):
                waiting.append(each)
            elif (shown := _value(key, each)) != each:
                value[key] = shown
                hidden = True
    return f"json:{json.dumps(root, ensure_ascii=False, separators=(',', ':'))}" if hidden else text


def _value(key: str | int, value: Any) -> Any:
    from diskchain.storage.reference.json_document import SECRET_KEYS

    if key in SECRET_KEYS:
        return HIDDEN
    return redacted(value) if isinstance(value, str) else value
