"""Count of the pixels of a map that reach a value: the one expensive step of every AUC over pixels."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.passes import CHUNK, chunks

BINS = 16384
SORTED = 32768
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
    if len(values) <= SORTED:
        rivals, higher, nan = np.sort(values), np.zeros(1, dtype=np.int64), False
        nan = bool(np.isnan(rivals[-1]))  # a NaN is sorted to the end
    else:
        rivals, higher, nan = _rivals(values, pixel)
    left, right = (np.searchsorted(rivals, thresholds, side) for side in ("left", "right"))
    return higher + (len(rivals) - left), higher + (len(rivals) - right), nan


def _rivals(values: NDArray, pixel: NDArray) -> tuple[NDArray, NDArray, bool]:
    """Return the pixels that share a bin with one in ``pixel``, sorted, and how many others are in bins above each."""
    bins, nan = _bins(values)
    asked_bins = np.unique(bins[pixel])
    # class of a bin: 2 k + 1 for the k-th bin that holds a pixel of `pixel`, 2 k for the bins between the one before
    # and this one
    number_of_classes = 2 * len(asked_bins) + 1
    is_asked = np.zeros(BINS + 1, dtype=np.uint8 if number_of_classes < 128 else np.int64)
    is_asked[asked_bins] = 1
    table = 2 * np.cumsum(is_asked, dtype=is_asked.dtype) - is_asked
    if number_of_classes < 128:
        classes = table.take(bins, mode="clip")
        counts = _count_pairs(classes, number_of_classes)
        is_rival = (classes & 1).view(bool)
    else:
        counts = np.zeros(number_of_classes, dtype=np.int64)
        np.add.at(counts, table, np.bincount(bins, minlength=BINS + 1))
        is_rival = is_asked.astype(bool).take(bins, mode="clip")
    rivals = np.sort(values[np.flatnonzero(is_rival)])
    # only the higher bins without such a pixel: the search counts the rivals of higher bins
    counts[1::2] = 0
    return rivals, (counts.sum() - counts.cumsum())[table[bins[pixel]]], nan


def _bins(values: NDArray) -> tuple[NDArray[np.int64], bool]:
    """Return a bin from 0 to BINS for each value, never lower for a greater value; and whether there is a NaN."""
    low, high = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))
    span = high - low
    scale = (BINS - 2) / span if span > 0 else math.inf
    if not (scale < 1e30 and abs(low) * scale < 1e5):
        # constant, not finite, or so far from 0 that float32 has no fraction left
        return np.ones(len(values), dtype=np.int64), math.isnan(low)
    # rounding is monotone, so a smaller value never gets a higher bin; its error stays within the spare bins
    bins, buffer = np.empty(len(values), dtype=np.int64), np.empty(min(CHUNK, len(values)), values.dtype)
    real = values.dtype.type
    for part, out in chunks(values, bins):
        scaled = np.multiply(part, real(scale), out=buffer[: len(part)])
        out[:] = np.add(scaled, real(1 - low * scale), out=scaled)
    return bins, False


def _count_pairs(classes: NDArray[np.uint8], many: int) -> NDArray[np.int64]:
    """Count the pixels of each class below ``many`` (at most 127), two neighbours in one step."""
    whole = len(classes) // 2 * 2
    # not torch's, which is quicker but may start threads of its own in each of ours
    pairs = np.bincount(classes[:whole].view(np.uint16), minlength=256 * many)
    square = pairs[: 256 * many].reshape(many, 256)[:, :many]
    return square.sum(0) + square.sum(1) + np.bincount(classes[whole:], minlength=many)
