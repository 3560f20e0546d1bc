"""Area under the ROC curve (AUC) with pixels as negatives: Judd's form and the exact one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from haa.metrics.functional.counting import count_reaching, reaching
from haa.metrics.functional.eager import eager_cpu
from haa.metrics.functional.flat_maps import flat, locate, mean_over
from haa.metrics.functional.passes import scores_of_each


def auc_judd(prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> Float[Tensor, " b"]:
    """Return AUC-Judd: fixations against the pixels that nobody fixated, with the fixated values as thresholds.

    At each fixated value v, the hit rate is the share of fixations with ``S >= v`` (repeated fixations count
    repeatedly). The false alarm rate is the share of never-fixated pixels with ``S >= v``. The area lies under the
    straight lines that join these points, (0, 0) and (1, 1). Follows pysaliency's ``AUC_Judd(jitter=False)``. The
    Matlab code adds noise to break ties, so the score of a map with many equal values changes from run to run; here
    equal values share a point of the curve.

    Args:
        prediction: Saliency maps of any scale; a constant one scores 0.5.
        fixations: Points (x, y) in pixels of the map; NaN pads, and a point outside counts as padding.

    Returns:
        Value per sample in [0, 1]; 0.5 is chance; NaN without fixations, or if no pixel is left as a negative.

    Raises:
        InputError: If the shapes do not fit together.

    Example:
        >>> auc_judd(torch.tensor([[[0.1, 0.9, 0.5, 0.2]]]), torch.tensor([[[2.0, 0.0]]])).round(decimals=4)
        tensor([0.8333])

    Judd et al., Learning to predict where humans look, ICCV 2009; Bylinskii et al., PAMI 2019.
    """
    return _at_fixations(_area_under_steps, _area_under_steps_of_one, prediction, fixations)


def _at_fixations(
    general: Callable[..., Tensor],
    quick: Callable[..., float],
    prediction: Shaped[Tensor, "b h w"],
    fixations: Float[Tensor, "b n 2"],
) -> Float[Tensor, " b"]:
    """Return ``general`` of maps, fixated pixels and which of these count; on a CPU ``quick`` of each image."""
    pixel, on = locate(fixations, prediction)
    maps = flat(prediction)
    if pixel.shape[1] == 0:
        return maps.new_full((len(maps),), math.nan)
    if eager_cpu(maps.detach()):
        return maps.new_tensor(scores_of_each(quick, maps, pixel, on))
    return general(maps, pixel, on)


def _area_under_steps(
    maps: Float[Tensor, "b p"], pixel: Int[Tensor, "b n"], on: Bool[Tensor, "b n"]
) -> Float[Tensor, " b"]:
    at_least, _, nan = count_reaching(maps, pixel)
    # sort the fixated values in falling order; padding goes to the end
    values = torch.where(on, maps.gather(1, pixel), -math.inf)
    order = values.argsort(dim=1, descending=True)
    values, pixel, at_least, on = (t.gather(1, order) for t in (values, pixel, at_least, on))
    hits = _last_of_run(on.cumsum(1), values)
    # a pixel that is fixated twice is taken out of the negatives once
    distinct = (on & _first_at_pixel(pixel, on)).cumsum(1)
    alarms = at_least - _last_of_run(distinct, values)

    n, negatives = hits.amax(1, keepdim=True), maps.shape[1] - distinct[:, -1:]
    hit_rate = torch.where(on, hits.to(maps.dtype) / n, 1.0)
    alarm_rate = torch.where(on, alarms.to(maps.dtype) / negatives, 1.0)
    # the curve begins at (0, 0) and ends at (1, 1)
    hit_rate, alarm_rate = (pad(pad(rate, (1, 0)), (0, 1), value=1.0) for rate in (hit_rate, alarm_rate))
    area = (alarm_rate.diff(dim=1) * (hit_rate[:, 1:] + hit_rate[:, :-1])).sum(1) / 2
    defined = on.any(1) & (negatives[:, 0] > 0) & ~nan
    return torch.where(defined, area, math.nan)


def _area_under_steps_of_one(values: NDArray, pixel: NDArray, on: NDArray) -> float:
    """Return AUC-Judd of one image; NaN where it has none."""
    pixel = pixel[on]
    at_pixels = np.unique(pixel)
    if not len(pixel) or len(at_pixels) == len(values):
        return math.nan
    thresholds, where = np.unique(values[pixel], return_index=True)
    at_least, _, nan = reaching(values, pixel[where])
    if nan:
        return math.nan
    hits = len(pixel) - np.searchsorted(np.sort(values[pixel]), thresholds)
    # a pixel that is fixated twice is taken out of the negatives once
    alarms = at_least - (len(at_pixels) - np.searchsorted(np.sort(values[at_pixels]), thresholds))
    hit_rate = np.concatenate([[1.0], hits / len(pixel), [0.0]])
    alarm_rate = np.concatenate([[1.0], alarms / (len(values) - len(at_pixels)), [0.0]])
    return float(((alarm_rate[:-1] - alarm_rate[1:]) * (hit_rate[1:] + hit_rate[:-1])).sum()) / 2


def auc_uniform(prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> Float[Tensor, " b"]:
    """Return the chance that a fixation beats a random pixel: AUC with all pixels as negatives, a tie counts one half.

    ``AUC = 1/n sum_i (#{S < S(x_i)} + #{S = S(x_i)} / 2) / (h w)``. Follows pysaliency's
    ``AUC(nonfixations="uniform")`` of one image.

    Args:
        prediction: Saliency maps of any scale; a constant one scores 0.5.
        fixations: Points (x, y) in pixels of the map; NaN pads, and a point outside counts as padding.

    Returns:
        Value per sample in [0, 1]; 0.5 is chance; NaN without fixations.

    Raises:
        InputError: If the shapes do not fit together.

    Example:
        >>> auc_uniform(torch.tensor([[[0.1, 0.9, 0.5, 0.2]]]), torch.tensor([[[2.0, 0.0]]]))
        tensor([0.6250])

    Kuemmerer et al., Saliency benchmarking made easy, ECCV 2018.
    """
    return _at_fixations(_share_beaten, _share_beaten_of_one, prediction, fixations)


def _share_beaten(
    maps: Float[Tensor, "b p"], pixel: Int[Tensor, "b n"], on: Bool[Tensor, "b n"]
) -> Float[Tensor, " b"]:
    at_least, more, nan = count_reaching(maps, pixel)
    beaten = maps.shape[1] - (at_least + more).to(maps.dtype) / 2
    area = mean_over(beaten / maps.shape[1], on)
    return torch.where(nan, math.nan, area)


def _share_beaten_of_one(values: NDArray, pixel: NDArray, on: NDArray) -> float:
    """Return the exact AUC of one image; NaN where it has none."""
    pixel = pixel[on]
    if not len(pixel):
        return math.nan
    at_least, more, nan = reaching(values, pixel)
    return math.nan if nan else 1 - float((at_least + more).sum()) / 2 / len(pixel) / len(values)


def _last_of_run(counts: Tensor, values: Tensor) -> Tensor:
    """Return for each value the count of the last of its equal neighbours; each row of ``counts`` never falls."""
    last = torch.ones_like(values, dtype=torch.bool)
    last[:, :-1] = values[:, 1:] != values[:, :-1]
    high = torch.where(last, counts, 2**62)
    return high.flip(1).cummin(1).values.flip(1)


def _first_at_pixel(pixel: Tensor, on: Tensor) -> Tensor:
    """Return a mask of the points that are the first valid one at their pixel."""
    key, order = torch.where(on, pixel, -1).sort(dim=1, stable=True)
    first = torch.ones_like(on)
    first[:, 1:] = key[:, 1:] != key[:, :-1]
    return torch.zeros_like(on).scatter(1, order, first)
