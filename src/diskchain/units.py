"""Sizes. Every size and offset in diskchain is an ``int`` in bytes; this module reads and shows them.

Knows no other module but ``errors``. Unit names follow libvirt's scaled integers (``virScaleInteger``):
``k``, ``K``, ``KiB`` are 1024; ``KB`` is 1000; likewise up to ``E``.
"""

from diskchain.errors import ParseError

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30
TiB = 1 << 40

_STEPS = "KMGTPE"
_LONGEST = 20  # digits of 2^64
_THREE_DIGITS, _ONE_DECIMAL = 999.5, 99.95  # what rounds to 1000, and to 100


def _scales() -> dict[str, int]:
    scales = {"": 1, "b": 1, "byte": 1, "bytes": 1}
    for power, letter in enumerate(_STEPS, start=1):
        scales[letter.lower()] = scales[letter.lower() + "ib"] = 1024**power
        scales[letter.lower() + "b"] = 1000**power
    return scales


_SCALES = _scales()


def parse_size(number: str, unit: str = "bytes") -> int:
    """``number`` of ``unit`` in bytes, as libvirt scales integers.

    >>> parse_size("4", "KiB"), parse_size("4", "KB"), parse_size("7")
    (4096, 4000, 7)

    Raises ParseError for anything but ASCII digits, an unknown unit, or a result of 2^64 or more.
    """
    digits = number.strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > _LONGEST:
        raise ParseError(f"not a size: {number[:40]!r}")
    scale = _SCALES.get(unit.strip().lower())
    if scale is None:
        raise ParseError(f"unknown unit {unit[:40]!r}", allowed=("bytes", "KB", "KiB", "MB", "MiB", "… EB", "EiB"))
    size = int(digits) * scale
    if size >= 1 << 64:
        raise ParseError(f"size too large: {number[:40]} {unit[:40]}")
    return size


def human_size(size: int) -> str:
    """``size`` in the largest binary unit that keeps three digits.

    >>> human_size(0), human_size(1536), human_size(10 * GiB)
    ('0 B', '1.5 KiB', '10 GiB')
    """
    if size < KiB:
        return f"{size} B"
    value = float(size)
    for letter in _STEPS:
        value /= 1024
        if value < _THREE_DIGITS or letter == _STEPS[-1]:
            shown = f"{value:.0f}" if value >= _ONE_DECIMAL else f"{value:.1f}"
            return f"{shown.removesuffix('.0')} {letter}iB"
    raise AssertionError("unreachable")
