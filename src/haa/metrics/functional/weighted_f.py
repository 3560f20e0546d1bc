"""Weighted F-measure: an object's errors are averaged with those around them, errors far from it weigh more."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from numpy.lib.stride_tricks import as_strided
from torch import Tensor

from haa.geometry.to_device import to_device
from haa.metrics.functional.passes import CHUNK, chunks, dot

# a 7 x 7 window reaches background pixels whose nearest object pixel is at most this far, squared
_NEAR = 18
_REACH = 4
_GAUSS = np.exp(-(np.arange(-3, 4) ** 2) / (2 * 5.0**2))
_GAUSS /= _GAUSS.sum()
# of equally near object pixels the leftmost decides, then the topmost, as in scipy's distance transform
_OFFSETS = sorted(
    (dy * dy + dx * dx, dx, dy)
    for dy, dx in product(range(-_REACH, _REACH + 1), repeat=2)
    if 0 < dy * dy + dx * dx <= _NEAR
)
_LEAST = float(np.spacing(1))
_DECAY = math.log(0.5) / 5


def f_weighted(
    area: Float[Tensor, " b"], inside: Float[Tensor, " b"], outside: Float[Tensor, " b"]
) -> Float[Tensor, " b"]:
    """Return the weighted F-measure from its sums, as PySODMetrics computes it; 0 where the mask is empty.

    Args:
        area: Number of object pixels.
        inside: Weighted errors inside the objects.
        outside: Weighted errors outside.

    Margolin et al., How to evaluate foreground maps?, CVPR 2014, with beta = 1.
    """
    hit = area - inside
    recall = 1 - inside / area.clamp_min(1)
    precision = hit / (hit + outside + _LEAST)
    return torch.where(area > 0, 2 * recall * precision / (recall + precision + _LEAST), 0.0)


def weighted_sums_anywhere(
    error: Float[Tensor, "b h w"], mask: Bool[Tensor, "b h w"]
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Return object pixels and the weighted errors inside and outside the objects, by operations of fixed shape.

    Args:
        error: Maps of ``abs(p - mask)``.
        mask: Masks of the objects.
    """
    h, w = mask.shape[1:]
    # first the distance to the nearest object pixel in the row, then the least sum of squares over the column
    x = torch.arange(w, device=mask.device).expand(mask.shape)

    def behind(mask: Tensor) -> Tensor:
        return x - torch.where(mask, x, -h - w).cummax(2).values

    across = torch.minimum(behind(mask), behind(mask.flip(2)).flip(2)).square()
    y = torch.arange(h, device=mask.device)[:, None]
    squared = across
    for k in range(h):
        squared = torch.minimum(squared, across[:, k : k + 1] + (y - k) ** 2)

    padded, object_at = F.pad(error, (_REACH,) * 4), F.pad(mask, (_REACH,) * 4)
    carried, open_ = error, ~mask
    for _, dx, dy in _OFFSETS:
        window = (slice(None), slice(_REACH + dy, _REACH + dy + h), slice(_REACH + dx, _REACH + dx + w))
        reached = open_ & object_at[window]
        carried = torch.where(reached, padded[window], carried)
        open_ = open_ & ~reached
    kernel = to_device(torch.from_numpy(np.outer(_GAUSS, _GAUSS)).to(error.dtype), error.device)
    smooth = F.conv2d(carried[:, None], kernel[None, None], padding=3)[:, 0]

    inside = torch.where(mask, torch.minimum(smooth, error), 0.0).sum((1, 2))
    weight = 2 - torch.exp(squared.to(error.dtype).sqrt() * _DECAY)
    return mask.sum((1, 2)).to(error.dtype), inside, torch.where(mask, 0.0, error * weight).sum((1, 2))


# From here on: one image on a CPU, in numpy. Branches on the data save most of the work.

# the weight by squared distance: 0 on an object; beyond 320 pixels it differs from 2 by less than 1e-19
_WEIGHT = 2 - np.exp(np.sqrt(np.arange(320**2 + 1)) * _DECAY)
_WEIGHT[0] = 0.0

