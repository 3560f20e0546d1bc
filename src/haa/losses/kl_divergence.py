"""Kullback-Leibler divergence between attention and human map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.losses.maps import density


def kl_divergence(
    attention: Float[Tensor, "b h w"],
    human: Float[Tensor, "b h w"],
    floor: float = 1e-6,
    reverse: bool = False,
) -> Float[Tensor, " b"]:
    r"""Return the divergence of the attention from the human map, in nats, after both are normalised to sum to 1.

    .. math:: \mathrm{KL}(H \| A) = \sum_i H_i (\log H_i - \log A_i)

    This direction, from human map to attention, punishes a model that does not look where people do (Huang et al.,
    SALICON, ICCV 2015; Chen et al., AiR, ECCV 2020). The reverse, :math:`\mathrm{KL}(A \| H)`, punishes a model that
    looks where people do not, and lets it choose among the places where they do.

    Args:
        attention: The model's map, non-negative; it need not sum to 1.
        human: Human map, non-negative; it need not sum to 1. A sample with an all-zero map has no meaningful value
            (mask it).
        floor: Share of a uniform density that is mixed into ``attention``, so that a cell without attention costs a
            finite amount. It is far above float32's resolution, unlike the customary 2.2e-16. In reverse it is mixed
            into both maps.
        reverse: Whether the divergence runs from attention to human map instead.

    Returns:
        One value per sample, >= 0, in float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> human = torch.tensor([[[1.0, 0.0]]])
        >>> kl_divergence(torch.tensor([[[1.0, 1.0]]]), human)  # log 2
        tensor([0.6931])
        >>> kl_divergence(torch.tensor([[[1.0, 1.0]]]), human, reverse=True) > 5
        tensor([True])
    """
    with torch.autocast(attention.device.type, enabled=False):
        q = density(attention, floor)
        if reverse:
            return (q * (q.log() - density(human, floor).log())).sum((1, 2))
        p = density(human)
        return (torch.special.xlogy(p, p) - p * q.log()).sum((1, 2))
