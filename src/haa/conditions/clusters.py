"""Clusters of gaze, moved as they are to other places of the stimulus.

A map of gaze is peaked because people look at few places, often. Fixations drawn one by one, even from the same places,
make a smoother map, which pulls less on an attention that is aligned with it: on pictures of OSIE, with 140 fixations
each, a third as hard by its KL divergence from a uniform map. Moved cluster by cluster, a map is as peaked as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from haa.conditions.draw import place
from haa.gaze import Gaze, Size

CELLS = 32
"""Number of cells along the longer side at which the clusters of a published map are found."""

Places = Callable[[int], Float[Tensor, "k 2"]]
"""Draws so many places, in shares of the stimulus' sides."""


def relative(points: Float[Tensor, "n 2"], size: Size) -> Float[Tensor, "n 2"]:
    """Return points in pixels of a stimulus of ``size`` (h, w) in shares of its sides, what `place` takes.

    Example:
        >>> relative(torch.tensor([[-0.5, 0.5]]), (2, 8))
        tensor([[0.0000, 0.5000]], dtype=torch.float64)
    """
    return (points.double() + 0.5) / torch.tensor([size[1], size[0]])


def move(own: Gaze, radius: float, places: Places) -> Gaze:
    """Return the fixations with each of their `clusters` moved to a place of its own.

    The first fixation of a cluster comes to lie on the place and the others keep their distance from it. What would
    leave the stimulus is reflected at its border. Who looked, for how long and on which frame stays.

    Args:
        own: Fixations on the stimulus.
        radius: Largest distance of a fixation from the first one of its cluster, as a share of the longer side.
        places: Draws the places.

    Example:
        >>> own = Gaze(torch.tensor([[10.0, 10.0], [80.0, 80.0], [12.0, 10.0]]), (100, 100))
        >>> move(own, 0.1, lambda count: torch.tensor([[0.505, 0.205], [0.305, 0.705]])).points
        tensor([[50., 20.],
                [30., 70.],
                [52., 20.]])
    """
    shares = relative(own.points, own.size)
    labels, moves = _moves(shares, own.size, radius, places)
    # reflected at the border, as often as it takes
    moved = 1 - (1 - (shares + moves[labels]) % 2).abs()
    return replace(own, points=place(moved, own.size).to(own.points.dtype))


def move_map(own: Float[Tensor, "*t h w"], radius: float, places: Places) -> Float[Tensor, "*t h w"]:
    """Return a map of gaze with each of its clusters moved to a place of its own, in all frames alike.

    The first cluster is what lies around the map's highest cell, the next what lies around the highest of the rest.
    The pixels of a cluster move together, and those that come to lie on one another are added.

    Args:
        own: Map, non-negative.
        radius: Largest distance of a cell from the first one of its cluster, as a share of the longer side.
        places: Draws the places.

    Example:
        >>> own = torch.tensor([[0.0, 0.6, 0.1, 0.0, 0.0, 0.0, 0.3, 0.0]])
        >>> move_map(own, 0.2, lambda count: torch.tensor([[0.8125, 0.5], [0.0625, 0.5]]))
        tensor([[0.3000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.6000, 0.1000]])
    """
    h, w = own.shape[-2:]
    grid = min(h, max(1, round(CELLS * h / max(h, w)))), min(w, max(1, round(CELLS * w / max(h, w))))
    row, column = torch.arange(h)[:, None], torch.arange(w)
    cell = (row * grid[0] // h * grid[1] + column * grid[1] // w).flatten()
    flat = own.reshape(-1, h * w)
    mass = flat.new_zeros(grid[0] * grid[1]).index_add(0, cell, flat.sum(0))
    order = mass.argsort(descending=True, stable=True)[: int((mass > 0).sum())]
    centres = torch.stack([order % grid[1], order // grid[1]], 1)
    labels, moves = _moves(relative(centres, grid), (h, w), radius, places)
    right, down = torch.zeros(2, len(mass), dtype=torch.long)
    right[order], down[order] = (moves[labels] * torch.tensor([w, h])).round().long().unbind(1)
    y = _reflected(row + down[cell].view(h, w), h)
    x = _reflected(column + right[cell].view(h, w), w)
    return torch.zeros_like(flat).index_add(1, (y * w + x).flatten(), flat).view_as(own)


def clusters(points: Float[Tensor, "n 2"], radius: float) -> tuple[Int[Tensor, " n"], Int[Tensor, " k"]]:
    """Return the cluster of each point, from 0, and the first point of each cluster.

    The first point that is in no cluster yet begins one. All join it that are at most ``radius`` away from that point
    and in no cluster yet.

    Example:
        >>> clusters(torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 0.0], [2.0, 0.0]]), radius=1)
        (tensor([0, 1, 0, 1]), tensor([0, 1]))
    """
    labels = torch.full((len(points),), -1)
    firsts: list[int] = []
    while len(free := (labels < 0).nonzero()[:, 0]):
        near = (points[free] - points[free[0]]).norm(dim=1) <= radius
        labels[free[near]] = len(firsts)
        firsts.append(int(free[0]))
    return labels, torch.tensor(firsts, dtype=torch.long)


def _moves(
    shares: Float[Tensor, "n 2"], size: Size, radius: float, places: Places
) -> tuple[Int[Tensor, " n"], Float[Tensor, "k 2"]]:
    """Return the cluster of each point, and how far each cluster moves, in shares of the sides."""
    sides = torch.tensor([size[1], size[0]], dtype=torch.float64)
    labels, firsts = clusters(shares * sides / sides.max(), radius)
    return labels, places(len(firsts)).double() - shares[firsts]


def _reflected(pixel: Int[Tensor, "*n"], side: int) -> Int[Tensor, "*n"]:
    """Return pixels beyond a side of so many pixels reflected into it, as often as it takes."""
    pixel = pixel % (2 * side)
    return torch.minimum(pixel, 2 * side - 1 - pixel)
