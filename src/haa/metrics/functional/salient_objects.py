"""Measures of salient object detection: MAE, F-measure, weighted F-measure, S-measure and E-measure."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from haa.errors import InputError
from haa.metrics.functional.eager import eager_cpu
from haa.metrics.functional.flat_maps import flat
from haa.metrics.functional.object_passes import sums_of_images
from haa.metrics.functional.object_sums import Sums, sums_of_values
from haa.metrics.functional.weighted_f import f_weighted, weighted_sums_anywhere

# the references add the gap between 1 and the next float64 to every denominator
_LEAST = 2.0**-52


def salient_objects(prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"]) -> dict[str, Tensor]:
    """Return every measure of salient object detection at once, per sample, as PySODMetrics computes them.

    As there, a prediction is stretched to [0, 1] image by image, which changes MAE. A constant one stays as it is, and
    must then lie in [0, 1], or [0, 255] if uint8. A mask is true from 128 on; where none of its
    values reaches that, they number objects, and those above 0 are; of floating point, above 0.5 (`of_objects`).
    Thresholds t = 0 .. 255 compare ``floor(255 p) >= t``; the adaptive threshold is ``min(2 mean(p), 1)``.

    - ``mae``: mean absolute error.
    - ``f_adaptive``, ``f_mean``, ``f_max``: F-measure with beta^2 = 0.3, at the adaptive threshold, and the mean and
      the greatest of ``f_curve``. The field reports the greatest of the *data set's mean* curve: `haa.metrics.FMax`.
    - ``f_weighted``: see `haa.metrics.functional.weighted_f`; 0 for an empty mask.
    - ``s_measure``: structure measure, alpha = 0.5; ``1 - mean(p)`` for an empty mask, ``mean(p)`` for a full one.
      Where a prediction is constant in a quadrant, rounding decides the reference's value; here its variance is 0. An
      empty quadrant, which makes the reference's value NaN, weighs nothing.
    - ``e_adaptive``, ``e_mean``, ``e_max``: enhanced alignment at the adaptive threshold, and the mean and the greatest
      of ``e_curve``.
    - ``f_curve``, ``e_curve``, ``precision``, ``recall``: ``(b, 256)``, index t for threshold t.

    All are NaN where a prediction holds NaN or infinity, as a model's that diverged.

    PySODMetrics takes a mask's value of 128 for background. It reads uint8 predictions only. Floating point ones are
    not rounded to 256 levels here, so a saved PNG scores a little differently from the map that it was made from.

    Args:
        prediction: Saliency maps.
        mask: Masks of the objects.

    Returns:
        Dict name -> ``(b,)`` or ``(b, 256)``, float64 (float32 where the device has no float64).

    Raises:
        InputError: If the shapes differ.

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
    truth = of_objects(mask)
    pixels = truth.shape[1] * truth.shape[2]
    if len(prediction) and eager_cpu(prediction, truth):
        sums, weighted = sums_of_images(prediction, truth)
        return _unless(sums.error.isnan(), _scores(sums, f_weighted(*weighted), pixels))
    if not prediction.is_floating_point():
        return _scores_anywhere(prediction, truth)
    infinite = ~prediction.isfinite().flatten(1).all(1)
    return _unless(infinite, _scores_anywhere(torch.where(infinite[:, None, None], 0.0, prediction), truth))


def of_objects(mask: Shaped[Tensor, "b h w"]) -> Bool[Tensor, "b h w"]:
    """Return which pixels of masks belong to objects, as `haa.data.files.mask` reads them from files.

    Example:
        >>> of_objects(torch.tensor([[[0, 1]], [[127, 128]]], dtype=torch.uint8))
        tensor([[[False,  True]],
        <BLANKLINE>
                [[False,  True]]])
    """
    if mask.dtype != torch.uint8:
        return mask if mask.dtype == torch.bool else mask > 0.5
    reaches_half = mask.flatten(1).amax(1) > 127 if mask.numel() else mask.flatten(1).any(1)
    # of the mask's own type: a comparison with another converts every pixel
    return mask > torch.where(reaches_half, 127, 0).to(torch.uint8)[:, None, None]


