"""A gate that can only add: where it is closed, features pass unchanged."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.models.insert import inserted, on_grid


class ResidualGate(nn.Module):
    r"""Spatial attention with a residual: every cell's features, and those that are attended to once more.

    .. math:: y_{ij} = (1 + a_{ij})\, x_{ij}, \qquad a = \mathrm{sigmoid}(g(x)) \in (0, 1)

    with g a convolution 3 x 3, ReLU and one 1 x 1. Wang et al., "Residual Attention Network for Image Classification",
    CVPR 2017, section 3.2. A sigmoid and not a softmax: several objects are attended to at once, each in full.

    Args:
        channels: of the features.
        hidden: width of g.

    Example:
        >>> y, attention = ResidualGate(8)(torch.ones(2, 8, 4, 6))
        >>> y.shape, attention.shape
        (torch.Size([2, 8, 4, 6]), torch.Size([2, 4, 6]))
    """

    def __init__(self, channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 1, 1))

    def forward(
        self, x: Float[Tensor, "b c i j"], given: Float[Tensor, "b p q"] | None = None
    ) -> tuple[Float[Tensor, "b c i j"], Float[Tensor, "b i j"]]:
        """The gated features, and a; where a given map is not all zero, it is a, divided by its maximum."""
        attention = self.score(x).sigmoid()
        if given is not None:
            weights = on_grid(given, (x.shape[2], x.shape[3]))
            share = weights / weights.amax(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
            attention = inserted(attention.flatten(1), share).view_as(attention)
        return (1 + attention) * x, attention[:, 0]
