"""Histogram intersection of two densities."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from haa.metrics.functional.maps import density_parts, eager_cpu, flat, image_by_image, row_norm


def similarity(prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Similarity (SIM): how much two densities overlap.

    ``SIM = sum_i min(p_i, q_i)``, both maps divided by their sums. Follows pysaliency: a map is shifted to minimum 0
    only where it has negative values; the MIT benchmark's Matlab code stretches both to [0, 1] first, which changes the
    value.

    Args:
        prediction: saliency maps; an all-zero one is a uniform density.
        density: blurred fixation maps, treated alike. State their sigma.

    Returns:
        Per sample in [0, 1], 1 where the densities agree.

    Raises:
        InputError: if the shapes differ.

    Example:
        >>> similarity(torch.tensor([[[1.0, 1.0, 2.0]]]), torch.tensor([[[0.0, 1.0, 1.0]]]))
        tensor([0.7500])

    Judd et al., A benchmark of computational models of saliency to predict human fixations, MIT TR 2012.
    """
    p = flat(prediction)
    q = flat(density, like=prediction).to(p.dtype)
    # one buffer for all images: fresh memory costs more than the arithmetic
    buffer = p.new_empty(1, p.shape[1]) if len(p) and eager_cpu(p, q) else None

    def overlap(p: Tensor, q: Tensor) -> Tensor:
        (p, p_sum), (q, q_sum) = density_parts(p), density_parts(q)
        if buffer is None:
            return torch.minimum(p * (q_sum / p_sum), q).sum(1) / q_sum[:, 0]
        # min(a, b) = (a + b - |a - b|) / 2, in fewer passes
        apart = torch.sub(q, p, alpha=float(q_sum / p_sum), out=buffer)
        return 1 - row_norm(apart, 1) / (2 * q_sum[:, 0])

    return image_by_image(overlap, p, q)
