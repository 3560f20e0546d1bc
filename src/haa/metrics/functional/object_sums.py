"""The few sums from which every measure of salient objects but the weighted F-measure follows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor

LEVELS = 256


@dataclass(frozen=True)
class Sums:
    """Sums over a batch of stretched predictions p and masks t, float64 where the device has it.

    Args:
        objects: object pixels.
        error: of ``abs(p - t)``.
        hits: object pixels with ``floor(255 p) >= level``.
        alarms: other pixels, likewise.
        hit: object pixels with p at least the adaptive threshold, ``min(2 mean(p), 1)``.
        alarm: other pixels, likewise.
        n: pixels of the quadrants around the objects' centre of mass.
        t: of t in each quadrant; then of p, p t, p^2 and p^2 t.
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


def _halves(truth: Bool[Tensor, "b h w"], dtype: torch.dtype) -> tuple[Bool[Tensor, "b h"], Bool[Tensor, "b w"]]:
    """Rows below and columns right of the rounded centre of mass and one pixel more, as in the Matlab code."""
    t = truth.to(dtype)
    out = []
    for counts in (t.sum(2), t.sum(1)):
        place = torch.arange(counts.shape[1], dtype=dtype, device=counts.device)
        centre = (counts * place).sum(1) / counts.sum(1).clamp_min(1)
        out.append(place >= centre.round()[:, None] + 1)
    return out[0], out[1]


def sums_of_values(prediction: Shaped[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]) -> tuple[Sums, Tensor]:
    """The sums of any predictions in operations of fixed shape, and ``abs(p - t)``."""
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

    below, right = _halves(truth, dtype)
    rows, columns = torch.stack([~below, below], 1).to(dtype), torch.stack([~right, right], 1).to(dtype).mT
    t, pp = truth.to(dtype), p * p
    error = torch.where(truth, 1 - p, p).abs()

    def quadrants(values: Tensor) -> Float[Tensor, "b 4"]:
        return (rows @ values @ columns).flatten(1)

    st = quadrants(t)
    found = Sums(
        objects=st.sum(1, keepdim=True),
        error=error.sum((1, 2)),
        hits=reaching[:, 1],
        alarms=reaching[:, 0],
        hit=hit,
        alarm=chosen.sum((1, 2)).to(dtype)[:, None] - hit,
        n=(rows.sum(2)[:, :, None] * columns.sum(1)[:, None]).flatten(1),
        t=st,
        p=quadrants(p),
        pt=quadrants(p * t),
        pp=quadrants(pp),
        ppt=quadrants(pp * t),
    )
    return found, error


def sums_of_levels(prediction: UInt8[Tensor, "h w"], truth: Bool[Tensor, "h w"]) -> tuple[Sums, Tensor]:
    """The sums of one uint8 prediction from one histogram over level, mask and quadrant, and ``abs(p - t)``."""
    below, right = _halves(truth[None], torch.float32)
    # level + 256 mask + 512 quadrant; the first two also index the table of errors
    pair = prediction.to(torch.int32).add_(truth.to(torch.int32), alpha=LEVELS)
    quadrant = (2 * below[0, :, None].to(torch.int32) + right[0].to(torch.int32)).mul_(2 * LEVELS)
    counts = torch.bincount(quadrant.add_(pair).flatten(), minlength=8 * LEVELS).view(4, 2, LEVELS).double()

    present = counts.sum((0, 1)).nonzero()
    p = torch.arange(LEVELS, dtype=torch.float64) / 255
    low, high = p[present[0]], p[present[-1]]
    if bool(high > low):
        p = ((p - low) / (high - low)).clamp(0.0, 1.0)  # levels that do not occur may lie outside
    rest, objects = counts.sum(0)
    reaching = torch.zeros(2, LEVELS, dtype=torch.float64)
    reaching.index_add_(1, (p * (LEVELS - 1)).long(), torch.stack([rest, objects]))
    reaching = reaching.flip(1).cumsum(1).flip(1)
    chosen = (p >= min(2 * float((rest + objects) @ p) / truth.numel(), 1.0)).double()
    n, t = counts.sum(1), counts[:, 1]
    found = Sums(
        objects=objects.sum().view(1, 1),
        error=(rest @ p + objects @ (1 - p)).view(1),
        hits=reaching[1:],
        alarms=reaching[:1],
        hit=(objects @ chosen).view(1, 1),
        alarm=(rest @ chosen).view(1, 1),
        n=n.sum(1)[None],
        t=t.sum(1)[None],
        p=(n @ p)[None],
        pt=(t @ p)[None],
        pp=(n @ (p * p))[None],
        ppt=(t @ (p * p))[None],
    )
    errors = torch.cat([p, 1 - p])
    return found, errors.index_select(0, pair.flatten()).view(1, *truth.shape)
