"""The measures of salient object detection: MAE, F-measure, weighted F-measure, S-measure and E-measure."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from haa.errors import InputError
from haa.metrics.functional.maps import eager_cpu, flat
from haa.metrics.functional.weighted_f import f_weighted

LEVELS = 256
# the references add the gap between 1 and the next float64 to every denominator
_LEAST = 2.0**-52


def salient_objects(prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"]) -> dict[str, Tensor]:
    """Every measure of salient object detection at once, per sample, as PySODMetrics computes them.

    As there, a prediction is stretched to [0, 1] image by image (which changes MAE; a constant one stays as it is, and
    must then lie in [0, 1], or [0, 255] if uint8), and a mask is true above 128 (above 0.5 if it is floating point).
    Thresholds t = 0 .. 255 compare ``floor(255 p) >= t``; the adaptive threshold is ``min(2 mean(p), 1)``.

    - ``mae``: mean absolute error.
    - ``f_adaptive``, ``f_mean``, ``f_max``: F-measure with beta^2 = 0.3, at the adaptive threshold, and the mean and
      the greatest of ``f_curve``. The field reports the greatest of the *data set's mean* curve: `haa.metrics.FMax`.
    - ``f_weighted``: see `haa.metrics.functional.weighted_f`; 0 for an empty mask.
    - ``s_measure``: structure measure, alpha = 0.5; ``1 - mean(p)`` for an empty mask, ``mean(p)`` for a full one.
      Where a prediction is constant in a quadrant, rounding decides the reference's value; here its variance is 0. An
      empty quadrant, which makes the reference's value NaN, weighs nothing.
    - ``e_adaptive``, ``e_mean``, ``e_max``: enhanced alignment, likewise, of ``e_curve``.
    - ``f_curve``, ``e_curve``, ``precision``, ``recall``: ``(b, 256)``, index t for threshold t.

    PySODMetrics reads uint8 predictions only. Floating point ones are not rounded to 256 levels here, so a saved PNG
    scores a little differently from the map that it was made of.

    Args:
        prediction: saliency maps.
        mask: the objects.

    Returns:
        name -> ``(b,)`` or ``(b, 256)``, float64 (float32 where a device has none).

    Raises:
        InputError: if the shapes differ.

    Example:
        >>> mask = torch.tensor([[[0, 0, 255, 255]]], dtype=torch.uint8)
        >>> scores = salient_objects(torch.tensor([[[0.0, 0.2, 0.6, 1.0]]]), mask)
        >>> {name: round(scores[name].item(), 4) for name in ("mae", "f_max", "s_measure")}
        {'mae': 0.15, 'f_max': 1.0, 's_measure': 0.8494}

    Achanta et al., CVPR 2009 (F); Margolin et al., CVPR 2014 (weighted F); Fan et al., ICCV 2017 (S); Fan et al., IJCAI
    2018 (E).
    """
    if prediction.shape != mask.shape:
        raise InputError(f"predictions of {tuple(prediction.shape)} and masks of {tuple(mask.shape)} differ: resize")
    flat(prediction)
    dtype = torch.float32 if prediction.device.type == "mps" else torch.float64
    p = _stretch(prediction.to(dtype) / 255 if prediction.dtype == torch.uint8 else prediction.to(dtype))
    truth = mask if mask.dtype == torch.bool else mask > (128 if mask.dtype == torch.uint8 else 0.5)
    h, w = truth.shape[1:]
    pixels = h * w
    objects = truth.sum((1, 2)).to(dtype)[:, None]

    hits, alarms = _reaching(p, truth)
    threshold = (2 * p.mean((1, 2), keepdim=True)).clamp_max(1.0)
    chosen = p >= threshold
    hit = (chosen & truth).sum((1, 2)).to(dtype)[:, None]
    alarm = chosen.sum((1, 2)).to(dtype)[:, None] - hit

    precision, recall, f_curve = _f_measure(hits, alarms, objects)
    e_curve = _e_measure(hits, alarms, objects, pixels)
    return {
        "mae": torch.where(truth, 1 - p, p).mean((1, 2)),
        "f_adaptive": _f_measure(hit, alarm, objects)[2][:, 0],
        "f_mean": f_curve.mean(1),
        "f_max": f_curve.amax(1),
        "f_weighted": f_weighted(p, truth),
        "s_measure": _s_measure(p, truth),
        "e_adaptive": _e_measure(hit, alarm, objects, pixels)[:, 0],
        "e_mean": e_curve.mean(1),
        "e_max": e_curve.amax(1),
        "f_curve": f_curve,
        "e_curve": e_curve,
        "precision": precision,
        "recall": recall,
    }


def _stretch(p: Tensor) -> Tensor:
    low, high = p.amin((1, 2), keepdim=True), p.amax((1, 2), keepdim=True)
    varies = high > low
    return (p - torch.where(varies, low, 0.0)) / torch.where(varies, high - low, 1.0)


def _reaching(p: Float[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]) -> tuple[Tensor, Tensor]:
    """How many object and how many other pixels reach each level."""
    batch = len(p)
    image = torch.arange(batch, device=p.device)[:, None, None]
    code = (p * (LEVELS - 1)).long() + LEVELS * (truth + 2 * image)
    if eager_cpu(p):
        counts = torch.bincount(code.flatten(), minlength=2 * LEVELS * batch)
    else:
        zeros = torch.zeros(2 * LEVELS * batch, dtype=torch.long, device=p.device)
        counts = zeros.scatter_add(0, code.flatten(), torch.ones_like(code.flatten()))
    counts = counts.view(batch, 2, LEVELS).flip(2).cumsum(2).flip(2).to(p.dtype)
    return counts[:, 1], counts[:, 0]


def _f_measure(hits: Tensor, alarms: Tensor, objects: Tensor, beta2: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    precision = hits / (hits + alarms).clamp_min(1)
    recall = hits / objects.clamp_min(1)
    above = (1 + beta2) * precision * recall
    return precision, recall, above / torch.where(above == 0, 1.0, beta2 * precision + recall)


def _e_measure(hits: Tensor, alarms: Tensor, objects: Tensor, pixels: int) -> Tensor:
    chosen = hits + alarms
    share_p, share_t = chosen / pixels, objects / pixels
    total = torch.zeros_like(chosen)
    for part, a, b in (
        (hits, 1 - share_p, 1 - share_t),
        (alarms, 1 - share_p, -share_t),
        (objects - hits, -share_p, 1 - share_t),
        (pixels - chosen - (objects - hits), -share_p, -share_t),
    ):
        aligned = 2 * (a * b) / (a**2 + b**2 + _LEAST)
        total = total + part * (aligned + 1) ** 2 / 4
    total = torch.where(objects == 0, pixels - chosen, torch.where(objects == pixels, chosen, total))
    return total / (pixels - 1 + _LEAST)


def _s_measure(p: Float[Tensor, "b h w"], truth: Bool[Tensor, "b h w"], alpha: float = 0.5) -> Float[Tensor, " b"]:
    h, w = truth.shape[1:]
    t = truth.to(p.dtype)
    per_row, per_column = t.sum(2), t.sum(1)
    objects = per_row.sum(1)
    y, x = (torch.arange(n, dtype=p.dtype, device=p.device) for n in (h, w))
    # the quadrants meet one pixel beyond the rounded centre of mass, as in the Matlab code
    below = y >= ((per_row * y).sum(1) / objects.clamp_min(1)).round()[:, None] + 1
    right = x >= ((per_column * x).sum(1) / objects.clamp_min(1)).round()[:, None] + 1
    rows = torch.stack([~below, below], 1).to(p.dtype)
    columns = torch.stack([~right, right], 1).to(p.dtype).mT

    def quadrants(values: Tensor) -> Float[Tensor, "b 4"]:
        return (rows @ values @ columns).flatten(1)

    n = (rows.sum(2)[:, :, None] * columns.sum(1)[:, None]).flatten(1)
    st, sp, spt = quadrants(t), quadrants(p), quadrants(p * t)
    spp, sppt = quadrants(p * p), quadrants(p * p * t)

    # region: structural similarity in each quadrant, weighted by its area
    mean_p, mean_t, free = sp / n.clamp_min(1), st / n.clamp_min(1), n - 1 + _LEAST
    var_p, var_t = (spp - sp * mean_p) / free, (st - st * mean_t) / free
    covariance = (spt - sp * mean_t) / free
    # what rounding leaves of a constant quadrant's variance would decide the quotient below
    noise = 4096 * torch.finfo(p.dtype).eps
    flat_p = var_p * free <= noise * spp
    var_p, covariance = torch.where(flat_p, 0.0, var_p), torch.where(flat_p, 0.0, covariance)
    above = 4 * mean_p * mean_t * covariance
    below_ = (mean_p**2 + mean_t**2) * (var_p + var_t)
    similar = torch.where(above != 0, above / (below_ + _LEAST), (below_ == 0).to(p.dtype))
    region = (torch.where(n > 0, similar, 0.0) * n).sum(1) / (h * w)

    # object: mean and deviation of the prediction in the objects, of its complement in the rest
    def uniform(count: Tensor, total: Tensor, squares: Tensor) -> Tensor:
        mean = total / count.clamp_min(1)
        spread = squares - total * mean
        deviation = (torch.where(spread > noise * squares, spread, 0.0) / (count - 1).clamp_min(1)).sqrt()
        return 2 * mean / (mean**2 + 1 + deviation + _LEAST)

    rest = h * w - objects
    total, squares = (sp - spt).sum(1), (spp - sppt).sum(1)
    inside = uniform(objects, spt.sum(1), sppt.sum(1))
    outside = uniform(rest, rest - total, rest - 2 * total + squares)
    share = objects / (h * w)
    score = (alpha * (inside * share + outside * (1 - share)) + (1 - alpha) * region).clamp_min(0.0)
    mean = sp.sum(1) / (h * w)
    return torch.where(objects == 0, 1 - mean, torch.where(rest == 0, mean, score))
