"""The weighted F-measure: errors near an object's border count together, errors far from it count more."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from torch import Tensor

from haa.metrics.functional.maps import eager_cpu

# a background pixel at distance d weighs 2 - exp(d log(1/2) / 5), which is 2 to nine digits from here on
_FAR = 160
# a 7 x 7 window reaches background pixels whose nearest object pixel is at most this far
_NEAR = 18
_GAUSS = np.exp(-(np.arange(-3, 4) ** 2) / (2 * 5.0**2))
_GAUSS /= _GAUSS.sum()
# of equally near object pixels the leftmost decides, then the topmost: what scipy's distance transform returns
_OFFSETS = sorted(
    ((dy * dy + dx * dx, dx, dy) for dy, dx in product(range(-4, 5), repeat=2) if 0 < dy * dy + dx * dx <= _NEAR)
)
_LEAST = float(np.spacing(1))


def f_weighted(p: Float[Tensor, "b h w"], mask: Bool[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """The weighted F-measure of predictions in [0, 1], as PySODMetrics computes it; 0 where the mask is empty.

    Margolin et al., How to evaluate foreground maps?, CVPR 2014, equations 8 to 12, with beta = 1.
    """
    error = torch.where(mask, 1 - p, p).abs()
    sums = _sums_in_numpy if eager_cpu(p, mask) else _sums_anywhere
    inside, outside = sums(error, mask)
    area = mask.sum((1, 2)).to(p.dtype)
    hit = area - inside
    recall = 1 - inside / area.clamp_min(1)
    precision = hit / (hit + outside + _LEAST)
    return torch.where(area > 0, 2 * recall * precision / (recall + precision + _LEAST), 0.0)


def _sums_anywhere(error: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted errors inside and outside the objects, in operations of fixed shape."""
    h, w = mask.shape[1:]
    # per row the distance to the nearest object pixel, then per column the least sum of squares
    x = torch.arange(w, device=mask.device).expand(mask.shape)

    def behind(mask: Tensor) -> Tensor:
        return x - torch.where(mask, x, -h - w).cummax(2).values

    across = torch.minimum(behind(mask), behind(mask.flip(2)).flip(2)).square()
    y = torch.arange(h, device=mask.device)[:, None]
    squared = across
    for k in range(h):
        squared = torch.minimum(squared, across[:, k : k + 1] + (y - k) ** 2)

    padded, object_at = F.pad(error, (4, 4, 4, 4)), F.pad(mask, (4, 4, 4, 4))
    carried, open_ = error, ~mask
    for _, dx, dy in _OFFSETS:
        window = (slice(None), slice(4 + dy, 4 + dy + h), slice(4 + dx, 4 + dx + w))
        here = open_ & object_at[window]
        carried = torch.where(here, padded[window], carried)
        open_ = open_ & ~here
    kernel = torch.tensor(np.outer(_GAUSS, _GAUSS), dtype=error.dtype, device=error.device)
    smooth = F.conv2d(carried[:, None], kernel[None, None], padding=3)[:, 0]

    inside = torch.where(mask, torch.minimum(smooth, error), 0.0).sum((1, 2))
    weight = 2 - torch.exp(squared.to(error.dtype).sqrt() * (math.log(0.5) / 5))
    return inside, torch.where(mask, 0.0, error * weight).sum((1, 2))


def _sums_in_numpy(error: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    sums = [_image_sums(e, m) for e, m in zip(error.numpy(), mask.numpy(), strict=True)]
    inside, outside = torch.tensor(sums, dtype=error.dtype).reshape(-1, 2).unbind(1)
    return inside, outside


def _image_sums(error: NDArray[np.floating], mask: NDArray[np.bool_]) -> tuple[float, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0, float(error.sum())
    squared = _squared_distance(mask, int(rows[0]), int(rows[-1]) + 1)
    outside = np.where(mask, 0, error)
    outer = 2 * float(outside.sum()) - float((outside * _FADE[squared]).sum())

    # only windows around object pixels matter
    top, bottom = max(rows[0] - 3, 0), min(rows[-1] + 4, len(mask))
    left, right = max(columns[0] - 3, 0), min(columns[-1] + 4, mask.shape[1])
    box = np.ascontiguousarray(error[top:bottom, left:right])
    object_at, distance = mask[top:bottom, left:right], squared[top:bottom, left:right]
    flat_mask, carried, width = object_at.ravel(), box.ravel().copy(), right - left
    near = np.flatnonzero((distance <= _NEAR) & ~object_at)
    distance, x = distance.ravel()[near], near % width
    for d in np.unique(distance):
        open_ = np.flatnonzero(distance == d)
        for _, dx, dy in (o for o in _OFFSETS if o[0] == d):
            target = near[open_] + (dy * width + dx)
            there = (target >= 0) & (target < len(flat_mask)) & (x[open_] + dx >= 0) & (x[open_] + dx < width)
            there[there] = flat_mask[target[there]]
            carried[near[open_[there]]] = box.ravel()[target[there]]
            open_ = open_[~there]
            if not len(open_):
                break
    smooth = correlate1d(carried.reshape(box.shape), _GAUSS, axis=0, mode="constant")
    smooth = correlate1d(smooth, _GAUSS, axis=1, mode="constant")
    return float(np.minimum(smooth, box)[object_at].sum()), outer


def _squared_distance(mask: NDArray[np.bool_], top: int, bottom: int) -> NDArray[np.uint16]:
    """The squared distance to the nearest object pixel, exact below `_FAR` squared; the objects' rows are given."""
    h, w = mask.shape
    x = np.arange(w, dtype=np.int16)
    here = mask[top:bottom]
    before = np.maximum.accumulate(np.where(here, x, np.int16(-_FAR)), axis=1)
    after = np.minimum.accumulate(np.where(here, x, np.int16(w + _FAR))[:, ::-1], axis=1)[:, ::-1]
    across = np.minimum(np.minimum(x - before, after - x), _FAR).astype(np.uint16) ** 2
    squared = np.full((h, w), _FAR**2, dtype=np.uint16)
    squared[top:bottom] = across
    sums = np.empty_like(across)
    for dy in range(1, min(h, _FAR)):
        if dy % 8 == 1 and dy * dy > int(squared.max()):
            break
        np.add(across, np.uint16(dy * dy), out=sums)
        low, high = max(top - dy, 0), bottom - dy
        if high > low:
            np.minimum(squared[low:high], sums[low - top + dy :], out=squared[low:high])
        low, high = top + dy, min(bottom + dy, h)
        if high > low:
            np.minimum(squared[low:high], sums[: high - low], out=squared[low:high])
    return squared


_FADE = np.exp(np.sqrt(np.arange(_FAR**2 + 1)) * (math.log(0.5) / 5))
_FADE[-1] = 0.0
