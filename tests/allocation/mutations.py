"""Images damaged by a seed: words of their tables changed, moved or zeroed, the file cut off."""

import random


def damaged(image: bytes, seed: int) -> bytes:
    """``image`` with one to five words changed, now and then cut off."""
    rng = random.Random(seed)  # noqa: S311  # the same damage for the same seed is the point
    data = bytearray(image)
    reach = min(len(data), 1 << 20) - 8
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = _place(data, reach, rng)
        kind = rng.random()
        if kind < 0.3:
            data[at : at + 8] = rng.randbytes(8)
        elif kind < 0.6:
            data[at + rng.randrange(8)] ^= 1 << rng.randrange(8)
        elif kind < 0.75:
            data[at : at + 8] = bytes(8)
        else:
            other = rng.randrange(reach) // 8 * 8
            data[at : at + 8] = data[other : other + 8]
    if rng.random() < 0.1:
        del data[rng.randrange(512, len(data)) :]
    return bytes(data)


def _place(data: bytearray, reach: int, rng: random.Random) -> int:
    """Where a word begins that is not 0, if one is found soon."""
    at = 0
    for _ in range(200):
        at = rng.randrange(reach) // 8 * 8
        if any(data[at : at + 8]):
            break
    return at
