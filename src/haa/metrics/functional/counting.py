"""Count of the pixels of a map that reach a value: the one expensive step of every AUC over pixels."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.eager import eager_cpu
from haa.metrics.functional.passes import CHUNK, chunks

BINS = 16384


def count_reaching(
    maps: Float[Tensor, "b p"], pixel: Int[Tensor, "b n"]
) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b n"], Bool[Tensor, " b"]]:
    """Count, for each pixel in ``pixel``, the pixels of its map with at least its value, and those with a greater one.

    The counts are exact. On a CPU, where a sort is slow, a histogram counts whole bins, and only the pixels that share
    a bin with one in ``pixel`` are compared. Elsewhere a sort does it: its shape is fixed and it needs no
    synchronisation with the host.

    Args:
        maps: Flat maps.
        pixel: Indices of pixels in the flat maps.

    Returns:
        The two counts, and a flag per map that says whether it holds a NaN; then its counts mean nothing.
    """
    maps = maps.detach()
    if eager_cpu(maps):
        results = [_by_histogram(m, p) for m, p in zip(maps.numpy(), pixel.numpy(), strict=True)]
        if not results:
            return pixel, pixel, maps.new_zeros(0, dtype=torch.bool)
        at_least, more, nan = (torch.from_numpy(np.stack(each)) for each in zip(*results, strict=True))
        return at_least, more, nan
    ordered = maps.sort(dim=1).values
    thresholds = maps.gather(1, pixel)
    total = maps.shape[1]
    at_least = total - torch.searchsorted(ordered, thresholds, right=False)
    more = total - torch.searchsorted(ordered, thresholds, right=True)
    return at_least, more, maps.amax(1).isnan()


def _by_histogram(values: NDArray, pixel: NDArray) -> tuple[NDArray, NDArray, bool]:
    bins, nan = _bins(values)
    asked_bins = np.unique(bins[pixel])
    # class of a bin: 2 k + 1 for the k-th bin that holds a pixel of `pixel`, 2 k for the bins between the one before
    # and this one
    number_of_classes = 2 * len(asked_bins) + 1
    is_asked = np.zeros(BINS + 1, dtype=np.uint8 if number_of_classes < 128 else np.int64)
    is_asked[asked_bins] = 1
    table = 2 * np.cumsum(is_asked, dtype=is_asked.dtype) - is_asked
    if number_of_classes < 128:
        classes = _look_up(table, bins)
        counts = _count_pairs(classes, number_of_classes)
        is_rival = (classes & 1).view(bool)
    else:
        counts = np.zeros(number_of_classes, dtype=np.int64)
        np.add.at(counts, table, torch.bincount(torch.from_numpy(bins), minlength=BINS + 1).numpy())
        is_rival = _look_up(is_asked.astype(bool), bins)
    # rivals are the pixels that share a bin with one of `pixel`
    rivals = np.sort(values[np.flatnonzero(is_rival)])
    # count here only the higher bins without such a pixel; the search below counts the rivals of higher bins
    counts[1::2] = 0
    higher = (counts.sum() - counts.cumsum())[table[bins[pixel]]]
    thresholds = values[pixel]
    left, right = (np.searchsorted(rivals, thresholds, side) for side in ("left", "right"))
    return higher + (len(rivals) - left), higher + (len(rivals) - right), nan


def _bins(values: NDArray) -> tuple[NDArray[np.int32], bool]:
    """Return a bin from 0 to BINS for each value, never lower for a greater value; and whether there is a NaN."""
    low, high = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))
    span = high - low
    scale = (BINS - 2) / span if span > 0 else math.inf
    if not (scale < 1e30 and abs(low) * scale < 1e5):
        # constant, not finite, or so far from 0 that float32 has no fraction left
        return np.ones(len(values), dtype=np.int32), math.isnan(low)
    # rounding is monotone, so a smaller value never gets a higher bin; its error stays within the spare bins
    bins, buffer = np.empty(len(values), dtype=np.int32), np.empty(min(CHUNK, len(values)), values.dtype)
    real = values.dtype.type
    for part, out in chunks(values, bins):
        scaled = np.multiply(part, real(scale), out=buffer[: len(part)])
        out[:] = np.add(scaled, real(1 - low * scale), out=scaled)
    return bins, False


def _look_up(table: NDArray, bins: NDArray[np.int32]) -> NDArray:
    """Return ``table[bins]``; torch takes half of numpy's time."""
    return torch.from_numpy(table).index_select(0, torch.from_numpy(bins)).numpy()


def _count_pairs(classes: NDArray[np.uint8], many: int) -> NDArray[np.int64]:
    """Count the pixels of each class below ``many`` (at most 127), two neighbours in one step."""
    whole = len(classes) // 2 * 2
    pairs = torch.bincount(torch.from_numpy(classes[:whole].view(np.int16)), minlength=256 * many)
    square = pairs.numpy()[: 256 * many].reshape(many, 256)[:, :many]
    return square.sum(0) + square.sum(1) + np.bincount(classes[whole:], minlength=many)
