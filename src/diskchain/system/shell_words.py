"""Text as words of a shell command that can be shown and copied. Source: POSIX 2024, 2.2."""

from diskchain.errors import printable


def shell_word(text: str) -> str:
    """``text`` as one word of a shell command that can be shown and copied, whatever characters it has.

    What no terminal shows as it is (a line break, a mark without width, bytes that are no UTF-8) is spelt in ``$'…'``, for which bash, zsh, busybox and
    POSIX 2024 are good.
    """
    if printable(text) == text:
        from shlex import quote

        return quote(text)
    spelt = []
    for character in text:
        if character in "\\'":
            spelt.append("\\" + character)
        elif printable(character) == character:
            spelt.append(character)
        else:
            spelt += [f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape")]
    return f"$'{''.join(spelt)}'"


def file_word(path: str) -> str:
    """``path`` as a word of a shell command that ``qemu-img`` takes for a file: for no option, and for no protocol. A URL stays one."""
    no_path = path.startswith("-") or (":" in path.partition("/")[0] and "://" not in path)
    return shell_word(f"./{path}" if no_path else path)
