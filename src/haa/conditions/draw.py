"""Points drawn on a stimulus."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.gaze import Size


def uniform(count: int, size: Size, generator: torch.Generator) -> Float[Tensor, "n 2"]:
    """``count`` independent points, each anywhere on a stimulus of ``size`` (h, w) with the same probability.

    Example:
        >>> points = uniform(1000, (2, 8), torch.Generator().manual_seed(0))
        >>> points.amin(0).floor(), points.amax(0).ceil()
        (tensor([-1., -1.]), tensor([8., 2.]))
    """
    return place(torch.rand(count, 2, generator=generator, dtype=torch.float64), size)


def place(relative: Float[Tensor, "n 2"], size: Size) -> Float[Tensor, "n 2"]:
    """Points of the unit square, in pixels of a stimulus of ``size`` (h, w), never beyond its border.

    Example:
        >>> place(torch.tensor([[0.0, 0.0], [0.5, 0.5]]), (2, 8))
        tensor([[-0.5000, -0.5000],
                [ 3.5000,  0.5000]])
    """
    sides = torch.tensor([size[1], size[0]], dtype=torch.float64)
    # a number just below 1 can round up to the border, which is outside
    last = torch.nextafter((sides - 0.5).float(), torch.zeros(2))
    return torch.minimum((relative.double() * sides - 0.5).float(), last)
