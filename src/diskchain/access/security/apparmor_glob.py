"""AppArmor's path patterns: ``*``, ``**``, ``?``, ``[…]``, ``{…,…}`` and backslash. Pure.

A pattern may hold the name of an image that somebody else chose, so matching never takes longer than the length of the
pattern times that of the path. Source: apparmor.d(5), "Globbing (AARE)".
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

_MAX_PATTERN: Final = 4096
_MAX_ALTERNATIVES: Final = 256
_MAX_STARS: Final = 64

#: "any": one character but the slash; "every": one character, whichever.
_Kind = Literal["one", "any", "every", "star", "double star", "class"]
_STARS: Final = ("star", "double star")


@dataclass(frozen=True, slots=True)
class _Token:
    """One element. ``text``: the character, or the members of a class; ``negated`` for ``[^…]``."""

    kind: _Kind
    text: str = ""
    negated: bool = False


def pattern_matches(pattern: str, path: str) -> bool | None:
    """Whether ``pattern`` matches ``path``; None when it holds a variable, is malformed, or is too much."""
    if pattern == path and not any(character in "*?[]{}^@\\" for character in pattern):
        return True
    if "@{" in pattern or len(pattern) > _MAX_PATTERN or pattern.count("*") > _MAX_STARS:
        return None
    alternatives = _compile(pattern)
    return None if alternatives is None else any(_matches(tokens, path) for tokens in alternatives)


def _matches(tokens: tuple[_Token, ...], path: str) -> bool:
    """All places in ``tokens`` that the path read so far can lead to, kept as a set: no backtracking."""
    places = _skip_stars(tokens, {0})
    for character in path:
        following = set()
        for place in places:
            if place == len(tokens):
                continue
            token = tokens[place]
            if _accepts(token, character):
                following.add(place + 1)
                if token.kind in _STARS:
                    following.add(place)
        places = _skip_stars(tokens, following)
        if not places:
            return False
    return len(tokens) in places


def _skip_stars(tokens: tuple[_Token, ...], places: set[int]) -> set[int]:
    reached = set()
    for start in places:
        place = start
        reached.add(place)
        while place < len(tokens) and tokens[place].kind in _STARS:
            place += 1
            reached.add(place)
    return reached


def _accepts(token: _Token, character: str) -> bool:
    if token.kind in ("every", "double star"):
        return True
    if token.kind == "one":
        return character == token.text
    if token.kind == "class":
        return (character in token.text) is not token.negated
    return character != "/"


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> tuple[tuple[_Token, ...], ...] | None:
    expanded = _expand(pattern)
    if expanded is None:
        return None
    compiled = [_tokens(text) for text in expanded]
    return None if None in compiled else tuple(tokens for tokens in compiled if tokens is not None)


def _expand(pattern: str) -> list[str] | None:
    """The pattern without braces, one text for each choice. None when braces do not pair or choices are too many."""
    finished: list[str] = []
    queue = [pattern]
    while queue:
        text = queue.pop()
        braces = _innermost_braces(text)
        if braces is None:
            return None
        start, end = braces
        if start < 0:
            finished.append(text)
        else:
            choices = _split(text[start + 1 : end])
            queue += [text[:start] + choice + text[end + 1 :] for choice in choices]
        if len(finished) + len(queue) > _MAX_ALTERNATIVES:
            return None
    return finished


def _innermost_braces(text: str) -> tuple[int, int] | None:
    """Where the first pair without another inside is; (-1, -1) when there are none, None when they do not pair."""
    start, position = -1, 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "{":
            start = position
        elif character == "}":
            return (start, position) if start >= 0 else None
        position += 1
    return None if start >= 0 else (-1, -1)


def _split(inside: str) -> list[str]:
    choices, start, position = [], 0, 0
    while position < len(inside):
        if inside[position] == "\\":
            position += 1
        elif inside[position] == ",":
            choices.append(inside[start:position])
            start = position + 1
        position += 1
    return [*choices, inside[start:]]


def _tokens(text: str) -> tuple[_Token, ...] | None:
    """The elements of a pattern without braces; None when a class is not closed."""
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "*":
            end = position
            while text[end : end + 1] == "*":
                end += 1
            kind: _Kind = "double star" if end - position > 1 else "star"
            # A star that is a whole component does not match an empty one.
            if text[position - 1 : position] == "/" and text[end : end + 1] in ("", "/"):
                tokens.append(_Token("any" if kind == "star" else "every"))
            tokens.append(_Token(kind))
            position = end
            continue
        if character == "[":
            end = text.find("]", position + 2)
            if end < 0:
                return None
            tokens.append(_class(text[position + 1 : end]))
            position = end
        elif character == "?":
            tokens.append(_Token("any"))
        else:
            if character == "\\":
                position += 1
            tokens.append(_Token("one", text[position : position + 1]))
        position += 1
    return tuple(tokens)


def _class(inside: str) -> _Token:
    negated = inside.startswith("^")
    members = inside.removeprefix("^")
    spread = ""
    position = 0
    while position < len(members):
        if members[position + 1 : position + 2] == "-" and position + 2 < len(members):
            spread += "".join(map(chr, range(ord(members[position]), min(ord(members[position + 2]), 0x2FFF) + 1)))
            position += 3
        else:
            spread += members[position]
            position += 1
    return _Token("class", spread, negated)