# for each squared distance, the offsets at which the nearest object pixel may be, in the order of preference; rows have
# 8 entries, the last ones repeat
_DX, _DY = np.zeros((2, _NEAR + 1, 8), dtype=np.int64)
for _d in {d for d, _, _ in _OFFSETS}:
    _steps = [(dx, dy) for d, dx, dy in _OFFSETS if d == _d]
    _DX[_d], _DY[_d] = np.transpose([_steps[min(i, len(_steps) - 1)] for i in range(8)])

# the 7-tap Gaussian over 16 cells and their margin, as a matrix: a map is filtered by two matrix products per tile
_TILE = 16
_SPAN = _TILE + 2 * _REACH
_BAND = np.zeros((_TILE, _SPAN))
for _i in range(_TILE):
    _BAND[_i, _i + _REACH - 3 : _i + _REACH + 4] = _GAUSS


def weighted_sums(error: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> tuple[float, float, float]:
    """Return object pixels and the weighted errors inside and outside the objects of one image.

    Args:
        error: Map of ``abs(p - mask)``, float64.
        mask: Mask of the objects.
    """
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0.0, 0.0, float(error.sum())
    squared = _squared_distances(mask)
    # part by part: arrays as large as the image would leave the cache
    parts = chunks(error.ravel(), squared.ravel(), size=CHUNK // 4)
    outside = sum(dot(e, _WEIGHT.take(d.astype(np.intp), mode="clip")) for e, d in parts)

    # all that follows concerns the box around the objects: whole tiles with a margin, error 0 beyond the image
    top, left = rows[0] - _REACH, columns[0] - _REACH
    shape = [-(-(line[-1] - line[0] + 1) // _TILE) * _TILE + 2 * _REACH for line in (rows, columns)]
    y, x = max(top, 0), max(left, 0)
    part = squared[y : top + shape[0], x : left + shape[1]]
    box = slice(y - top, y - top + part.shape[0]), slice(x - left, x - left + part.shape[1])
    distance, carried = np.full(shape, _NEAR + 1, dtype=np.uint8), np.zeros(shape)
    distance[box], carried[box] = np.minimum(part, _NEAR + 1), error[y : top + shape[0], x : left + shape[1]]
    own = slice(_REACH, -_REACH)
    object_error = carried[own, own] * (distance[own, own] == 0)
    _carry(carried.ravel(), distance.ravel(), shape[1])
    inside = np.minimum(_smooth(carried), object_error, out=object_error).sum()
    return float(np.count_nonzero(mask)), float(inside), outside


def _smooth(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "_ _"]:
    """Return values filtered by the Gaussian, without their margin; each product is too small for threads of BLAS."""
    height, width = (side - 2 * _REACH for side in values.shape)
    down, across = values.strides
    bands = as_strided(values, (height // _TILE, _SPAN, values.shape[1]), (_TILE * down, down, across))
    filtered = (_BAND @ bands).reshape(height, -1)
    down, across = filtered.strides
    tiles = as_strided(filtered, (width // _TILE, height, _SPAN), (_TILE * across, down, across))
    return (tiles @ _BAND.T).transpose(1, 0, 2).reshape(height, width)


def _carry(error: np.ndarray, distance: np.ndarray, width: int) -> None:
    """Give background pixels near an object the error of their nearest object pixel, in place."""
    near = np.flatnonzero(distance - np.uint8(1) < _NEAR)  # 0, which is an object, wraps round to 255
    steps = (_DY * width + _DX)[distance[near]]
    # a step over the edge ends in the margin, where no object is
    first_object = (distance.take(near[:, None] + steps, mode="clip") == 0).argmax(1)
    error[near] = error[near + steps[np.arange(len(near)), first_object]]


def _squared_distances(mask: Bool[np.ndarray, "h w"]) -> Shaped[np.ndarray, "h w"]:
    """Return each pixel's squared distance to the nearest object pixel: by mahotas, or by scipy in twice the time."""
    try:  # here and not above: neither is imported by a run without salient objects
        import mahotas
    except ImportError:
        from scipy.ndimage import distance_transform_edt
    else:
        return mahotas.distance(~mask)  # whole numbers in float64
    # the distances are cheaper to compute from the indices than to ask scipy for
    dy, dx = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    dy -= np.arange(mask.shape[0], dtype=np.int32)[:, None]
    dx -= np.arange(mask.shape[1], dtype=np.int32)
    return dy * dy + dx * dx
