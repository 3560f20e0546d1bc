"""Area under the ROC curve with sampled negatives: other images' fixations, or random pixels."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn.functional import pad

from haa.errors import InputError
from haa.metrics.functional.flat_maps import flat, locate, mean_over


def auc_shuffled(
    prediction: Shaped[Tensor, "b h w"],
    fixations: Float[Tensor, "b n 2"],
    other_fixations: Float[Tensor, "b m 2"] | Float[Tensor, "m 2"],
    times: Float[Tensor, "b m"] | Float[Tensor, " m"] | None = None,
) -> Float[Tensor, " b"]:
    """Return shuffled AUC: fixations of this image against all those of the other images, a tie counts one half.

    ``sAUC = 1/n sum_i (#{S(y_j) < S(x_i)} + #{S(y_j) = S(x_i)} / 2) / m``. Both sets share the centre bias, so it
    earns nothing. Follows pysaliency's ``AUC(nonfixations="shuffled")`` of one image: every other fixation takes part,
    so nothing is drawn at random (the Matlab code draws 100 times from ten images, on 11 thresholds).

    Args:
        prediction: Saliency maps of any scale; a constant one scores 0.5.
        fixations: Points (x, y) in pixels of the map; NaN pads, and a point outside counts as padding.
        other_fixations: Fixations of the other images in pixels of this map (`haa.gaze.resize`), for the whole batch or
            per sample; NaN pads. `haa.metrics.AUCShuffled` collects them.
        times: How often each of these counts, so that millions may be given pixel by pixel; None is once.

    Returns:
        Value per sample in [0, 1]; 0.5 is chance; NaN without fixations or without those of other images.

    Raises:
        InputError: If the shapes do not fit together.

    Example:
        >>> maps = torch.tensor([[[0.1, 0.9, 0.5, 0.2]]])
        >>> auc_shuffled(maps, torch.tensor([[[2.0, 0.0]]]), torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]))
        tensor([0.5000])

    Zhang et al., SUN, Journal of Vision 2008; Kuemmerer et al., Saliency benchmarking made easy, ECCV 2018.
    """
    if other_fixations.ndim == 2:
        other_fixations = other_fixations.expand(len(prediction), *other_fixations.shape)
    if times is not None:
        times = times.expand(other_fixations.shape[:2])
    pixel, on = locate(fixations, prediction)
    other_pixel, other_on = locate(other_fixations, prediction)
    maps = flat(prediction)
    return _against(maps.gather(1, pixel), on, maps.gather(1, other_pixel), other_on, times)


def _against(
    hits: Tensor, on: Bool[Tensor, "b n"], negatives: Tensor, there: Bool[Tensor, "b m"], times: Tensor | None = None
) -> Tensor:
    """Return the mean over the valid hits of the share of valid negatives that each beats, a tie counts one half."""
    ordered, order = torch.where(there, negatives, math.inf).sort(dim=1)
    below = torch.searchsorted(ordered, hits, right=False)
    total = there.sum(1, keepdim=True)
    # padding is sorted to the end, among infinite values if there are any
    reached = torch.minimum(torch.searchsorted(ordered, hits, right=True), total)
    if times is not None:
        counted = pad(torch.where(there, times, 0.0).gather(1, order).cumsum(1), (1, 0))
        below, reached, total = counted.gather(1, below), counted.gather(1, reached), counted[:, -1:]
    beaten = (below + reached).to(hits.dtype) / (2 * total)
    has_nan = (on & hits.isnan()).any(1) | (there & negatives.isnan()).any(1)
    return torch.where(has_nan, math.nan, mean_over(beaten, on))


def _draws(splits: int, n: int, pixels: int, seed: int, device: torch.device) -> Tensor:
    """Return random pixels (splits, n), as a hash of their indices: each device's own generator would differ.

    Jarzynski and Olano, Hash functions for GPU rendering, JCGT 2020 (pcg).
    """
    mask = 0xFFFFFFFF
    # a fixation's draws do not depend on how many fixations follow it, so padding changes nothing
    number = torch.arange(n, device=device) * splits + torch.arange(splits, device=device)[:, None]
    state = ((number + (seed * 0x9E3779B1 & mask)) * 747796405 + 2891336453) & mask
    mixed = ((torch.bitwise_right_shift(state, (state >> 28) + 4) ^ state) * 277803737) & mask
    return (((mixed >> 22) ^ mixed) * pixels) >> 32


def auc_borji(
    prediction: Shaped[Tensor, "b h w"],
    fixations: Float[Tensor, "b n 2"],
    splits: int = 100,
    step: float | None = 0.1,
    seed: int = 0,
) -> Float[Tensor, " b"]:
    """Return AUC-Borji: fixations against as many random pixels, averaged over random draws.

    The prediction is stretched to [0, 1]; a draw's curve has one point per threshold ``0, step, 2 step ... 1``. Follows
    the Matlab code of the MIT benchmark, except that its draws are not reproducible and these are: sample i of a batch
    gets the same draws for the same ``seed`` on every device, and the other samples do not matter.

    Args:
        prediction: Saliency maps of any scale; a constant one scores 0.5.
        fixations: Points (x, y) in pixels of the map; NaN pads, and a point outside counts as padding.
        splits: Number of draws.
        step: Distance of two thresholds; None takes every value as a threshold, which gives the exact area.
        seed: Seed of the draws.

    Returns:
        Value per sample in [0, 1]; 0.5 is chance; NaN without fixations.

    Raises:
        InputError: If the shapes do not fit together, or ``splits`` or ``step`` are not positive.

    Example:
        >>> score = auc_borji(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]]), splits=4000)
        >>> abs(score.item() - 0.75) < 0.01  # a random pixel loses or ties
        True

    Borji et al., Analysis of scores, datasets, and models in visual saliency prediction, ICCV 2013.
    """
    if splits < 1 or (step is not None and not 0 < step <= 1):
        raise InputError(f"auc_borji got splits={splits}, step={step}: give at least 1, and a step up to 1 or None")
    pixel, on = locate(fixations, prediction)
    maps = flat(prediction)
    batch, n = pixel.shape
    low, high = maps.amin(1, keepdim=True), maps.amax(1, keepdim=True)
    maps = (maps - low) / torch.where(high > low, high - low, 1.0)
    drawn = _draws(splits, n, maps.shape[1], seed, maps.device)
    hits = maps.gather(1, pixel)
    negatives = maps.gather(1, drawn.flatten().expand(batch, -1)).view(batch, splits, n)
    if step is None:
        valid = on.repeat_interleave(splits, 0)
        scores = _against(hits.repeat_interleave(splits, 0), valid, negatives.flatten(0, 1), valid)
        return scores.view(batch, splits).mean(1)
    thresholds = torch.arange(int(1 / step + 1e-9), -1, -1, dtype=maps.dtype, device=maps.device) * step
    number = on.sum(1)
    hit_rate = ((hits[:, None] >= thresholds[:, None]) & on[:, None]).sum(2).to(maps.dtype) / number[:, None]
    alarm_rate = torch.stack([((negatives >= t) & on[:, None]).sum(2) for t in thresholds], 2)
    alarm_rate = alarm_rate.to(maps.dtype) / number[:, None, None]
    hit_rate, alarm_rate = (pad(pad(rate, (1, 0)), (0, 1), value=1.0) for rate in (hit_rate, alarm_rate))
    areas = (alarm_rate.diff(dim=2) * (hit_rate[:, None, 1:] + hit_rate[:, None, :-1])).sum(2) / 2
    return torch.where((number > 0) & ~high[:, 0].isnan(), areas.mean(1), math.nan)
