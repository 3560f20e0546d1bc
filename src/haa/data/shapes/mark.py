"""Fine-grained attribute of `Shapes`: a bar on every object, whose direction and tone tell classes apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.layout import STRIPES, Layout

TONES = ("dark", "light")
MARKS = tuple(f"{tone} {run}" for tone in TONES for run in STRIPES)
"""Names of the classes: the tone of a bar, and the direction in which it runs."""
BEARER = "circle"
"""The shape whose bar is the class of the picture; no other object has it."""
_OFF, _REACH, _WIDTH = 0.35, 0.6, 0.2


@dataclass(frozen=True)
class Marks:
    """A bar on each object.

    Attributes:
        kind: Kind of each bar, as an index into `MARKS`.
        angle: Direction in which each bar lies from its object's centre, in radians.
    """

    kind: NDArray[np.int64]
    angle: NDArray[np.float64]

    def centres(self, layout: Layout) -> NDArray[np.float64]:
        """Return x, y of the bars' centres, ``(n, 2)``, in shares of the side."""
        off = _OFF * layout.radius
        return np.stack([layout.x + off * np.cos(self.angle), layout.y - off * np.sin(self.angle)], 1)


def draw_marks(rng: Generator, objects: int) -> Marks:
    """Draw bars of every kind with the same probability, anywhere around the objects' centres."""
    return Marks(rng.integers(len(MARKS), size=objects), rng.uniform(0, 2 * math.pi, objects))


def blend_mark(canvas: NDArray[np.float32], x: float, y: float, radius: float, kind: int) -> None:
    """Draw one bar around (x, y) into the canvas.

    Args:
        canvas: Picture to change, ``(3, size, size)``.
        x: Centre of the bar in x, in shares of the side.
        y: Centre of the bar in y, in shares of the side.
        radius: Radius of the object, in shares of the side.
        kind: Kind of the bar, as an index into `MARKS`.
    """
    size = canvas.shape[-1]
    tone, run = divmod(kind, len(STRIPES))
    pixel_centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    u, v = (pixel_centres - x) / radius, ((y - pixel_centres) / radius)[:, None]
    angle = math.pi / len(STRIPES) * run
    along, across = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
    distance = np.maximum(abs(along) - _REACH, abs(across) - _WIDTH) * (radius * size)
    canvas += np.clip(0.5 - distance, 0, 1) * (np.float32(tone) - canvas)
