"""Histogram intersection of two densities."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from haa.metrics.functional.flat_maps import density_parts, flat
from haa.metrics.functional.passes import CHUNK, chunks, image_by_image, total


def similarity(prediction: Shaped[Tensor, "b h w"], density: Shaped[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Return similarity (SIM): the overlap of two densities.

    ``SIM = sum_i min(p_i, q_i)``, where both maps are divided by their sums. Follows pysaliency: a map is shifted to
    minimum 0 only if it has negative values. The MIT benchmark's Matlab code stretches both to [0, 1] first, which
    changes the value.

    Args:
        prediction: Saliency maps; an all-zero one is a uniform density.
        density: Blurred fixation maps, treated alike. Report their sigma.

    Returns:
        Value per sample in [0, 1], 1 where the densities agree.

    Raises:
        InputError: If the shapes differ.

    Example:
        >>> similarity(torch.tensor([[[1.0, 1.0, 2.0]]]), torch.tensor([[[0.0, 1.0, 1.0]]]))
        tensor([0.7500])

    Judd et al., A benchmark of computational models of saliency to predict human fixations, MIT TR 2012.
    """
    p = flat(prediction)
    return image_by_image(_overlap, _overlap_of_one, p, flat(density, like=prediction).to(p.dtype))


def _overlap(p: Float[Tensor, "b p"], q: Float[Tensor, "b p"]) -> Float[Tensor, " b"]:
    (p, p_sum), (q, q_sum) = density_parts(p), density_parts(q)
    return torch.minimum(p * (q_sum / p_sum), q).sum(1) / q_sum[:, 0]


def _overlap_of_one(p: NDArray, q: NDArray) -> float:
    """Return the overlap of one image without negative values; NaN for any other."""
    p_sum, q_sum = total(p), total(q)
    if not (p_sum > 0 and q_sum > 0):
        return math.nan
    buffer = np.empty(min(CHUNK, len(p)), p.dtype)
    scale, overlap, low = p.dtype.type(q_sum / p_sum), 0.0, 0.0
    for a, b in chunks(p, q):
        least = np.multiply(a, scale, out=buffer[: len(a)])
        np.minimum(least, b, out=least)
        overlap += total(least)
        low = min(low, float(np.minimum.reduce(least)))
    return overlap / q_sum if low >= 0 else math.nan
