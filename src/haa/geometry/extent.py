"""Where a map lies: the rectangle of the picture that its cells cover.

The cells of a network's map seldom lie where they are drawn when the map is stretched over the picture. With paddings
of 1 and strides of 2 a ResNet's cells look half a cell up and left of it, TensorFlow's paddings move them the other
way, and a picture whose size the stride does not divide is seen beyond its end, or not up to it. An extent says where
they look; `haa.geometry.receptive_field` finds it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from haa.geometry.to_device import to_device

Size = tuple[int, int]
"""(height, width) in pixels."""


class Extent(NamedTuple):
    """Rectangle that a map's cells cover, in shares of the picture's height and width.

    It holds for any number of cells and any size of the picture, which may be resized as a whole. The default is a map
    that is stretched over the picture; cells that look beyond the picture lie outside of 0 to 1.

    """

    top: float = 0.0
    left: float = 0.0
    bottom: float = 1.0
    right: float = 1.0

    def within(self, other: Extent) -> Extent:
        """Return this rectangle in shares of another one.

        Example:
            >>> Extent(0.25, 0.25, 0.75, 0.5).within(Extent(0.25, 0.0, 0.75, 0.5))
            Extent(top=0.0, left=0.5, bottom=1.0, right=1.0)
        """
        height, width = other.bottom - other.top, other.right - other.left
        return Extent(
            (self.top - other.top) / height,
            (self.left - other.left) / width,
            (self.bottom - other.top) / height,
            (self.right - other.left) / width,
        )


def in_full(values: Tensor) -> Tensor:
    """Return values in float32, or in float64 where they are.

    Example:
        >>> in_full(torch.zeros(1, dtype=torch.bfloat16)).dtype, in_full(torch.zeros(1, dtype=torch.float64)).dtype
        (torch.float32, torch.float64)
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


WHOLE = Extent()
"""The whole picture: a map that is stretched over it."""


def on_picture(maps: Float[Tensor, "b *c i j"], size: Size, extent: Extent = WHOLE) -> Float[Tensor, "b *c h w"]:
    """Return maps at the size of a picture: bilinear between the centres of cells, and constant beyond the outermost.

    Args:
        maps: Maps on a grid of cells.
        size: Height and width ``(h, w)`` in pixels of the picture, or of a grid that is stretched over it.
        extent: Where the cells lie.

    Example:
        >>> on_picture(torch.tensor([[[0.0, 4.0]]]), (1, 4))
        tensor([[[0., 1., 3., 4.]]])
        >>> on_picture(torch.tensor([[[0.0, 4.0]]]), (1, 4), Extent(left=-0.25, right=0.75))
        tensor([[[1., 3., 4., 4.]]])
    """
    maps = in_full(maps)
    if extent == WHOLE:
        return interpolate(maps.reshape(1, -1, *maps.shape[-2:]), size, mode="bilinear", align_corners=False).view(
            *maps.shape[:-2], *size
        )
    rows = _between(maps.shape[-2], size[0], extent.top, extent.bottom, maps)
    columns = _between(maps.shape[-1], size[1], extent.left, extent.right, maps)
    return rows @ maps @ columns.mT


def over_picture(maps: Float[Tensor, "b *c i j"], size: Size, extent: Extent) -> Float[Tensor, "b *c _ _"]:
    """Return maps that are stretched over the picture: as they are if they were, else at the picture's size.

    Example:
        >>> over_picture(torch.rand(1, 7, 7), (224, 224), WHOLE).shape
        torch.Size([1, 7, 7])
    """
    return maps if extent == WHOLE else on_picture(maps, size, extent)


def on_cells(points: Float[Tensor, "*b 2"], size: Size, grid: Size, extent: Extent = WHOLE) -> Float[Tensor, "*b 2"]:
    """Return points of a picture of ``size`` (h, w) in cells of a map: an integer is a cell's centre.

    Example:
        >>> on_cells(torch.tensor([[3.5, 3.5]]), (8, 8), (2, 2), Extent(left=-0.25, right=0.75))
        tensor([[1.0000, 0.5000]])
    """
    points = in_full(points)
    per_share = [grid[1] / (extent.right - extent.left), grid[0] / (extent.bottom - extent.top)]
    numbers = torch.tensor([[size[1], size[0]], [extent.left, extent.top], per_share], dtype=points.dtype)
    length, low, cells = to_device(numbers, points.device).unbind()
    return ((points + 0.5) / length - low) * cells - 0.5


def edges(cells: int, low: float, high: float, like: Tensor) -> Float[Tensor, " cells+1"]:
    """Return where cells along one side begin and end, in shares of the picture; the outermost reach to its border.

    Example:
        >>> edges(2, -0.25, 0.75, torch.zeros(()))
        tensor([0.0000, 0.2500, 1.0000])
    """
    inner = low + torch.arange(cells + 1, dtype=like.dtype, device=like.device) * ((high - low) / cells)
    inner = inner.clamp(0, 1)
    zero = inner.new_zeros(1)
    return torch.cat([zero, inner[1:-1], zero + 1])


def mean_of_cells(values: Float[Tensor, "b h w"], grid: Size, extent: Extent = WHOLE) -> Float[Tensor, "b i j"]:
    """Return what each cell holds of a map of the picture: its mass, by area, per pixel of an equal share of the map.

    Of a map that is stretched over the picture it is the mean over each cell.

    Example:
        >>> mean_of_cells(torch.tensor([[[1.0, 1.0, 1.0, 5.0]]]), (1, 2), Extent(left=-0.25, right=0.75))
        tensor([[[0.5000, 3.5000]]])
    """
    if extent == WHOLE:
        return adaptive_avg_pool2d(values[:, None], grid)[:, 0]
    (height, width), (rows, columns) = values.shape[1:], grid
    down = _within(height, edges(rows, extent.top, extent.bottom, values))
    across = _within(width, edges(columns, extent.left, extent.right, values))
    return (down @ values @ across.mT) * (rows * columns / (height * width))


def shares_of_cells(maps: Float[Tensor, "*b h w"], grid: Size) -> Float[Tensor, "*b i j"]:
    """Return what the cells of another grid hold of a map, by area: the sum over the map stays.

    Both grids are stretched over the same picture.

    Example:
        >>> shares_of_cells(torch.tensor([[[2.0, 4.0, 6.0]]]), (1, 2))
        tensor([[[4., 8.]]])
    """
    if maps.shape[-2:] == grid:
        return maps
    down = _within(maps.shape[-2], edges(grid[0], 0.0, 1.0, maps))
    across = _within(maps.shape[-1], edges(grid[1], 0.0, 1.0, maps))
    return down @ maps @ across.mT


def _between(cells: int, length: int, low: float, high: float, like: Tensor) -> Float[Tensor, "length cells"]:
    """Return the weights of cells at the centres of pixels."""
    shares = (torch.arange(length, dtype=like.dtype, device=like.device) + 0.5) / length
    place = ((shares - low) * (cells / (high - low)) - 0.5).clamp(0, cells - 1)
    numbers = torch.arange(cells, dtype=like.dtype, device=like.device)
    return (1 - (place[:, None] - numbers).abs()).clamp_min(0)


def _within(length: int, borders: Float[Tensor, " cells+1"]) -> Float[Tensor, "cells length"]:
    """Return the share of each pixel that lies in each cell."""
    pixels = torch.arange(length, dtype=borders.dtype, device=borders.device)
    reached = (borders[:, None] * length - pixels).clamp(0, 1)
    return reached[1:] - reached[:-1]
