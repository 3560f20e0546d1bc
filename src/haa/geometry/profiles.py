"""Profiles of Gaussians along the sides of a grid, of which a density of gaze is a sum of products."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from haa.geometry.extent import WHOLE, Extent, Size, edges
from haa.memory.held import HELD, holds

WORTH = 4096
"""Least number of values of a picture's profiles that are held: fewer are computed faster than they are found."""


@dataclass(frozen=True)
class Profiles:
    """Mass of the Gaussians around fixations in the columns and in the rows of a grid over a picture.

    Args:
        size: Height and width of the picture.
        sigma: Standard deviation in pixels.
        grid: Height and width of the grid.
        extent: Where its cells lie.

    Example:
        >>> columns, rows = Profiles((4, 6), 1.0, (2, 3))(torch.zeros(1, 5), torch.zeros(1, 5))
        >>> columns.shape, rows.shape
        (torch.Size([1, 5, 3]), torch.Size([1, 5, 2]))
    """

    size: Size
    sigma: float
    grid: Size
    extent: Extent = WHOLE

    def __call__(
        self, x: Float[Tensor, "b n"], y: Float[Tensor, "b n"]
    ) -> tuple[Float[Tensor, "b n w"], Float[Tensor, "b n h"]]:
        rows = _borders(self.size[0], self.grid[0], self.extent.top, self.extent.bottom, y)
        columns = _borders(self.size[1], self.grid[1], self.extent.left, self.extent.right, x)
        return _integrated(x, columns, self.sigma), _integrated(y, rows, self.sigma)

    def held(
        self, points: Float[Tensor, "b n 2"], is_inside: Bool[Tensor, "b n"]
    ) -> tuple[Float[Tensor, "b n w"], Float[Tensor, "b n h"]]:
        """Return the profiles of padded points, those of a picture that came before from memory.

        They are values of single points, so that it does not matter in which batch a picture comes.

        Args:
            points: Points, 0 where one does not count.
            is_inside: Which count. The profiles of what pads at the end are 0 where they are held, else the origin's.
        """
        if points.shape[1] * sum(self.grid) < WORTH or not holds(points):
            x, y = points.unbind(-1)
            return self(x, y)
        columns = points.new_zeros(*points.shape[:2], self.grid[1])
        rows = points.new_zeros(*points.shape[:2], self.grid[0])
        places = torch.arange(1, points.shape[1] + 1)
        for i, last in enumerate((is_inside * places).amax(1).tolist()):
            own = points[i : i + 1, :last]
            found = HELD((self, own.dtype, own.numpy().tobytes()), lambda own=own: self(*own.unbind(-1)))  # type: ignore[misc]
            columns[i, :last], rows[i, :last] = found[0][0], found[1][0]
        return columns, rows


def _borders(length: int, cells: int, low: float, high: float, like: Tensor) -> Tensor:
    """Return where cells begin and end, in pixels."""
    if (low, high) == (0.0, 1.0):
        return torch.arange(cells + 1, dtype=like.dtype, device=like.device) * (length / cells) - 0.5
    return edges(cells, low, high, like) * length - 0.5


def _integrated(x: Tensor, borders: Tensor, sigma: float) -> Tensor:
    # a difference of two upper tails, taken on the side where they are small, keeps its digits in float32
    z = (borders - x[..., None]) / (sigma * math.sqrt(2))
    left, right = z[..., :-1], z[..., 1:]
    flip = left > 0
    low, high = torch.where(flip, -right, left), torch.where(flip, -left, right)
    return 0.5 * (torch.erfc(-high) - torch.erfc(-low))
