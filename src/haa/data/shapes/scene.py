"""Contents of a picture of `Shapes`: objects on a jittered grid, and the background behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.layout import Layout
from haa.data.shapes.mark import Marks

SHAPES = ("circle", "square", "triangle", "ring", "cross", "star")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple")
SIDES = ("right", "top", "left", "bottom")
"""The brightest side of the picture, for light from 0, 90, 180 and 270 degrees."""
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
"""RGB of each of `COLOURS`, in [0, 1]."""


@dataclass(frozen=True)
class Background:
    """Everything behind the objects; angles are in radians, counter-clockwise from the x axis as seen.

    Attributes:
        rgb: Colour, ``(3,)``.
        stripes: Direction in which the stripes run.
        frequency: Stripes per side.
        phase: Phase of the stripes.
        contrast: Amplitude of the stripes, in [0, 1].
        light: Direction from which light comes.
        shading: Brightness gained from the middle to the lit side, in [0, 1].
        specks: Clutter, ``(m, 6)``: x, y, radius, red, green and blue of small dots that no text mentions.
    """

    rgb: NDArray[np.float64]
    stripes: float
    frequency: float
    phase: float
    contrast: float
    light: float
    shading: float
    specks: NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """One picture before it is rendered, the same at every size.

    Attributes:
        layout: Places of the objects.
        shape: Shape of each object, as an index into `SHAPES`.
        colour: Colour of each object, as an index into `COLOURS`.
        strength: Share of its colour that each object keeps; the background shines through with the remaining share.
        background: Everything behind the objects.
        marks: Bars on the objects, for the task whose class is one of them.
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
        """Return the RGB distance of each object's colour from the background's, in [0, sqrt(3)]."""
        return self.strength * np.linalg.norm(RGB[self.colour] - self.background.rgb, axis=1)


def draw_background(rng: Generator, clutter: int, side: int) -> Background:
    """Draw a dark greyish background with faint stripes and shading; no question asks about any of them."""
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
    """Draw a background whose hue, stripes and shading mean something; each can be read anywhere in the picture.

    Hue, stripes and light deviate from the named angle by a Gaussian whose standard deviation is ``ambiguity`` times
    half the angle between neighbours. The deviation is the same all over the picture: to look at more of it, or at
    another part, tells nothing more.

    Args:
        rng: Generator that draws the background.
        clutter: Number of specks.
        side: Cells per row of the layout, to which the size of the specks is relative.
        colour: Hue, as an index into `COLOURS`.
        stripes: Direction of the stripes, as an index into `haa.data.shapes.layout.STRIPES`.
        light: Brightest side, as an index into `SIDES`.
        ambiguity: Deviation from the named angles, see above.
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
    """Return the RGB of a hue whose smallest channel is ``low`` and largest ``high`` (the HSV hexagon)."""
    distance = np.abs((degrees - np.array([0.0, 120.0, 240.0]) + 180) % 360 - 180)
    return low + (high - low) * np.clip(2 - distance / 60, 0, 1)
