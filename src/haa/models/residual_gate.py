"""Gate that can only add: where it is closed, features pass unchanged."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.models.insert import inserted, on_grid


class ResidualGate(nn.Module):
    r"""Spatial attention with a residual: it adds the features, weighted by the attention, to the features.

    .. math:: y_{ij} = (1 + a_{ij})\, x_{ij}, \qquad a = \mathrm{sigmoid}(g(x)) \in (0, 1)

    with g a convolution 3 x 3, ReLU and one 1 x 1. Wang et al., "Residual Attention Network for Image Classification",
    CVPR 2017, section 3.2. It is a sigmoid and not a softmax: several objects can be attended to at once, each in full.

    Args:
        channels: Channels of the features.
        hidden: Width of the hidden layer of g.

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
        """Return the gated features y, and the attention a.

        Args:
            x: Features.
            given: Inserted map, at any resolution; divided by its maximum it takes the place of a. A map that is all
                zero leaves a sample its own.
        """
        attention = self.score(x).sigmoid()
        if given is not None:
            weights = on_grid(given, (x.shape[2], x.shape[3]))
            share = weights / weights.amax(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
            attention = inserted(attention.flatten(1), share).view_as(attention)
        return (1 + attention) * x, attention[:, 0]
