"""Cosine distance between attention and human map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.losses.maps import floating


def cosine(attention: Float[Tensor, "b h w"], human: Float[Tensor, "b h w"], eps: float = 1e-6) -> Float[Tensor, " b"]:
    r"""Return one minus the cosine of the angle between the two maps, taken as vectors.

    .. math:: 1 - \frac{\langle A, H \rangle}{\|A\| \|H\|}

    Unlike `correlation`, it does not subtract the means, so a uniform map is already close to every broad one.

    Args:
        attention: The model's map, any real values.
        human: Human map, any real values; an all-zero map gives 1 with zero gradient.
        eps: Number added to each norm, relative to the map's largest magnitude. It keeps the gradient of an empty
            attention map finite.

    Returns:
        One value per sample in [0, 2], float32 (float64 for float64 input), differentiable in ``attention``.

    Example:
        >>> cosine(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]])).round(decimals=4)
        tensor([0.2929])
    """
    with torch.autocast(attention.device.type, enabled=False):
        a, h = _of_unit_scale(attention), _of_unit_scale(human)
        return 1 - (a * h).sum((1, 2)) / (_norm(a, eps) * _norm(h, eps))


def _of_unit_scale(values: Tensor) -> Tensor:
    values = floating(values)
    largest = values.detach().abs().amax((1, 2), keepdim=True)
    return values / torch.where(largest > 0, largest, 1.0)


def _norm(values: Tensor, eps: float) -> Tensor:
    return torch.sqrt(values.square().sum((1, 2)) + eps**2)
