"""Right for the right reasons: cells that are irrelevant to people should not matter to the model."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.losses.maps import floating


def right_reasons(
    attention: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"], threshold: float = 0.1
) -> Float[Tensor, " b"]:
    r"""Return the sum of the attention's squares over the cells that are irrelevant to people.

    .. math:: \sum_i M_i A_i^2, \quad M_i = [H_i < t \max H]

    This is the second term of Ross et al., Right for the right reasons (IJCAI 2017), where A is the gradient of the
    summed log probabilities with respect to the input (`haa.attention`'s input gradient), and M an annotated mask.
    ``attention`` keeps its scale and sign: it is not normalised. Cells that are relevant to people cost nothing.

    Args:
        attention: The model's map, any real values.
        human: Human map, non-negative. An all-zero map declares nothing irrelevant and gives 0.
        threshold: Share of the human map's maximum below which a cell is irrelevant.

    Returns:
        One value per sample, >= 0, float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> right_reasons(torch.tensor([[[3.0, -2.0]]]), torch.tensor([[[1.0, 0.0]]]))
        tensor([4.])
    """
    with torch.autocast(attention.device.type, enabled=False):
        human = floating(human)
        irrelevant = human < threshold * human.amax((1, 2), keepdim=True)
        return torch.where(irrelevant, floating(attention).square(), 0.0).sum((1, 2))
