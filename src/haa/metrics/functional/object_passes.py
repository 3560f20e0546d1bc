"""The sums of `haa.metrics.functional.object_sums` for images on a CPU: one at a time, in numpy, by several threads.

An image's pixels are read while they are in the cache. Those of a uint8 prediction are counted by level, mask and
quadrant, and every sum but the weighted ones follows from the counts.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.object_sums import LEVELS, Sums
from haa.metrics.functional.weighted_f import weighted_sums

Floats = NDArray[np.float64]


def sums_of_images(
    prediction: Shaped[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]
) -> tuple[Sums, tuple[Tensor, Tensor, Tensor]]:
    """Return the sums, and object pixels and weighted errors inside and outside the objects, of predictions on a CPU.

    All are NaN where a prediction holds NaN or infinity.
    """
    if prediction.dtype == torch.bfloat16:  # which numpy does not have
        prediction = prediction.float()
    pairs = zip(prediction.detach().numpy(), truth.numpy(), strict=True)
    rows = torch.from_numpy(np.stack([_sums_of_one(*pair) for pair in pairs]))
    one, curves, quadrants = rows.split([7, 2 * LEVELS, 6 * 4], dim=1)
    objects, error, hit, alarm, area, inside, outside = one.unbind(1)
    hits, alarms = curves.split(LEVELS, dim=1)
    n, t, p, pt, pp, ppt = quadrants.split(4, dim=1)
    columns = objects[:, None], error, hits, alarms, hit[:, None], alarm[:, None]
    return Sums(*columns, n, t, p, pt, pp, ppt), (area, inside, outside)


def _sums_of_one(prediction: NDArray, mask: NDArray) -> Floats:
    """Return all sums of one image as a row."""
    centre = [_after_centre(np.count_nonzero(mask, axis=axis)) for axis in (1, 0)]
    by_level = prediction.dtype == np.uint8
    found = (_sums_of_levels if by_level else _sums_of_values)(prediction, mask, centre)
    if found is None:
        return np.full(7 + 2 * LEVELS + 6 * 4, np.nan)
    (objects, total, hit, alarm, hits, alarms, quadrants), error = found
    with np.errstate(all="ignore"):
        weighted = weighted_sums(error, mask)
    return np.concatenate([(objects, total, hit, alarm), weighted, hits, alarms, quadrants.ravel()])


_Found = tuple[tuple[float, float, float, float, Floats, Floats, Floats], Floats]


def _after_centre(counts: NDArray[np.int64]) -> int:
    """Return the first row (or column) that lies at least 1 after the rounded centre of mass of the object pixels."""
    centre = float(counts @ np.arange(len(counts))) / max(int(counts.sum()), 1)
    return min(round(centre) + 1, len(counts))


def _at_least(counts: Floats) -> Floats:
    """Return how many pixels reach each level."""
    return np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]


def _sums_of_levels(levels: NDArray[np.uint8], mask: NDArray[np.bool_], centre: list[int]) -> _Found:
    # level + 256 mask + 512 right + 1024 below
    code = np.multiply(mask, np.int16(LEVELS), dtype=np.int16)
    code += levels
    code[:, centre[1] :] += np.int16(2 * LEVELS)
    code[centre[0] :] += np.int16(4 * LEVELS)
    index = code.astype(np.intp).ravel()
    counts = np.bincount(index, minlength=8 * LEVELS).reshape(4, 2, LEVELS).astype(np.float64)
    others, objects = counts.sum(0)

    level = np.arange(LEVELS) / 255
    low, high = level[np.flatnonzero(others + objects)[[0, -1]]]
    # levels that do not occur may lie outside
    p = ((level - low) / (high - low)).clip(0.0, 1.0) if high > low else level
    by_level = np.zeros((2, LEVELS))
    for total, pixels in zip(by_level, (others, objects), strict=True):
        np.add.at(total, (p * (LEVELS - 1)).astype(np.intp), pixels)
    alarms, hits = _at_least(by_level)
    chosen = p >= min(2 * float((others + objects) @ p) / levels.size, 1.0)
    n, t = counts.sum(1), counts[:, 1]
    quadrants = np.stack([n.sum(1), t.sum(1), n @ p, t @ p, n @ (p * p), t @ (p * p)])
    total_error = others @ p + objects @ (1 - p)
    error = np.tile(np.concatenate([p, 1 - p]), 4).take(index, mode="clip").reshape(mask.shape)
    hit, alarm = objects @ chosen, others @ chosen
    return (objects.sum(), total_error, hit, alarm, hits, alarms, quadrants), error


def _sums_of_values(prediction: NDArray, mask: NDArray[np.bool_], centre: list[int]) -> _Found | None:
    low, high = float(prediction.min()), float(prediction.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    p = prediction.astype(np.float64)
    if high > low:
        p -= low
        p /= high - low
    index = (p * (LEVELS - 1)).astype(np.intp)
    index[mask] += LEVELS
    others, objects = np.bincount(index.ravel(), minlength=2 * LEVELS).reshape(2, LEVELS).astype(np.float64)
    alarms, hits = _at_least(np.stack([others, objects]))
    chosen = p >= min(2 * p.mean(), 1.0)
    hit = int(np.count_nonzero(chosen & mask))

    t = mask.astype(np.float64)
    pt = p * t
    (row, column), (h, w) = centre, mask.shape
    n = np.outer([row, h - row], [column, w - column]).ravel()
    parts: list[tuple[Floats, Floats | None]] = [(t, None), (p, None), (pt, None), (p, p), (pt, pt)]
    quadrants = np.stack([n, *(_over_quadrants(values, times, centre) for values, times in parts)])
    error = np.subtract(p, t, out=t)
    np.abs(error, out=error)
    alarm = int(np.count_nonzero(chosen)) - hit
    return (float(objects.sum()), float(error.sum()), hit, alarm, hits, alarms, quadrants), error


def _over_quadrants(values: Floats, times: Floats | None, centre: list[int]) -> Floats:
    """Return the sums of values (times others) above left, above right, below left and below right of the centre."""
    row, column = centre
    above, below = (
        values[half].sum(0) if times is None else np.einsum("ij,ij->j", values[half], times[half])
        for half in (slice(row), slice(row, None))
    )
    return np.array([part.sum() for half in (above, below) for part in (half[:column], half[column:])])
