"""Preparation of a map before losses compare it: float32, normalise, standardise. An empty map stays finite."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def floating(values: Shaped[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Return a map in float32 at least: half precision has no room for the small shares of a map."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def density(values: Shaped[Tensor, "b h w"], floor: float = 0.0) -> Float[Tensor, "b h w"]:
    """Return a non-negative map divided by its sum, mixed with a share ``floor`` of the uniform density.

    An all-zero map becomes uniform with a floor, and stays all zero without one.

    Example:
        >>> density(torch.tensor([[[3.0, 1.0]], [[0.0, 0.0]]]))
        tensor([[[0.7500, 0.2500]],
        <BLANKLINE>
                [[0.0000, 0.0000]]])
    """
    values = floating(values)
    cells = values.shape[1] * values.shape[2]
    total = values.sum((1, 2), keepdim=True)
    shares = values / torch.where(total > 0, total, 1.0)
    if floor == 0:
        return shares
    return (shares + torch.where(total > 0, floor, 1.0 + floor) / cells) / (1 + floor)


def centred(values: Shaped[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Return a map divided by its largest magnitude, minus its mean: an epsilon then means the same for every map."""
    values = floating(values)
    largest = values.detach().abs().amax((1, 2), keepdim=True)
    values = values / torch.where(largest > 0, largest, 1.0)
    return values - values.mean((1, 2), keepdim=True)


def deviation(centred: Float[Tensor, "b h w"], eps: float) -> Float[Tensor, " b"]:
    """Return the standard deviation of a map from `centred`; ``eps`` keeps the gradient of a flat map finite."""
    return torch.sqrt(centred.square().mean((1, 2)) + eps**2)


def standardised(values: Shaped[Tensor, "b h w"], eps: float) -> Float[Tensor, "b h w"]:
    """Return a map with mean 0 and standard deviation 1; a flat map becomes 0."""
    values = centred(values)
    return values / deviation(values, eps)[:, None, None]


def at_most_one(values: Shaped[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    """Return a map divided by its largest magnitude."""
    values = floating(values)
    largest = values.abs().amax((1, 2), keepdim=True)
    return values / torch.where(largest > 0, largest, 1.0)
