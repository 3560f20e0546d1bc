"""The weighted F-measure: errors near an object's border count together, errors far from it count more."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, distance_transform_edt
from torch import Tensor

from haa.metrics.functional.maps import eager_cpu

# a 7 x 7 window reaches background pixels whose nearest object pixel is at most this far
_NEAR = 18
_GAUSS = np.exp(-(np.arange(-3, 4) ** 2) / (2 * 5.0**2))
_GAUSS /= _GAUSS.sum()
# of equally near object pixels the leftmost decides, then the topmost: what scipy's distance transform returns
_OFFSETS = sorted(
    ((dy * dy + dx * dx, dx, dy) for dy, dx in product(range(-4, 5), repeat=2) if 0 < dy * dy + dx * dx <= _NEAR)
)
_LEAST = float(np.spacing(1))


def f_weighted(error: Float[Tensor, "b h w"], mask: Bool[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """The weighted F-measure from ``abs(p - mask)``, as PySODMetrics computes it; 0 where the mask is empty.

    Margolin et al., How to evaluate foreground maps?, CVPR 2014, equations 8 to 12, with beta = 1.
    """
    sums = _sums_in_numpy if eager_cpu(error, mask) else _sums_anywhere
    inside, outside = sums(error, mask)
    area = mask.sum((1, 2)).to(error.dtype)
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
    # the one expensive step; its indices give the distances too, more cheaply than asking for both
    nearest_y, nearest_x = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    dy = nearest_y - np.arange(mask.shape[0], dtype=np.int32)[:, None]
    dx = nearest_x - np.arange(mask.shape[1], dtype=np.int32)
    dy *= dy
    dx *= dx
    dy += dx
    fade = np.take(_FADE, dy.ravel(), mode="clip")
    outside = np.where(mask, 0, error).ravel()
    outer = 2 * float(outside.sum()) - float(outside @ fade)

    # only the 7 x 7 windows around object pixels matter
    box = slice(max(rows[0] - 3, 0), rows[-1] + 4), slice(max(columns[0] - 3, 0), columns[-1] + 4)
    carried = error.ravel().take(nearest_y[box] * mask.shape[1] + nearest_x[box])
    smooth = correlate1d(carried, _GAUSS, axis=0, mode="constant")
    smooth = correlate1d(smooth, _GAUSS, axis=1, mode="constant")
    least = np.minimum(smooth, error[box], out=smooth).ravel()
    return float(least @ mask[box].ravel()), outer


# exp(d log(1/2) / 5) by squared distance; what lies beyond 320 pixels has less than 1e-19
_FADE = np.exp(np.sqrt(np.arange(320**2 + 1)) * (math.log(0.5) / 5))
