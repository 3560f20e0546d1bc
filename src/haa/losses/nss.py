"""Normalised scanpath saliency of the attention at people's fixations, as a loss."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.gaze import counts
from haa.losses.maps import standardised


def nss(attention: Float[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"], eps: float = 1e-6) -> Float[Tensor, " b"]:
    r"""Return minus the mean of the standardised attention at the fixations.

    .. math:: -\frac1n \sum_{i=1}^n \frac{A(x_i) - \bar A}{\sigma_A}

    Peters et al. (Vision Research 2005); as a training loss see Droste et al., UNISAL (ECCV 2020). It has no
    lower bound: on a coarse grid, its minimum is a map that puts everything into the one cell that people look at.

    Args:
        attention: The model's map, any real values; a flat map gives 0.
        fixations: Fixations, x and y in pixels of ``attention`` (`haa.gaze`'s convention). NaN pads; points outside
            count nowhere. A sample without any gives 0 (mask it).
        eps: Number added to the standard deviation, relative to the map's largest magnitude.

    Returns:
        One value per sample, float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> nss(torch.tensor([[[0.0, 0.0, 3.0, 1.0]]]), torch.tensor([[[2.0, 0.0]]])).round(decimals=4)
        tensor([-1.6330])
    """
    with torch.autocast(attention.device.type, enabled=False):
        standard = standardised(attention, eps)
        fixation_counts = counts(fixations.to(standard.dtype), (attention.shape[1], attention.shape[2]))
        return -(fixation_counts * standard).sum((1, 2)) / fixation_counts.sum((1, 2)).clamp_min(1)
