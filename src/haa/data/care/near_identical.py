"""Search for pictures that are the same though their files differ: saved again, scaled, slightly retouched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import UInt8, UInt64
from torch import Tensor
from torchvision.transforms.v2.functional import resize, rgb_to_grayscale

SIDE = 16
"""Side of a thumbnail in pixels; thumbnails are compared in the end."""

_BITS = np.left_shift(np.uint64(1), np.arange(64, dtype=np.uint64))
_PARTS = [_BITS[start : start + 13].sum(dtype=np.uint64) for start in range(0, 64, 13)]


def thumbnail(image: UInt8[Tensor, "3 h w"]) -> UInt8[np.ndarray, "16 16"]:
    """Return the picture in grey at 16 x 16."""
    return resize(rgb_to_grayscale(image), [SIDE, SIDE], antialias=True)[0].numpy()


def difference_hash(grey: UInt8[np.ndarray, "16 16"]) -> int:
    """Return 64 bits: whether brightness rises from each of 8 x 8 fields to its right neighbour.

    The right neighbour of a row's last field is its first.

    Example:
        >>> grey = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
        >>> f"{difference_hash(grey):016x}"
        '7f7f7f7f7f7f7f7f'
    """
    fields = grey.reshape(8, 2, 8, 2).mean((1, 3))
    rises = np.roll(fields, -1, axis=1) > fields
    return int(_BITS[rises.ravel()].sum())


def near_identical(
    thumbnails: Sequence[UInt8[np.ndarray, "16 16"]], bits: int = 3, tolerance: float = 4.0
) -> Iterator[tuple[int, int]]:
    """Yield the pairs (i < j) of pictures that look the same.

    Plain surfaces are left aside, because all of them look the same. Only pictures whose hashes agree in two of five
    parts are compared, which misses none up to 3 bits.

    Args:
        thumbnails: The pictures as `thumbnail` gives them.
        bits: Hashes of a pair (`difference_hash`) differ in at most so many bits.
        tolerance: Grey values (0 to 255) of a pair's thumbnails differ by less than this on average.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> one, other = rng.integers(0, 256, (2, 16, 16), dtype=np.uint8)
        >>> list(near_identical([one, other, np.clip(one, 2, None)]))
        [(0, 2)]
    """
    there = [index for index, grey in enumerate(thumbnails) if grey.std() >= 2]
    hashes = np.array([difference_hash(thumbnails[index]) for index in there], dtype=np.uint64)
    for first, second in _alike(hashes, bits):
        one, other = there[first], there[second]
        if _distance(thumbnails[one], thumbnails[other]) < tolerance:
            yield one, other


def _alike(hashes: UInt64[np.ndarray, " n"], bits: int) -> list[tuple[int, int]]:
    """Return the pairs (i < j) of hashes that differ in few bits, in the order of j and then of i."""
    found: set[tuple[int, int]] = set()
    for part, another in combinations(_PARTS, 2):
        keys = hashes & (part | another)
        order = keys.argsort(kind="stable").astype(np.int64)
        keys, place, step = keys[order], np.arange(len(order)), 1
        # hashes of one key lie side by side: those one place apart, then those two apart, and so on
        while len(place := place[place + step < len(order)]):
            place = place[keys[place] == keys[place + step]]
            i, j = order[place], order[place + step]
            near = [bin(each).count("1") <= bits for each in (hashes[i] ^ hashes[j]).tolist()]
            found.update(zip(i[near].tolist(), j[near].tolist(), strict=True))
            step += 1
    return sorted(found, key=lambda pair: pair[::-1])


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())
