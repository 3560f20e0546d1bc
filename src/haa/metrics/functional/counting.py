"""How many pixels of a map reach a value: the one expensive step of every AUC over pixels."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.maps import eager_cpu

BINS = 16384


def count_reaching(
    maps: Float[Tensor, "b p"], pixel: Int[Tensor, "b n"]
) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b n"]]:
    """For each given pixel, how many pixels of its map have at least its value, and how many have more.

    Exact: where a sort is slow (a CPU) a histogram counts whole bins, and only the pixels that share a bin with a given
    one are compared; elsewhere a sort has a fixed shape and waits for nobody.
    """
    maps = maps.detach()
    if eager_cpu(maps):
        found = [_by_histogram(m, p) for m, p in zip(maps, pixel, strict=True)]
        if not found:
            return pixel, pixel
        return torch.stack([f[0] for f in found]), torch.stack([f[1] for f in found])
    ordered = maps.sort(dim=1).values
    thresholds = maps.gather(1, pixel)
    total = maps.shape[1]
    at_least = total - torch.searchsorted(ordered, thresholds, right=False)
    return at_least, total - torch.searchsorted(ordered, thresholds, right=True)


def _by_histogram(values: Float[Tensor, " p"], pixel: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    low, high = (float(v) for v in torch.aminmax(values))
    span = high - low
    scale = (BINS - 2) / span if span > 0 else math.inf
    if scale < 1e30 and abs(low) * scale < 1e5:
        # rounding is monotone, so a smaller value never lands in a higher bin; nor does it reach beyond the spare bins
        start = values.new_tensor(1 - low * scale)
        bins = torch.add(start, values, alpha=scale).to(torch.int32)
    else:  # constant, not finite, or so far from 0 that float32 has no fraction left
        bins = torch.ones(values.shape, dtype=torch.int32)
    histogram = torch.bincount(bins, minlength=BINS + 1)
    own = bins[pixel].long()
    shared = torch.zeros(BINS + 1, dtype=torch.bool)
    shared[own] = True
    rivals = np.sort(_chosen(values.numpy(), shared.index_select(0, bins).numpy()))
    # pixels of higher bins that hold none of the given ones; the rivals of higher bins are counted by the search
    plain = torch.where(shared, 0, histogram)
    higher = (plain.sum() - plain.cumsum(0))[own]
    thresholds = values[pixel].numpy()
    left, right = (torch.from_numpy(np.searchsorted(rivals, thresholds, side)) for side in ("left", "right"))
    return higher + (len(rivals) - left), higher + (len(rivals) - right)


def _chosen(values: NDArray, mask: NDArray[np.bool_]) -> NDArray:
    """``values[mask]`` in any order; fast where few are chosen, and neighbours: eight are ruled out at once."""
    whole = len(mask) // 8 * 8
    words = np.flatnonzero(mask[:whole].view(np.uint64))
    some = values[:whole].reshape(-1, 8)[words][mask[:whole].reshape(-1, 8)[words]]
    return np.concatenate([some, values[whole:][mask[whole:]]])
