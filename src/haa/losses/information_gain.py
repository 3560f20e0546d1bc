"""Information gain of the attention over a baseline at people's fixations, as a loss."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from haa.gaze import counts
from haa.geometry.to_device import to_device
from haa.losses.maps import density


def information_gain(
    attention: Float[Tensor, "b h w"],
    fixations: Float[Tensor, "b n 2"],
    baseline: Float[Tensor, "i j"] | None = None,
    floor: float = 1e-6,
) -> Float[Tensor, " b"]:
    r"""Return minus the information gain over a baseline, in bits per fixation, of the attention as a density.

    .. math:: -\frac1n \sum_{i=1}^n \log_2 A(x_i) - \log_2 B(x_i)

    Kümmerer et al., PNAS 2015. The gradient is that of the fixations' likelihood, whatever the baseline. The baseline
    only moves the zero: below zero, the attention tells more of the fixations than the baseline does.

    Args:
        attention: The model's map, non-negative; it need not sum to 1.
        fixations: Fixations, x and y in pixels of ``attention`` (`haa.gaze`'s convention). NaN pads; points outside
            count nowhere. A sample without any gives 0 (mask it).
        baseline: Positive map, such as a centre bias, which is resized to ``attention``'s size. None is the uniform
            density.
        floor: Share of a uniform density that is mixed into ``attention``, so that a fixation on a cell without
            attention costs a finite amount.

    Returns:
        One value per sample, float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> information_gain(torch.tensor([[[4.0, 2.0, 1.0, 1.0]]]), torch.tensor([[[0.0, 0.0]]])).round(decimals=4)
        tensor([-1.])
    """
    with torch.autocast(attention.device.type, enabled=False):
        size = (attention.shape[1], attention.shape[2])
        gain = density(attention, floor).log2()
        if baseline is None:
            gain = gain + math.log2(size[0] * size[1])
        else:
            prior = to_device(baseline, gain.device)[None, None].to(gain.dtype)
            prior = interpolate(prior, size, mode="bilinear", align_corners=False)[0]
            gain = gain - density(prior, floor).log2()
        fixation_counts = counts(fixations.to(gain.dtype), size)
        return -(fixation_counts * gain).sum((1, 2)) / fixation_counts.sum((1, 2)).clamp_min(1)
