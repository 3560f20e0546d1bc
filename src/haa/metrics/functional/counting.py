"""Count of the pixels of a map that reach a value: the one expensive step of every AUC over pixels."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.passes import chunks

BINS = 16384
SORTED = 65536
"""Number of pixels up to which a sort is the quickest."""


def count_reaching(
    maps: Float[Tensor, "b p"], pixel: Int[Tensor, "b n"]
) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b n"], Bool[Tensor, " b"]]:
    """Count, for each pixel in ``pixel``, the pixels of its map with at least its value, and those with a greater one.

    The counts are exact. They come of a sort: its shape is fixed and it needs no synchronisation with the host.

    Args:
        maps: Flat maps.
        pixel: Indices of pixels in the flat maps.

    Returns:
        The two counts, and a flag per map that says whether it holds a NaN; then its counts mean nothing.
    """
    maps = maps.detach()
    ordered = maps.sort(dim=1).values
    thresholds = maps.gather(1, pixel)
    total = maps.shape[1]
    at_least = total - torch.searchsorted(ordered, thresholds, right=False)
    more = total - torch.searchsorted(ordered, thresholds, right=True)
    return at_least, more, maps.amax(1).isnan()


def reaching(values: NDArray, pixel: NDArray) -> tuple[NDArray, NDArray, bool]:
    """Return what `count_reaching` does, for one map on a CPU, where sorting a large one is slow.

    A histogram counts whole bins, and only the pixels that share a bin with one in ``pixel`` are compared.
    """
    thresholds = values[pixel]
    low, high = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))
    scale = (BINS - 2) / (high - low) if high > low else math.inf
    # constant, not finite, or so far from 0 that float32 has no fraction left: a histogram would not tell values apart
    if len(values) <= SORTED or not (scale < 1e30 and abs(low) * scale < 1e5):
        rivals, higher = np.sort(values), np.zeros(1, dtype=np.int64)
    else:
        rivals, higher = _rivals(values, pixel, scale, 1 - low * scale)
    left, right = (np.searchsorted(rivals, thresholds, side) for side in ("left", "right"))
    return higher + (len(rivals) - left), higher + (len(rivals) - right), math.isnan(low)


def _rivals(values: NDArray, pixel: NDArray, scale: float, shift: float) -> tuple[NDArray, NDArray]:
    """Return the pixels that share a bin with one in ``pixel``, sorted, and how many others are in bins above each."""
    asked = _bins(values[pixel], scale, shift)
    asked_bins = np.unique(asked)
    # class of a bin: 2 k + 1 for the k-th bin that holds a pixel of `pixel`, 2 k for the bins between the one before
    # and this one
    number_of_classes = 2 * len(asked_bins) + 1
    is_asked = np.zeros(BINS + 1, dtype=np.uint8 if number_of_classes < 128 else np.int64)
    is_asked[asked_bins] = 1
    table = 2 * np.cumsum(is_asked, dtype=is_asked.dtype) - is_asked
    # bins are as large as two maps: they are made part by part, and never leave the cache
    classes = np.empty(len(values), dtype=np.uint8)
    if number_of_classes < 128:
        for part, out in chunks(values, classes):
            table.take(_bins(part, scale, shift), out=out, mode="clip")
        counts = _count_pairs(classes, number_of_classes)
        classes &= 1
    else:
        pixels = np.zeros(BINS + 1, dtype=np.int64)
        for part, out in chunks(values, classes):
            bins = _bins(part, scale, shift)
            pixels += np.bincount(bins, minlength=BINS + 1)
            is_asked.astype(np.uint8).take(bins, out=out, mode="clip")
        counts = np.zeros(number_of_classes, dtype=np.int64)
        np.add.at(counts, table, pixels)
    rivals = np.sort(values[np.flatnonzero(classes.view(bool))])
    # only the higher bins without such a pixel: the search counts the rivals of higher bins
    counts[1::2] = 0
    return rivals, (counts.sum() - counts.cumsum())[table[asked]]


def _bins(values: NDArray, scale: float, shift: float) -> NDArray[np.int64]:
    """Return a bin from 0 to BINS for each value, never lower for a greater value."""
    # rounding is monotone, so a smaller value never gets a higher bin; its error stays within the spare bins
    scaled = values * values.dtype.type(scale)
    scaled += values.dtype.type(shift)
    return scaled.astype(np.int64)


def _count_pairs(classes: NDArray[np.uint8], many: int) -> NDArray[np.int64]:
    """Count the pixels of each class below ``many`` (at most 127), two neighbours in one step."""
    whole = len(classes) // 2 * 2
    # not torch's, which is quicker but may start threads of its own in each of ours
    pairs = np.bincount(classes[:whole].view(np.uint16), minlength=256 * many)
    square = pairs[: 256 * many].reshape(many, 256)[:, :many]
    return square.sum(0) + square.sum(1) + np.bincount(classes[whole:], minlength=many)
