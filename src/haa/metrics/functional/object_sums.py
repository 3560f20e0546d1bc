"""Sums over pixels from which every measure of salient objects follows, except the weighted F-measure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

LEVELS = 256


@dataclass(frozen=True)
class Sums:
    """Sums over a batch of stretched predictions p and masks t, float64 where the device has it.

    Args:
        objects: Number of object pixels.
        error: Sum of ``abs(p - t)``.
        hits: Number of object pixels with ``floor(255 p) >= level``, for each level.
        alarms: Number of other pixels with ``floor(255 p) >= level``, for each level.
        hit: Number of object pixels with p at least the adaptive threshold, ``min(2 mean(p), 1)``.
        alarm: Number of other pixels with p at least the adaptive threshold.
        n: Number of pixels in each quadrant around the objects' centre of mass.
        t: Sum of t in each quadrant.
        p: Sum of p in each quadrant.
        pt: Sum of p t in each quadrant.
        pp: Sum of p^2 in each quadrant.
        ppt: Sum of p^2 t in each quadrant.
    """

    objects: Float[Tensor, "b 1"]
    error: Float[Tensor, " b"]
    hits: Float[Tensor, "b 256"]
    alarms: Float[Tensor, "b 256"]
    hit: Float[Tensor, "b 1"]
    alarm: Float[Tensor, "b 1"]
    n: Float[Tensor, "b 4"]
    t: Float[Tensor, "b 4"]
    p: Float[Tensor, "b 4"]
    pt: Float[Tensor, "b 4"]
    pp: Float[Tensor, "b 4"]
    ppt: Float[Tensor, "b 4"]


def _halves(
    across: Shaped[Tensor, "b h"], down: Shaped[Tensor, "b w"], dtype: torch.dtype
) -> tuple[Bool[Tensor, "b h"], Bool[Tensor, "b w"]]:
    """Return the rows below and the columns right of the rounded centre of mass plus one, as the Matlab code does.

    Args:
        across: Number of object pixels in each row.
        down: Number of object pixels in each column.
        dtype: Type of the calculation.
    """
    out = []
    for counts in (across.to(dtype), down.to(dtype)):
        index = torch.arange(counts.shape[1], dtype=dtype, device=counts.device)
        centre = (counts * index).sum(1) / counts.sum(1).clamp_min(1)
        out.append(index >= centre.round()[:, None] + 1)
    return out[0], out[1]


def sums_of_values(prediction: Shaped[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]) -> tuple[Sums, Tensor]:
    """Return the sums of any predictions, by operations of fixed shape, and ``abs(p - t)``."""
    dtype = torch.float32 if prediction.device.type == "mps" else torch.float64
    p = prediction.to(dtype) / 255 if prediction.dtype == torch.uint8 else prediction.to(dtype)
    low, high = p.amin((1, 2), keepdim=True), p.amax((1, 2), keepdim=True)
    varies = high > low
    p = (p - torch.where(varies, low, 0.0)) / torch.where(varies, high - low, 1.0)
    batch = len(p)

    image = torch.arange(batch, device=p.device)[:, None, None]
    code = ((p * (LEVELS - 1)).long() + LEVELS * (truth + 2 * image)).flatten()
    counts = torch.zeros(2 * LEVELS * batch, dtype=torch.long, device=p.device)
    counts = counts.scatter_add(0, code, torch.ones_like(code)).view(batch, 2, LEVELS)
    reaching = counts.flip(2).cumsum(2).flip(2).to(dtype)
    chosen = p >= (2 * p.mean((1, 2), keepdim=True)).clamp_max(1.0)
    hit = (chosen & truth).sum((1, 2)).to(dtype)[:, None]

    t = truth.to(dtype)
    below, right = _halves(t.sum(2), t.sum(1), dtype)
    rows, columns = torch.stack([~below, below], 1).to(dtype), torch.stack([~right, right], 1).to(dtype).mT
    pp = p * p
    error = torch.where(truth, 1 - p, p).abs()

    def quadrants(values: Tensor) -> Float[Tensor, "b 4"]:
        return (rows @ values @ columns).flatten(1)

    t_sums = quadrants(t)
    sums = Sums(
        objects=t_sums.sum(1, keepdim=True),
        error=error.sum((1, 2)),
        hits=reaching[:, 1],
        alarms=reaching[:, 0],
        hit=hit,
        alarm=chosen.sum((1, 2)).to(dtype)[:, None] - hit,
        n=(rows.sum(2)[:, :, None] * columns.sum(1)[:, None]).flatten(1),
        t=t_sums,
        p=quadrants(p),
        pt=quadrants(p * t),
        pp=quadrants(pp),
        ppt=quadrants(pp * t),
    )
    return sums, error
