"""Pearson's correlation coefficient of two maps."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.flat_maps import flat, moments
from haa.metrics.functional.passes import CHUNK, chunks, dot, enough_digits, image_by_image, total


def cc(prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Return Pearson's correlation coefficient of prediction and ground truth over the pixels.

    ``CC = cov(S, G) / (std(S) std(G))``. Follows pysaliency and the MIT benchmark. The value depends on the sigma with
    which ``density`` was blurred, so report the sigma.

    Args:
        prediction: Saliency maps of any scale; a constant one scores 0 (NaN in the Matlab code).
        density: Blurred fixation maps of any scale.

    Returns:
        Value per sample in [-1, 1]; NaN where the ground truth is constant.

    Raises:
        InputError: If the shapes differ.

    Example:
        >>> cc(torch.tensor([[[0.0, 1.0, 2.0]]]), torch.tensor([[[1.0, 2.0, 5.0]]])).round(decimals=4)
        tensor([0.9608])

    Le Meur et al., Predicting visual fixations on video based on low-level visual features, Vision Research 2007.
    """
    s = flat(prediction)
    return image_by_image(_correlation, _from_five_sums, s, flat(density, like=prediction).to(s.dtype))


def _correlation(s: Float[Tensor, "b p"], g: Float[Tensor, "b p"]) -> Float[Tensor, " b"]:
    mean_s, var_s, s = moments(s)
    mean_g, var_g, g = moments(g)
    covariance = (s * g).sum(1, keepdim=True) / s.shape[1] - mean_s * mean_g
    # two square roots: the product of two small float32 variances can be zero
    scale = torch.where(var_s > 0, var_s, 1.0).sqrt() * torch.where(var_g > 0, var_g, 1.0).sqrt()
    value = torch.where(var_s == 0, 0.0, covariance / scale).clamp(-1.0, 1.0)
    return torch.where(var_g == 0, math.nan, value)[:, 0]


def _from_five_sums(s: NDArray, g: NDArray) -> float:
    """Return CC of one image from the sums of s, g and their products; NaN where these have too few digits."""
    sums = np.zeros(5)
    # half an image at a time: the parts of both maps stay in the cache for all five sums
    for a, b in chunks(s, g, size=2 * CHUNK):
        sums += total(a), dot(a, a), dot(a, b), dot(b, b), total(b)
    mean_s, ss, sg, gg, mean_g = (sums / len(s)).tolist()
    if not (enough_digits(mean_s, ss) and enough_digits(mean_g, gg)):
        return math.nan
    value = (sg - mean_s * mean_g) / math.sqrt((ss - mean_s**2) * (gg - mean_g**2))
    return min(max(value, -1.0), 1.0)
