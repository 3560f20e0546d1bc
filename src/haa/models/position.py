"""Positions of features, for layers that do not know them: sinusoids over a line or a grid of any size."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def sinusoids(positions: Float[Tensor, " n"], channels: int) -> Float[Tensor, "n c"]:
    """Return sine and cosine of every position at geometrically spaced wavelengths, from 2 pi to 20,000 pi.

    ``out[p, 2k] = sin(p / 10000^(2k / c))``, ``out[p, 2k + 1] = cos(p / 10000^(2k / c))``: Vaswani et al., "Attention
    Is All You Need", NeurIPS 2017, section 3.5.

    Args:
        positions: Positions, any numbers, fractions included.
        channels: Number of channels, even.

    Example:
        >>> sinusoids(torch.tensor([0.0, math.pi / 6]), 2).round(decimals=3)
        tensor([[0.0000, 1.0000],
                [0.5000, 0.8660]])
    """
    rates = torch.arange(0, channels, 2, device=positions.device, dtype=torch.float32) * (
        -math.log(10_000.0) / channels
    )
    phases = positions.float()[:, None] * rates.exp()
    return torch.stack([phases.sin(), phases.cos()], dim=2).flatten(1)


def grid_position(height: int, width: int, channels: int, like: Tensor) -> Float[Tensor, "n c"]:
    """Return the position of every cell of a grid, row after row: half of the channels for y, half for x.

    A cell's position is its index, so that neighbours are one apart on a grid of any size or form. These are the
    sinusoids of Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020, appendix A.4, but not
    normalised.

    Args:
        height: Cells in y.
        width: Cells in x.
        channels: Number of channels, a multiple of four.
        like: Tensor whose device and dtype the result takes.

    Example:
        >>> grid_position(2, 3, 8, torch.zeros(1)).shape
        torch.Size([6, 8])
    """
    rows = sinusoids(torch.arange(height, device=like.device, dtype=torch.float32), channels // 2)
    columns = sinusoids(torch.arange(width, device=like.device, dtype=torch.float32), channels // 2)
    grid = torch.cat([rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)], dim=2)
    return grid.flatten(0, 1).to(like)
