"""Places of the objects in a picture of `Shapes`, and the directions that its bars and stripes share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

STRIPES = ("horizontal", "rising", "vertical", "falling")
"""Directions of stripes and bars at angles of 0, 45, 90 and 135 degrees, counter-clockwise as seen."""
RADIUS = (0.3, 0.46)
"""Smallest and largest radius, in shares of a cell of the grid on which objects stand."""


@dataclass(frozen=True)
class Layout:
    """Places of the objects: centres and radii in shares of the picture's side; x to the right, y down, corner at 0.

    Objects fill different cells of a square grid and keep within them, so that none overlaps another. A centre is at
    most a fifth of a cell away from the centre of its cell. Objects of one row therefore differ by less than half a
    cell in y, and objects of different rows by more: 'left of' is never in doubt.

    Attributes:
        x: Centres in x, ``(n,)``.
        y: Centres in y, ``(n,)``.
        radius: Radii, ``(n,)``.
        cell: Number of each object's cell, ``(n,)``, counted row by row.
        side: Cells per row.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radius: NDArray[np.float64]
    cell: NDArray[np.int64]
    side: int


def draw_layout(rng: Generator, objects: int, side: int | None = None, jitter: float = 1.0) -> Layout:
    """Draw the places of ``objects`` objects, in random order, so that no index stands for a place.

    Args:
        rng: Generator that draws the places.
        objects: Number of objects.
        side: Cells per row; None takes a number that leaves a few cells empty.
        jitter: Share of the free room in its cell that a centre may use, 0 to 1.
    """
    side = math.ceil(math.sqrt(1.25 * objects)) if side is None else side
    cell = rng.permutation(side * side)[:objects]
    radius = rng.uniform(*RADIUS, objects) / side
    reach = jitter * np.minimum(0.2 / side, 0.5 / side - radius)
    offset = rng.uniform(-1, 1, (2, objects)) * reach
    row, column = np.divmod(cell, side)
    return Layout((column + 0.5) / side + offset[0], (row + 0.5) / side + offset[1], radius, cell, side)
