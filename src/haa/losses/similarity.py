"""Histogram intersection of attention and human map, as a loss."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.losses.maps import density


def similarity(attention: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    r"""Return one minus the overlap (SIM) of the two maps, after both are normalised to sum to 1.

    .. math:: 1 - \sum_i \min(A_i, H_i)

    The measure is Judd et al.'s (MIT TR 2012); its gradient is that of half the L1 distance.

    Args:
        attention: The model's map, non-negative; it need not sum to 1.
        human: Human map, non-negative; it need not sum to 1.

    Returns:
        One value per sample in [0, 1], float32 (float64 for float64 input), differentiable in ``attention`` wherever
        the two maps differ.

    Example:
        >>> similarity(torch.tensor([[[1.0, 1.0, 2.0]]]), torch.tensor([[[0.0, 1.0, 1.0]]]))
        tensor([0.2500])
    """
    with torch.autocast(attention.device.type, enabled=False):
        return 1 - torch.minimum(density(attention), density(human)).sum((1, 2))
