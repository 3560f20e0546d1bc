"""What is in a picture of `Shapes`: objects on a jittered grid, and the background behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

if TYPE_CHECKING:
    from haa.data.shapes.mark import Marks

SHAPES = ("circle", "square", "triangle", "ring", "cross", "star")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple")
STRIPES = ("horizontal", "rising", "vertical", "falling")
"""Directions of the stripes at angles of 0, 45, 90 and 135 degrees, counter-clockwise as seen."""
SIDES = ("right", "top", "left", "bottom")
"""Where it is brightest, for light from 0, 90, 180 and 270 degrees."""
RADIUS = (0.3, 0.46)
"""Smallest and largest radius, in shares of a cell of the grid on which objects stand."""
RGB = np.array(
    [
        (0.86, 0.16, 0.16),
        (0.86, 0.80, 0.16),
        (0.18, 0.70, 0.22),
        (0.18, 0.74, 0.80),
        (0.20, 0.28, 0.88),
        (0.68, 0.22, 0.76),
    ],
    dtype=np.float32,
)
"""Of `COLOURS`, in [0, 1]."""


@dataclass(frozen=True)
class Layout:
    """Where objects stand: centres and radii in shares of the picture's side, x to the right, y down, the corner at 0.

    Objects fill different cells of a square grid and keep within them, so that none overlaps another. ``cell`` counts
    row by row. A centre is at most a fifth of a cell off its cell's: objects of one row differ by less than half a
    cell in y, objects of different rows by more, and 'left of' is never in doubt.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    radius: NDArray[np.float64]
    cell: NDArray[np.int64]
    side: int
    """Cells per row."""


@dataclass(frozen=True)
class Background:
    """Everything behind the objects; angles in radians, counter-clockwise from the x axis as seen."""

    rgb: NDArray[np.float64]
    stripes: float
    """The direction in which the stripes run."""
    frequency: float
    """Stripes per side."""
    phase: float
    contrast: float
    """Amplitude of the stripes, in [0, 1]."""
    light: float
    """The direction from which light comes."""
    shading: float
    """Brightness from the middle to the lit side, in [0, 1]."""
    specks: NDArray[np.float64]
    """Clutter, ``(m, 6)``: x, y, radius, red, green, blue of small dots that no text speaks of."""


@dataclass(frozen=True)
class Scene:
    """One picture before it is rendered, the same at every size.

    ``shape`` and ``colour`` index `SHAPES` and `COLOURS`; ``strength`` is the share of its colour that an object keeps,
    the background shining through with the rest; ``marks`` are bars on the objects, where the class is one of them.
    """

    layout: Layout
    shape: NDArray[np.int64]
    colour: NDArray[np.int64]
    strength: NDArray[np.float64]
    background: Background
    marks: Marks | None = None

    def __len__(self) -> int:
        return len(self.shape)

    def contrast(self) -> NDArray[np.float64]:
        """How far each object's colour is from the background's: the RGB distance, in [0, sqrt(3)]."""
        return self.strength * np.linalg.norm(RGB[self.colour] - self.background.rgb, axis=1)


def draw_layout(rng: Generator, objects: int, side: int | None = None, jitter: float = 1.0) -> Layout:
    """``objects`` places in random order, so that no index stands for a place.

    Args:
        rng: draws them.
        objects: how many.
        side: cells per row; None leaves a few of them empty.
        jitter: how much of the room beside them centres may use, 0 to 1.
    """
    side = math.ceil(math.sqrt(1.25 * objects)) if side is None else side
    cell = rng.permutation(side * side)[:objects]
    radius = rng.uniform(*RADIUS, objects) / side
    reach = jitter * np.minimum(0.2 / side, 0.5 / side - radius)
    offset = rng.uniform(-1, 1, (2, objects)) * reach
    row, column = np.divmod(cell, side)
    return Layout((column + 0.5) / side + offset[0], (row + 0.5) / side + offset[1], radius, cell, side)


def draw_background(rng: Generator, clutter: int, side: int) -> Background:
    """A dark greyish one with faint stripes and shading, none of which any question asks about."""
    grey, phase, stripes, frequency, light = rng.random(5)
    tint = rng.uniform(-0.08, 0.08, 3)
    return Background(
        rgb=0.1 + 0.2 * grey + tint,
        stripes=math.pi * stripes,
        frequency=3 + 5 * frequency,
        phase=2 * math.pi * phase,
        contrast=0.06,
        light=2 * math.pi * light,
        shading=0.08,
        specks=_specks(rng, clutter, side),
    )


def draw_telling_background(
    rng: Generator, clutter: int, side: int, colour: int, stripes: int, light: int, ambiguity: float
) -> Background:
    """One whose hue, stripes and shading mean something; each can be read at any place of the picture.

    ``colour``, ``stripes`` and ``light`` index `COLOURS`, `STRIPES` and `SIDES`. Hue, stripes and light deviate from
    the named angle by a Gaussian whose standard deviation is ``ambiguity`` times half the angle between neighbours.
    The deviation is one for the whole picture: looking at more of it, or at another part, tells nothing more.
    """
    phase, frequency = rng.random(2)
    hue, run, sun = rng.standard_normal(3) * ambiguity / 2
    return Background(
        rgb=_hue(60 * (colour + hue), low=0.35, high=0.65),
        stripes=math.pi / 4 * (stripes + run),
        frequency=6 + 3 * frequency,
        phase=2 * math.pi * phase,
        contrast=0.1,
        light=math.pi / 2 * (light + sun),
        shading=0.15,
        specks=_specks(rng, clutter, side),
    )


def _specks(rng: Generator, clutter: int, side: int) -> NDArray[np.float64]:
    specks = rng.random((clutter, 6))
    specks[:, 2] = (0.03 + 0.06 * specks[:, 2]) / side
    specks[:, 3:] = RGB[(specks[:, 3] * len(RGB)).astype(int)]
    return specks


def _hue(degrees: float, low: float, high: float) -> NDArray[np.float64]:
    """RGB of a hue whose smallest and largest channels are given (the HSV hexagon)."""
    distance = np.abs((degrees - np.array([0.0, 120.0, 240.0]) + 180) % 360 - 180)
    return low + (high - low) * np.clip(2 - distance / 60, 0, 1)
