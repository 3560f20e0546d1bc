"""The fine-grained attribute of `Shapes`: a bar on every object, whose direction and tone tell classes apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from haa.data.shapes.scene import STRIPES, Layout

TONES = ("dark", "light")
MARKS = tuple(f"{tone} {run}" for tone in TONES for run in STRIPES)
"""Names of the classes: a bar's tone, and the direction in which it runs."""
BEARER = "circle"
"""The shape whose bar is the class of the picture; no other object has it."""
_OFF, _REACH, _WIDTH = 0.35, 0.6, 0.2


@dataclass(frozen=True)
class Marks:
    """A bar on each object: which of `MARKS`, and in which direction from the object's centre it lies, in radians."""

    kind: NDArray[np.int64]
    angle: NDArray[np.float64]

    def centres(self, layout: Layout) -> NDArray[np.float64]:
        """``(n, 2)`` x, y of the bars' centres in shares of the side."""
        off = _OFF * layout.radius
        return np.stack([layout.x + off * np.cos(self.angle), layout.y - off * np.sin(self.angle)], 1)


def draw_marks(rng: Generator, objects: int) -> Marks:
    """Bars of every kind with the same probability, anywhere around the objects' centres."""
    return Marks(rng.integers(len(MARKS), size=objects), rng.uniform(0, 2 * math.pi, objects))


def blend_mark(canvas: NDArray[np.float32], x: float, y: float, radius: float, kind: int) -> None:
    """Draw one bar around (x, y), which are in shares of the side as is the object's radius."""
    size = canvas.shape[-1]
    tone, run = divmod(kind, len(STRIPES))
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    u, v = (at - x) / radius, ((y - at) / radius)[:, None]
    angle = math.pi / len(STRIPES) * run
    along, across = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
    distance = np.maximum(abs(along) - _REACH, abs(across) - _WIDTH) * (radius * size)
    canvas += np.clip(0.5 - distance, 0, 1) * (np.float32(tone) - canvas)
