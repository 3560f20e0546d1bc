"""The few sums from which every measure of salient objects but the weighted F-measure follows."""

from __future__ import annotations

from collections.abc import Iterator
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


def _halves(
    across: Shaped[Tensor, "b h"], down: Shaped[Tensor, "b w"], dtype: torch.dtype
) -> tuple[Bool[Tensor, "b h"], Bool[Tensor, "b w"]]:
    """Rows below and columns right of the rounded centre of mass and one pixel more, as in the Matlab code.

    Args:
        across: object pixels of each row.
        down: object pixels of each column.
        dtype: what to calculate in.
    """
    out = []
    for counts in (across.to(dtype), down.to(dtype)):
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

    t = truth.to(dtype)
    below, right = _halves(t.sum(2), t.sum(1), dtype)
    rows, columns = torch.stack([~below, below], 1).to(dtype), torch.stack([~right, right], 1).to(dtype).mT
    pp = p * p
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


def sums_of_levels(
    prediction: UInt8[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]
) -> tuple[Sums, Iterator[Float[Tensor, "h w"]]]:
    """The sums of uint8 predictions from one histogram each: over level, mask and quadrant; ``abs(p - t)`` one by one.

    For a CPU: an image's pixels are visited while they are in the cache, the histograms all at once. Each map of errors
    lives until the next one is asked for, which takes its memory.
    """
    h, w = truth.shape[1:]
    rows, columns = torch.empty(len(truth), h), torch.empty(len(truth), w)
    for t, across, down in zip(truth, rows, columns, strict=True):
        t = t.float()
        torch.mv(t, t.new_ones(w), out=across)
        torch.mv(t.mT, t.new_ones(h), out=down)
    below, right = (half.to(torch.int16) * (2 * LEVELS) for half in _halves(rows, columns, torch.float64))
    histograms = []
    for levels, t, bottom, east in zip(prediction, truth.view(torch.uint8), 2 * below, right, strict=True):
        # level + 256 mask + 512 quadrant
        code = levels.to(torch.int16).add_(t, alpha=LEVELS).add_(bottom[:, None]).add_(east)
        histograms.append(torch.bincount(code.flatten(), minlength=8 * LEVELS))
    counts = torch.stack(histograms).view(-1, 4, 2, LEVELS).double()

    level = torch.arange(LEVELS, dtype=torch.float64) / 255
    present = counts.sum((1, 2)) > 0
    low = torch.where(present, level, 1.0).amin(1, keepdim=True)
    high = torch.where(present, level, 0.0).amax(1, keepdim=True)
    varies = high > low
    p = (level - torch.where(varies, low, 0.0)) / torch.where(varies, high - low, 1.0)
    p = p.clamp(0.0, 1.0)  # levels that do not occur may lie outside
    rest, objects = counts.sum(1).unbind(1)
    place = (p * (LEVELS - 1)).long()
    alarms, hits = (
        torch.zeros_like(p).scatter_add_(1, place, many).flip(1).cumsum(1).flip(1) for many in (rest, objects)
    )

    def over(many: Tensor, values: Tensor) -> Float[Tensor, "b n"]:
        return (many @ values[:, :, None])[..., 0]

    mean = ((rest + objects) * p).sum(1, keepdim=True) / (h * w)
    chosen = (p >= (2 * mean).clamp_max(1.0)).double()
    n, t = counts.sum(2), counts[:, :, 1]
    found = Sums(
        objects=objects.sum(1, keepdim=True),
        error=(rest * p + objects * (1 - p)).sum(1),
        hits=hits,
        alarms=alarms,
        hit=(objects * chosen).sum(1, keepdim=True),
        alarm=(rest * chosen).sum(1, keepdim=True),
        n=n.sum(2),
        t=t.sum(2),
        p=over(n, p),
        pt=over(t, p),
        pp=over(n, p * p),
        ppt=over(t, p * p),
    )
    tables = torch.cat([p, 1 - p], 1)

    def errors() -> Iterator[Float[Tensor, "h w"]]:
        error = torch.empty(h * w, dtype=torch.float64)
        for table, levels, t in zip(tables, prediction, truth.view(torch.uint8), strict=True):
            pair = levels.to(torch.int32).add_(t, alpha=LEVELS)
            yield torch.index_select(table, 0, pair.flatten(), out=error).view(h, w)

    return found, errors()
