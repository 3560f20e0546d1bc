"""Pearson's correlation coefficient of two maps."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from haa.metrics.functional.maps import flat, moments, row_dot


def cc(prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Pearson's correlation coefficient of prediction and ground truth over the pixels.

    ``CC = cov(S, G) / (std(S) std(G))``. Follows pysaliency and the MIT benchmark; it depends on the sigma with which
    ``density`` was blurred, so state that.

    Args:
        prediction: saliency maps of any scale; a constant one scores 0 (NaN in the Matlab code).
        density: blurred fixation maps of any scale.

    Returns:
        Per sample in [-1, 1]; NaN where the ground truth is constant.

    Raises:
        InputError: if the shapes differ.

    Example:
        >>> cc(torch.tensor([[[0.0, 1.0, 2.0]]]), torch.tensor([[[1.0, 2.0, 5.0]]])).round(decimals=4)
        tensor([0.9608])

    Le Meur et al., Predicting visual fixations on video based on low-level visual features, Vision Research 2007.
    """
    mean_s, var_s, s = moments(flat(prediction))
    mean_g, var_g, g = moments(flat(density, like=prediction).to(s.dtype))
    covariance = row_dot(s, g)[:, None] / s.shape[1] - mean_s * mean_g
    # two square roots: the product of two small float32 variances can be zero
    scale = torch.where(var_s > 0, var_s, 1.0).sqrt() * torch.where(var_g > 0, var_g, 1.0).sqrt()
    value = torch.where(var_s == 0, 0.0, covariance / scale).clamp(-1.0, 1.0)
    return torch.where(var_g == 0, math.nan, value)[:, 0]
