"""Inserted maps: maps that take the place of a model's attention."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, where
from torch.nn.functional import adaptive_avg_pool2d

from haa.gaze import Size


def on_grid(attention: Float[Tensor, "b p q"], grid: Size) -> Float[Tensor, "b n"]:
    """Return a map on a grid whose cells stand in one row; each cell holds its share.

    The shares of a map sum to 1; a map that is all zero stays so.

    Example:
        >>> import torch
        >>> on_grid(torch.tensor([[[1.0, 1.0, 0.0, 2.0]], [[0.0] * 4]]), (1, 2))
        tensor([[0.5000, 0.5000],
                [0.0000, 0.0000]])
    """
    mass = adaptive_avg_pool2d(attention[:, None], grid).flatten(1)
    total = mass.sum(1, keepdim=True)
    return mass / where(total > 0, total, 1.0)


def inserted(own: Float[Tensor, "b *t n"], given: Float[Tensor, "b n"] | None) -> Float[Tensor, "b *t n"]:
    """Return the weights to attend with: the inserted map of each sample that has one, else the sample's own weights.

    The inserted map holds for every head and query.

    Args:
        own: The model's own weights.
        given: Inserted map of each sample; a sample whose map is all zero has none.

    Example:
        >>> import torch
        >>> own = torch.tensor([[[0.5, 0.5]], [[0.2, 0.8]]])
        >>> inserted(own, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
        tensor([[[1.0000, 0.0000]],
        <BLANKLINE>
                [[0.2000, 0.8000]]])
    """
    if given is None:
        return own
    given = given.to(own.dtype).view(len(own), *[1] * (own.ndim - 2), -1)
    return where(given.sum(-1, keepdim=True) > 0, given, own)
