"""Passes over one image's pixels on a CPU, in numpy, where reads and writes of memory decide the time of a metric.

A map of 480 x 640 takes 0.05 ms to read from memory, and half of that if it is in the cache. So all steps of one image
run before those of the next, instead of each step for the whole batch. Longer chains of steps run chunk by chunk
through small buffers. Sums are dot products of short rows: no pass is faster, and it keeps float32's digits.

One thread does all images. Two are slower: the steps of one image are so short that most of the time is Python's, which
runs one thread at a time. No step is large enough for a library to use threads of its own, so a value does not depend
on their number. Processes share an evaluation well (``trainer.devices=2``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.eager import eager_cpu

CHUNK = 120 * 640
_ROW = 640
_ROWS = 8  # of a sum: BLAS shares out more among threads
_ONES = {dtype: np.ones(_ROW, dtype) for dtype in (np.dtype(np.float32), np.dtype(np.float64))}


def total(pixels: NDArray) -> float:
    """Return the sum, computed in rows: float32 loses digits in one long sum."""
    whole = len(pixels) // (_ROWS * _ROW) * (_ROWS * _ROW)
    rest = float(pixels[whole:].sum(dtype=np.float64)) if whole < len(pixels) else 0.0
    rows = np.matmul(pixels[:whole].reshape(-1, _ROWS, _ROW), _ONES[pixels.dtype])
    return float(rows.sum(dtype=np.float64)) + rest


def dot(a: NDArray, b: NDArray) -> float:
    """Return the dot product, computed in rows."""
    whole = len(a) // _ROW * _ROW
    if whole < len(a):
        return dot(a[:whole], b[:whole]) + float(np.dot(a[whole:], b[whole:]))
    return float(np.matmul(a.reshape(-1, 1, _ROW), b.reshape(-1, _ROW, 1)).sum(dtype=np.float64))


def enough_digits(mean: float, square: float) -> bool:
    """Return whether ``square - mean**2`` is usable as a variance: above 0, with enough of float32's digits left."""
    return 0 < square < math.inf and 9 * mean**2 <= 8 * square


def chunks(*images: NDArray, size: int = CHUNK) -> Iterator[tuple[NDArray, ...]]:
    """Yield the same stretch of every image, one stretch after the other."""
    for start in range(0, len(images[0]), size):
        yield tuple(image[start : start + size] for image in images)


def scores_of_each(quick: Callable[..., float], *rows: Shaped[Tensor, "b p"]) -> list[float]:
    """Return ``quick`` of each image: of one row of each argument, as numpy arrays."""
    with np.errstate(all="ignore"):
        return [quick(*images) for images in zip(*(r.detach().numpy() for r in rows), strict=True)]


def image_by_image(
    general: Callable[..., Tensor], quick: Callable[..., float], *rows: Shaped[Tensor, "b p"]
) -> Float[Tensor, " b"]:
    """Return ``general(*rows)``; on a CPU, ``quick`` of one image at a time where it has an answer.

    Args:
        general: Function of rows ``(b, p)`` that handles every case and device.
        quick: Function as `scores_of_each` takes it; if it returns NaN, ``general`` scores the image.
        rows: Arguments of the functions. The first are the maps; the result has their dtype.
    """
    if not len(rows[0]) or not eager_cpu(*rows):
        return general(*rows)
    values = scores_of_each(quick, *rows)
    out = rows[0].new_tensor(values)
    for i, value in enumerate(values):
        if math.isnan(value):
            out[i] = general(*(r[i : i + 1] for r in rows))[0]
    return out
