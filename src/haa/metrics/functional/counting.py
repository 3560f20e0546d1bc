"""How many pixels of a map reach a value: the one expensive step of every AUC over pixels."""

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
    """For each given pixel, how many pixels of its map have at least its value, and how many have more.

    And for each map, whether it holds a NaN, in which case the numbers mean nothing.

    Exact: where a sort is slow (a CPU) a histogram counts whole bins, and only the pixels that share a bin with a given
    one are compared; elsewhere a sort has a fixed shape and waits for nobody.
    """
    maps = maps.detach()
    if eager_cpu(maps):
        found = [_by_histogram(m, p) for m, p in zip(maps.numpy(), pixel.numpy(), strict=True)]
        if not found:
            return pixel, pixel, maps.new_zeros(0, dtype=torch.bool)
        at_least, more, nan = (torch.from_numpy(np.stack(each)) for each in zip(*found, strict=True))
        return at_least, more, nan
    ordered = maps.sort(dim=1).values
    thresholds = maps.gather(1, pixel)
    total = maps.shape[1]
    at_least = total - torch.searchsorted(ordered, thresholds, right=False)
    more = total - torch.searchsorted(ordered, thresholds, right=True)
    return at_least, more, maps.amax(1).isnan()


def _by_histogram(values: NDArray, pixel: NDArray) -> tuple[NDArray, NDArray, bool]:
    bins, nan = _bins(values)
    own = np.unique(bins[pixel])
    # a bin's class: 2 k + 1 for the k-th bin that holds a given pixel, 2 k for those below it and above the one before
    many = 2 * len(own) + 1
    mark = np.zeros(BINS + 1, dtype=np.uint8 if many < 128 else np.int64)
    mark[own] = 1
    table = 2 * np.cumsum(mark, dtype=mark.dtype) - mark
    if many < 128:
        classes = _look_up(table, bins)
        counts = _count_pairs(classes, many)
        rival = (classes & 1).view(bool)
    else:
        counts = np.zeros(many, dtype=np.int64)
        np.add.at(counts, table, torch.bincount(torch.from_numpy(bins), minlength=BINS + 1).numpy())
        rival = _look_up(mark.astype(bool), bins)
    rivals = np.sort(values[np.flatnonzero(rival)])
    # pixels of higher bins that hold none of the given ones; the rivals of higher bins are counted by the search
    counts[1::2] = 0
    higher = (counts.sum() - counts.cumsum())[table[bins[pixel]]]
    thresholds = values[pixel]
    left, right = (np.searchsorted(rivals, thresholds, side) for side in ("left", "right"))
    return higher + (len(rivals) - left), higher + (len(rivals) - right), nan


def _bins(values: NDArray) -> tuple[NDArray[np.int32], bool]:
    """A bin from 0 to BINS for each value, never a lower one for a greater value; and whether there is a NaN."""
    low, high = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))
    span = high - low
    scale = (BINS - 2) / span if span > 0 else math.inf
    if not (scale < 1e30 and abs(low) * scale < 1e5):
        # constant, not finite, or so far from 0 that float32 has no fraction left
        return np.ones(len(values), dtype=np.int32), math.isnan(low)
    # rounding is monotone, so a smaller value never lands in a higher bin; nor does it reach beyond the spare bins
    bins, buffer = np.empty(len(values), dtype=np.int32), np.empty(min(CHUNK, len(values)), values.dtype)
    real = values.dtype.type
    for part, out in chunks(values, bins):
        place = np.multiply(part, real(scale), out=buffer[: len(part)])
        out[:] = np.add(place, real(1 - low * scale), out=place)
    return bins, False


def _look_up(table: NDArray, bins: NDArray[np.int32]) -> NDArray:
    """``table[bins]``; torch takes half of numpy's time."""
    return torch.from_numpy(table).index_select(0, torch.from_numpy(bins)).numpy()


def _count_pairs(classes: NDArray[np.uint8], many: int) -> NDArray[np.int64]:
    """How many pixels have each class below ``many`` (at most 127): two neighbours are counted in one step."""
    whole = len(classes) // 2 * 2
    pairs = torch.bincount(torch.from_numpy(classes[:whole].view(np.int16)), minlength=256 * many)
    square = pairs.numpy()[: 256 * many].reshape(many, 256)[:, :many]
    return square.sum(0) + square.sum(1) + np.bincount(classes[whole:], minlength=many)
