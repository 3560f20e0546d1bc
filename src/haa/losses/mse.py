"""Mean squared error between attention and human map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.losses.maps import at_most_one, floating


def mse(attention: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"], rescale: bool = True) -> Float[Tensor, " b"]:
    r"""Return the mean over the cells of the squared difference, each map divided by its largest value.

    .. math:: \frac1n \sum_i \left( \frac{A_i}{\max A} - \frac{H_i}{\max H} \right)^2

    Li et al., GAIN (CVPR 2018), compare attention with a mask like this.

    Args:
        attention: The model's map, any real values; it is divided by its largest magnitude.
        human: Human map, likewise.
        rescale: Whether the maps are divided. False compares them as they are, which only makes sense where both have
            the same unit.

    Returns:
        One value per sample, >= 0, float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> mse(torch.tensor([[[4.0, 2.0]]]), torch.tensor([[[1.0, 0.0]]]))
        tensor([0.1250])
    """
    with torch.autocast(attention.device.type, enabled=False):
        prepare = at_most_one if rescale else floating
        return (prepare(attention) - prepare(human)).square().mean((1, 2))
