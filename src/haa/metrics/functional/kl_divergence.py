"""Kullback-Leibler divergence of two densities, in the two forms that are published."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from haa.metrics.functional.maps import density_parts, eager_cpu, flat, image_by_image, row_dot


def kl_divergence(
    prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"], minimum: float = 1e-20
) -> Float[Tensor, " b"]:
    """Kullback-Leibler divergence of the prediction from the ground truth, in nats.

    ``KL = sum_i q_i log(q_i / p_i)``, where q is the ground truth, p the prediction, and both had ``minimum`` added to
    every pixel before they were divided by their sums. Follows pysaliency's ``image_based_kl_divergence``.

    Args:
        prediction: saliency maps; negative values shift the map to minimum 0; an all-zero one is a uniform density.
        density: blurred fixation maps, treated alike. State their sigma.
        minimum: what an impossible pixel counts.

    Returns:
        Per sample, at least 0; lower is better.

    Raises:
        InputError: if the shapes differ.

    Example:
        >>> kl_divergence(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[0.0, 1.0]]])).round(decimals=4)
        tensor([0.6931])

    Tatler et al., Visual correlates of fixation selection, Vision Research 2005.
    """
    p = flat(prediction)
    q = flat(density, like=prediction).to(p.dtype)
    added = minimum * p.shape[1]
    # two buffers for all images: fresh memory costs more than the arithmetic
    buffers = p.new_empty(2, 1, p.shape[1]) if len(p) and eager_cpu(p, q) else None

    def divergence(p: Tensor, q: Tensor) -> Tensor:
        (p, p_sum), (q, q_sum) = density_parts(p), density_parts(q)
        # the scale enters before the logarithm: afterwards two large sums would cancel in float32
        scale = (p_sum + added) / (q_sum + added)
        if buffers is None:
            weight = q + minimum
            total = (weight / (p + minimum) * scale).log().mul(weight).sum(1)
        else:
            weight, ratio = torch.add(q, minimum, out=buffers[0]), torch.add(p, minimum, out=buffers[1])
            torch.div(weight, ratio, out=ratio).mul_(scale).log_()
            total = row_dot(ratio, weight)
        return (total / (q_sum[:, 0] + added)).clamp_min(0.0)

    return image_by_image(divergence, p, q)


def kl_divergence_mit(
    prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"], eps: float = 2.2204e-16
) -> Float[Tensor, " b"]:
    """Kullback-Leibler divergence as the MIT/Tuebingen saliency benchmark regularises it.

    ``KL = sum_i q_i log(eps + q_i / (p_i + eps))``. Follows pysaliency's ``MIT_KLDiv``: as there, a map with negative
    values is shifted (the Matlab code takes it as it is). The eps acts only where p is (nearly) 0.

    Args:
        prediction: saliency maps.
        density: blurred fixation maps. State their sigma.
        eps: the regulariser, in units of probability.

    Returns:
        Per sample; lower is better.

    Raises:
        InputError: if the shapes differ.

    Example:
        >>> kl_divergence_mit(torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[1.0, 1.0]]])).round(decimals=3)
        tensor([17.3290])

    Bylinskii et al., What do different evaluation metrics tell us about saliency models?, PAMI 2019.
    """
    p, p_sum = density_parts(flat(prediction))
    q, q_sum = density_parts(flat(density, like=prediction).to(p.dtype))

    def divergence(p: Tensor, q: Tensor, p_sum: Tensor, q_sum: Tensor) -> Tensor:
        q = q / q_sum
        return (q / (p / p_sum + eps)).add(eps).log().mul(q).sum(1)

    return image_by_image(divergence, p, q, p_sum, q_sum)
