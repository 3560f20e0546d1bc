"""Kullback-Leibler divergence of two densities, in its two published forms."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.eager import eager_cpu
from haa.metrics.functional.flat_maps import density_parts, flat
from haa.metrics.functional.passes import CHUNK, chunks, dot, image_by_image, total


def kl_divergence(
    prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"], minimum: float = 1e-20
) -> Float[Tensor, " b"]:
    """Return the Kullback-Leibler divergence of the prediction from the ground truth, in nats.

    ``KL = sum_i q_i log(q_i / p_i)``, where q is the ground truth and p the prediction. ``minimum`` is added to every
    pixel of both before they are divided by their sums. Follows pysaliency's ``image_based_kl_divergence``.

    Args:
        prediction: Saliency maps; negative values shift the map to minimum 0; an all-zero one is a uniform density.
        density: Blurred fixation maps, treated alike. Report their sigma.
        minimum: Amount that is added to every pixel, so that the logarithm is finite.

    Returns:
        Value per sample, at least 0; lower is better.

    Raises:
        InputError: If the shapes differ.

    Example:
        >>> kl_divergence(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[0.0, 1.0]]])).round(decimals=4)
        tensor([0.6931])

    Tatler et al., Visual correlates of fixation selection, Vision Research 2005.
    """
    p = flat(prediction)
    q = flat(density, like=prediction).to(p.dtype)

    def divergence(p: Tensor, q: Tensor) -> Tensor:
        (p, p_sum), (q, q_sum) = density_parts(p), density_parts(q)
        p_sum, q_sum = p_sum + minimum * p.shape[1], q_sum + minimum * p.shape[1]
        weight = q + minimum
        # the scale is applied before the logarithm: after it, two large sums would cancel in float32
        total = (weight / (p + minimum) * (p_sum / q_sum)).log().mul(weight).sum(1)
        return (total / q_sum[:, 0]).clamp_min(0.0)

    return image_by_image(divergence, lambda p, q: _divergence_of_one(p, q, minimum), p, q)


def _divergence_of_one(p: NDArray, q: NDArray, minimum: float) -> float:
    """Return the divergence of one image without negative values; NaN for any other."""
    (p_sum, p_low), (q_sum, q_low) = ((total(m), float(np.minimum.reduce(m))) for m in (p, q))
    if not (p_low >= 0 and q_low >= 0 and p_sum > 0 and q_sum > 0):
        return math.nan
    p_sum, q_sum = p_sum + minimum * len(p), q_sum + minimum * len(q)
    real = p.dtype.type
    buffers = np.empty((2, min(CHUNK, len(p))), p.dtype)
    scale, least, gain = real(q_sum / p_sum), real(minimum), 0.0
    for a, b in chunks(p, q):
        weight, ratio = np.add(b, least, out=buffers[0, : len(b)]), buffers[1, : len(a)]
        if real(p_low) + least == real(p_low):  # the minimum changes no pixel
            np.multiply(a, scale, out=ratio)
        else:
            np.multiply(np.add(a, least, out=ratio), scale, out=ratio)
        gain += dot(np.log(np.divide(weight, ratio, out=ratio), out=ratio), weight)
    return max(gain / q_sum, 0.0)


def kl_divergence_mit(
    prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"], eps: float = 2.2204e-16
) -> Float[Tensor, " b"]:
    """Return the Kullback-Leibler divergence as the MIT/Tuebingen saliency benchmark regularises it.

    ``KL = sum_i q_i log(eps + q_i / (p_i + eps))``. Follows pysaliency's ``MIT_KLDiv``: as there, a map with negative
    values is shifted (the Matlab code takes it unchanged). The eps matters only where p is (nearly) 0.

    Args:
        prediction: Saliency maps.
        density: Blurred fixation maps. Report their sigma.
        eps: Regulariser, in units of probability.

    Returns:
        Value per sample; lower is better.

    Raises:
        InputError: If the shapes differ.

    Example:
        >>> kl_divergence_mit(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[1.0, 1.0]]])).round(decimals=3)
        tensor([17.3290])

    Bylinskii et al., What do different evaluation metrics tell us about saliency models?, PAMI 2019.
    """
    p = flat(prediction)
    q = flat(density, like=prediction).to(p.dtype)
    if len(p) > 1 and eager_cpu(p, q):  # one at a time: an image's temporaries stay in the cache
        return torch.cat([_divergence_mit(*pair, eps) for pair in zip(p.split(1), q.split(1), strict=True)])
    return _divergence_mit(p, q, eps)


def _divergence_mit(p: Float[Tensor, "b p"], q: Float[Tensor, "b p"], eps: float) -> Float[Tensor, " b"]:
    (p, p_sum), (q, q_sum) = density_parts(p), density_parts(q)
    q = q / q_sum
    return (q / (p / p_sum + eps)).add(eps).log().mul(q).sum(1)
