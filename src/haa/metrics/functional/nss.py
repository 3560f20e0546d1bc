"""Normalised scanpath saliency."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from haa.metrics.functional.maps import flat, locate, mean_over, moments


def nss(prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> Float[Tensor, " b"]:
    """Normalised scanpath saliency: the mean of the standardised prediction at the fixations.

    ``NSS = 1/n sum_i (S(x_i) - mean(S)) / std(S)``, with the population deviation. A pixel that is fixated twice counts
    twice. Follows pysaliency; the Matlab code of the MIT benchmark divides by N - 1 and counts such a pixel once.

    Args:
        prediction: saliency maps of any scale; a constant one scores 0.
        fixations: x, y in pixels of the map; NaN pads, points outside count as padding. Never a blurred map.

    Returns:
        Per sample; 0 is chance, higher is better; NaN without fixations.

    Raises:
        InputError: if the shapes do not fit together.

    Example:
        >>> nss(torch.tensor([[[0.0, 0.0, 3.0, 1.0]]]), torch.tensor([[[2.0, 0.0]]])).round(decimals=4)
        tensor([1.6330])

    Peters et al., Components of bottom-up gaze allocation in natural images, Vision Research 2005.
    """
    pixel, on = locate(fixations, prediction)
    mean, variance, shifted = moments(flat(prediction))
    deviation = torch.where(variance > 0, variance, 1.0).sqrt()
    values = (shifted.gather(1, pixel) - mean) / deviation
    return mean_over(values, on)
