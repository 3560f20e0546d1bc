"""Normalised scanpath saliency."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.flat_maps import flat, locate, mean_over, moments
from haa.metrics.functional.passes import dot, enough_digits, image_by_image, total


def nss(prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> Float[Tensor, " b"]:
    """Return normalised scanpath saliency: the mean of the standardised prediction at the fixations.

    ``NSS = 1/n sum_i (S(x_i) - mean(S)) / std(S)``, with the population deviation. A pixel that is fixated twice counts
    twice. Follows pysaliency; the Matlab code of the MIT benchmark divides by N - 1 and counts such a pixel once.

    Args:
        prediction: Saliency maps of any scale; a constant one scores 0.
        fixations: Points (x, y) in pixels of the map, never a blurred map; NaN pads, and a point outside counts as
            padding.

    Returns:
        Value per sample; 0 is chance, higher is better; NaN without fixations.

    Raises:
        InputError: If the shapes do not fit together.

    Example:
        >>> nss(torch.tensor([[[0.0, 0.0, 3.0, 1.0]]]), torch.tensor([[[2.0, 0.0]]])).round(decimals=4)
        tensor([1.6330])

    Peters et al., Components of bottom-up gaze allocation in natural images, Vision Research 2005.
    """
    pixel, on = locate(fixations, prediction)
    return image_by_image(_mean_score, _mean_score_of_one, flat(prediction), pixel, on)


def _mean_score(maps: Float[Tensor, "b p"], pixel: Int[Tensor, "b n"], on: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    mean, variance, shifted = moments(maps)
    deviation = torch.where(variance > 0, variance, 1.0).sqrt()
    return mean_over((shifted.gather(1, pixel) - mean) / deviation, on)


def _mean_score_of_one(values: NDArray, pixel: NDArray, on: NDArray) -> float:
    """Return NSS of one image; NaN without fixations, and where the sums have too few digits."""
    mean, square = total(values) / len(values), dot(values, values) / len(values)
    chosen = values[pixel[on]]
    if not len(chosen) or not enough_digits(mean, square):
        return math.nan
    return (float(chosen.sum(dtype=np.float64)) / len(chosen) - mean) / math.sqrt(square - mean**2)
