"""Weighted F-measure: an object's errors are averaged with those around them, errors far from it weigh more."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from haa.geometry.to_device import to_device
from haa.metrics.functional.eager import eager_cpu

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


def f_weighted(error: Iterable[Float[Tensor, "h w"]], mask: Bool[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Return the weighted F-measure from ``abs(p - mask)``, as PySODMetrics computes it; 0 where the mask is empty.

    Args:
        error: Map of errors of each image: a tensor ``(b, h, w)``, or an iterable of maps (on a CPU only).
        mask: Masks of the objects.

    Margolin et al., How to evaluate foreground maps?, CVPR 2014, with beta = 1.
    """
    if isinstance(error, Tensor) and not eager_cpu(error, mask):
        area, inside, outside = _sums_anywhere(error, mask)
    else:
        buffer = torch.empty(mask.shape[1] * mask.shape[2], dtype=torch.float64)
        sums = [_image_sums(e.double(), m, buffer) for e, m in zip(error, mask, strict=True)]
        area, inside, outside = torch.tensor(sums, dtype=torch.float64).reshape(-1, 3).unbind(1)
    hit = area - inside
    recall = 1 - inside / area.clamp_min(1)
    precision = hit / (hit + outside + _LEAST)
    return torch.where(area > 0, 2 * recall * precision / (recall + precision + _LEAST), 0.0)


def _sums_anywhere(error: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return object pixels and the weighted errors inside and outside the objects, by operations of fixed shape."""
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


# From here on: one image on a CPU. Branches on the data save most of the work, and new memory costs as much as the
# arithmetic, so buffers are reused.

# the weight by squared distance: 0 on an object; beyond 320 pixels it differs from 2 by less than 1e-19
_WEIGHT = 2 - torch.exp(torch.arange(320**2 + 1, dtype=torch.float64).sqrt() * _DECAY)
_WEIGHT[0] = 0.0

# for each squared distance, the offsets at which the nearest object pixel may be, in the order of preference; rows have
# 8 entries, the last ones repeat
_DX, _DY = np.zeros((2, _NEAR + 1, 8), dtype=np.int64)
for _d in {d for d, _, _ in _OFFSETS}:
    _steps = [(dx, dy) for d, dx, dy in _OFFSETS if d == _d]
    _DX[_d], _DY[_d] = np.transpose([_steps[min(i, len(_steps) - 1)] for i in range(8)])

# the 7-tap Gaussian over 32 cells and their margin, as a matrix: a map is filtered by two matrix products per tile
_TILE = 32
_BAND = torch.zeros(_TILE + 2 * _REACH, _TILE, dtype=torch.float64)
for _i in range(_TILE):
    _BAND[_i + _REACH - 3 : _i + _REACH + 4, _i] = torch.from_numpy(_GAUSS)


def _image_sums(error: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"], buffer: Tensor) -> tuple[int, float, float]:
    rows, columns = (np.flatnonzero(mask.numpy().any(axis)) for axis in (1, 0))
    if not len(rows):
        return 0, 0.0, float(error.sum())
    squared = _squared_distances(mask)
    far = squared.clamp_(max=len(_WEIGHT) - 1).flatten()
    outside = error.flatten() @ torch.index_select(_WEIGHT, 0, far, out=buffer)

    # all that follows concerns the box around the objects: whole tiles with a margin, error 0 beyond the image
    top, left = rows[0] - _REACH, columns[0] - _REACH
    shape = [-(-(line[-1] - line[0] + 1) // _TILE) * _TILE + 2 * _REACH for line in (rows, columns)]
    y, x = max(top, 0), max(left, 0)
    image = slice(y, top + shape[0]), slice(x, left + shape[1])
    part = squared[image].clamp_max(_NEAR + 1)
    box = slice(y - top, y - top + part.shape[0]), slice(x - left, x - left + part.shape[1])
    distance, carried = torch.full(shape, _NEAR + 1, dtype=torch.uint8), torch.zeros(shape, dtype=torch.float64)
    distance[box], carried[box] = part, error[image]
    tiles = carried[_REACH:-_REACH, _REACH:-_REACH].unfold(0, _TILE, _TILE).unfold(1, _TILE, _TILE)
    objects = (distance == 0)[_REACH:-_REACH, _REACH:-_REACH].unfold(0, _TILE, _TILE).unfold(1, _TILE, _TILE)
    object_error = torch.where(objects, tiles, 0.0)

    _carry(carried.numpy().ravel(), distance.numpy().ravel(), shape[1])
    span = _TILE + 2 * _REACH
    smooth = (carried.unfold(0, span, _TILE) @ _BAND).unfold(1, span, _TILE) @ _BAND
    inside = torch.minimum(smooth, object_error, out=smooth).sum()
    return int(np.count_nonzero(mask.numpy())), float(inside), float(outside)


def _carry(error: np.ndarray, distance: np.ndarray, width: int) -> None:
    """Give background pixels near an object the error of their nearest object pixel, in place."""
    near = np.flatnonzero(distance - np.uint8(1) < _NEAR)  # 0, which is an object, wraps round to 255
    steps = (_DY * width + _DX)[distance[near]]
    # a step over the edge ends in the margin, where no object is
    first_object = (distance.take(near[:, None] + steps, mode="clip") == 0).argmax(1)
    error[near] = error[near + steps[np.arange(len(near)), first_object]]


def _squared_distances(mask: Bool[Tensor, "h w"]) -> Int[Tensor, "h w"]:
    """Return each pixel's squared distance to the nearest object pixel: by mahotas, or by scipy in twice the time."""
    try:  # here and not above: neither is imported by a run without salient objects
        import mahotas
    except ImportError:
        from scipy.ndimage import distance_transform_edt
    else:
        return torch.from_numpy(mahotas.distance(~mask.numpy())).int()
    # the distances are cheaper to compute from the indices than to ask scipy for
    y, x = distance_transform_edt(~mask.numpy(), return_distances=False, return_indices=True)
    dy, dx = torch.from_numpy(y), torch.from_numpy(x)
    dy -= torch.arange(mask.shape[0], dtype=torch.int32)[:, None]
    dx -= torch.arange(mask.shape[1], dtype=torch.int32)
    return dy.mul_(dy).add_(dx.mul_(dx))
