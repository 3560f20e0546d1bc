"""Jensen-Shannon divergence between attention and human map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.losses.maps import density


def jensen_shannon(
    attention: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"], floor: float = 1e-6
) -> Float[Tensor, " b"]:
    r"""Return the Jensen-Shannon divergence in nats, after both maps are normalised to sum to 1.

    .. math:: \tfrac12 \mathrm{KL}(A \| M) + \tfrac12 \mathrm{KL}(H \| M), \quad M = \tfrac12 (A + H)

    It is symmetric and bounded, unlike either direction of `kl_divergence`: maps that share no cell cost log 2. Lin,
    Divergence measures based on the Shannon entropy, IEEE Transactions on Information Theory 1991, with equal weights.

    Args:
        attention: The model's map, non-negative; it need not sum to 1.
        human: Human map, non-negative; it need not sum to 1. A sample with an all-zero map has no meaningful value
            (mask it).
        floor: Share of a uniform density that is mixed into ``attention``, which keeps the gradient finite.

    Returns:
        One value per sample in [0, log 2], float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> jensen_shannon(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])).exp().round(decimals=3)
        tensor([2.])
    """
    with torch.autocast(attention.device.type, enabled=False):
        a, h = density(attention, floor), density(human)
        log_middle = ((a + h) / 2).log()
        from_attention = (a * (a.log() - log_middle)).sum((1, 2))
        from_human = (torch.special.xlogy(h, h) - h * log_middle).sum((1, 2))
        return (from_attention + from_human) / 2
