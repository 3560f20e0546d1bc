"""Points drawn on a stimulus."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haa.gaze import Size


def uniform(count: int, size: Size, generator: torch.Generator) -> Float[Tensor, "n 2"]:
    """Draw ``count`` independent points, each anywhere on a stimulus of ``size`` (h, w) with the same probability.

    Example:
        >>> points = uniform(1000, (2, 8), torch.Generator().manual_seed(0))
        >>> points.amin(0).floor(), points.amax(0).ceil()
        (tensor([-1., -1.]), tensor([8., 2.]))
    """
    return place(torch.rand(count, 2, generator=generator, dtype=torch.float64), size)


def place(relative: Float[Tensor, "n 2"], size: Size) -> Float[Tensor, "n 2"]:
    """Return points of the unit square in pixels of a stimulus of ``size`` (h, w), never beyond its border.

    Example:
        >>> place(torch.tensor([[0.0, 0.0], [0.5, 0.5]]), (2, 8))
        tensor([[-0.5000, -0.5000],
                [ 3.5000,  0.5000]])
    """
    sides = torch.tensor([size[1], size[0]], dtype=torch.float64)
    # a number just below 1 can round up to the border, which is outside
    last = torch.nextafter((sides - 0.5).float(), torch.zeros(2))
    return torch.minimum((relative.double() * sides - 0.5).float(), last)


def sample(density: Float[Tensor, "p q"], count: int, size: Size, generator: torch.Generator) -> Float[Tensor, "n 2"]:
    """Draw ``count`` points of a density stretched over a stimulus of ``size`` (h, w).

    Systematic sampling: a cell of probability p gets ``floor(count * p)`` points or one more, the expectation being
    exact, so that far fewer points than independent ones would need tell the density.

    Example:
        >>> points = sample(torch.tensor([[1.0, 0.0, 3.0]]), 4, (1, 3), torch.Generator().manual_seed(0))
        >>> (points[:, 0] + 0.5).floor()
        tensor([0., 2., 2., 2.])
    """
    mass = density.double().flatten().cumsum(0)
    steps = torch.arange(count, dtype=torch.float64) + torch.rand(1, generator=generator, dtype=torch.float64)
    cells = torch.searchsorted(mass, steps / count * mass[-1], right=True).clamp_max(len(mass) - 1)
    return within_cells(cells, (density.shape[0], density.shape[1]), size, generator)


def rolled(map_: Float[Tensor, "*t h w"], generator: torch.Generator) -> Float[Tensor, "*t h w"]:
    """Return a map moved by a random number of whole pixels, all frames alike; what leaves comes back opposite.

    Example:
        >>> rolled(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.Generator().manual_seed(0))
        tensor([[2., 3., 4., 1.]])
    """
    right, down = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    return map_.roll((int(down * map_.shape[-2]), int(right * map_.shape[-1])), (-2, -1))


def within_cells(cells: Int[Tensor, " n"], grid: Size, size: Size, generator: torch.Generator) -> Float[Tensor, "n 2"]:
    """Draw a point anywhere within each of these cells of a grid (h, w) over a stimulus of ``size`` (h, w).

    Args:
        cells: Numbers of the cells, row by row.
        grid: Height and width of the grid.
        size: Height and width of the stimulus in pixels.
        generator: Draws the points.

    Example:
        >>> points = within_cells(torch.tensor([0, 3]), (2, 2), (8, 8), torch.Generator().manual_seed(0))
        >>> ((points + 0.5) // 4).int()
        tensor([[0, 0],
                [1, 1]], dtype=torch.int32)
    """
    corner = torch.stack([cells % grid[1], cells // grid[1]], 1)
    within = torch.rand(len(cells), 2, generator=generator, dtype=torch.float64)
    return place((corner + within) / torch.tensor([grid[1], grid[0]]), size)
