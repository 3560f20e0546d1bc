"""Kullback-Leibler divergence between the human and the machine map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def kl_divergence(
    attention: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"], floor: float = 1e-6
) -> Float[Tensor, " b"]:
    r"""Divergence of the machine's map from the human one, in nats, after both are normalised to sum to 1.

    .. math:: \mathrm{KL}(H \| A) = \sum_i H_i (\log H_i - \log A_i)

    The direction, from human to machine, punishes a machine that does not look where people do (Huang et al., SALICON,
    ICCV 2015, section 4; Chen et al., AiR, ECCV 2020, equation 5).

    Args:
        attention: non-negative; need not sum to 1.
        human: non-negative; need not sum to 1. A sample whose map is all zero gives 0 (mask it).
        floor: the share of a uniform density that is mixed into ``attention``, so that a cell which the machine gives
            nothing costs a finite amount. It is far above float32's resolution, unlike the customary 2.2e-16.

    Returns:
        One value per sample, >= 0, in float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> human = torch.tensor([[[1.0, 0.0]]])
        >>> kl_divergence(torch.tensor([[[1.0, 1.0]]]), human)  # log 2
        tensor([0.6931])
    """
    log_machine = _density(attention, floor).log()
    p = _density(human, 0.0)
    return (torch.special.xlogy(p, p) - p * log_machine).sum((1, 2))


def _density(values: Tensor, floor: float) -> Tensor:
    with torch.autocast(values.device.type, enabled=False):
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        cells = values.shape[1] * values.shape[2]
        total = values.sum((1, 2), keepdim=True)
        raised = values + floor * total / cells + (1e-30 if floor else 0.0)
        return raised / raised.sum((1, 2), keepdim=True).clamp_min(1e-30)