def _unless(undefined: Bool[Tensor, " b"], scores: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: torch.where(undefined.view(-1, *[1] * (values.ndim - 1)), torch.nan, values)
        for name, values in scores.items()
    }


def _scores_anywhere(prediction: Shaped[Tensor, "b h w"], truth: Bool[Tensor, "b h w"]) -> dict[str, Tensor]:
    sums, error = sums_of_values(prediction, truth)
    return _scores(sums, f_weighted(*weighted_sums_anywhere(error, truth)), truth.shape[1] * truth.shape[2])


def _scores(sums: Sums, weighted: Float[Tensor, " b"], pixels: int) -> dict[str, Tensor]:
    objects = sums.objects
    precision, recall, f_curve = _f_measure(sums.hits, sums.alarms, objects)
    e_curve = _e_measure(sums.hits, sums.alarms, objects, pixels)
    return {
        "mae": sums.error / pixels,
        "f_adaptive": _f_measure(sums.hit, sums.alarm, objects)[2][:, 0],
        "f_mean": f_curve.mean(1),
        "f_max": f_curve.amax(1),
        "f_weighted": weighted,
        "s_measure": _s_measure(sums),
        "e_adaptive": _e_measure(sums.hit, sums.alarm, objects, pixels)[:, 0],
        "e_mean": e_curve.mean(1),
        "e_max": e_curve.amax(1),
        "f_curve": f_curve,
        "e_curve": e_curve,
        "precision": precision,
        "recall": recall,
    }


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


def _s_measure(found: Sums, alpha: float = 0.5) -> Float[Tensor, " b"]:
    n, st, sp, spt, spp, sppt = found.n, found.t, found.p, found.pt, found.pp, found.ppt
    objects = found.objects[:, 0]
    pixels = n.sum(1)
    # region part: structural similarity in each quadrant, weighted by the quadrant's area
    mean_p, mean_t, free = sp / n.clamp_min(1), st / n.clamp_min(1), n - 1 + _LEAST
    var_p, var_t = (spp - sp * mean_p) / free, (st - st * mean_t) / free
    covariance = (spt - sp * mean_t) / free
    # in a constant quadrant only rounding errors remain of the variance, and they would decide the quotient below
    noise = 4096 * torch.finfo(sp.dtype).eps
    flat_p = var_p * free <= noise * spp
    var_p, covariance = torch.where(flat_p, 0.0, var_p), torch.where(flat_p, 0.0, covariance)
    above = 4 * mean_p * mean_t * covariance
    below = (mean_p**2 + mean_t**2) * (var_p + var_t)
    similar = torch.where(above != 0, above / (below + _LEAST), (below == 0).to(sp.dtype))
    region = (torch.where(n > 0, similar, 0.0) * n).sum(1) / pixels

    # object part: mean and deviation of the prediction in the objects, and of its complement in the background
    def uniform(count: Tensor, total: Tensor, squares: Tensor) -> Tensor:
        mean = total / count.clamp_min(1)
        spread = squares - total * mean
        deviation = (torch.where(spread > noise * squares, spread, 0.0) / (count - 1).clamp_min(1)).sqrt()
        return 2 * mean / (mean**2 + 1 + deviation + _LEAST)

    background = pixels - objects
    total, squares = (sp - spt).sum(1), (spp - sppt).sum(1)
    inside = uniform(objects, spt.sum(1), sppt.sum(1))
    outside = uniform(background, background - total, background - 2 * total + squares)
    share = objects / pixels
    score = (alpha * (inside * share + outside * (1 - share)) + (1 - alpha) * region).clamp_min(0.0)
    mean = sp.sum(1) / pixels
    return torch.where(objects == 0, 1 - mean, torch.where(background == 0, mean, score))
