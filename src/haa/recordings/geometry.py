"""Where the pictures stood on the screen, said once, in words: points of the screen become points of the pictures.

Pixels count as everywhere in haa: 0-based, an integer is a pixel's centre (`haa.gaze`). So a screen of width W spans
``-0.5 <= x < W - 0.5``, a share s of it is ``s * W - 0.5``, and a picture whose upper left pixel is at x = L of the
screen and that is shown at W' / w times its size maps x to ``(x + 0.5 - L) * w / W' - 0.5``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from haa.errors import InputError
from haa.gaze import Size
from haa.recordings.recording import Meaning

SHOWN = ("fit", "fill", "stretch", "pixels")


@dataclass(frozen=True)
class Geometry:
    """The screen, and how pictures were shown on it.

    Args:
        screen: Width and height of the screen in pixels; None where it is not needed.
        shown: ``fit``: as large as the box holds; ``fill``: as small as covers it, what sticks out is cut off;
            ``stretch``: to the box, whatever the proportions; ``pixels``: a pixel of the picture is one of the screen;
            ``800x600``: at this size; ``0.5``: at this scale. None where it is not said.
        box: Width and height of the part of the screen that `shown` means; None is the whole screen.
        position: Left and top of the picture on the screen; None is its centre.
        distance: Distance between eyes and screen in centimetres.
        pixels_per_cm: Pixels of the screen in a centimetre.
        pixels_per_degree: Pixels of the screen in a degree, where it is known without distance and size.
        first_pixel: 0 where pixels count from 0, 1 where they count from 1.
    """

    screen: tuple[int, int] | None = None
    shown: str | None = None
    box: tuple[float, float] | None = None
    position: tuple[float, float] | None = None
    distance: float | None = None
    pixels_per_cm: float | None = None
    pixels_per_degree: float | None = None
    first_pixel: int = 0

    @property
    def degree(self) -> float | None:
        """Pixels of the screen in a degree of visual angle straight ahead, None where it is not known.

        Example:
            >>> round(Geometry(distance=57.3, pixels_per_cm=36).degree, 1)
            36.0
        """
        if self.pixels_per_degree is not None:
            return self.pixels_per_degree
        if self.distance is None or self.pixels_per_cm is None:
            return None
        return self.distance * math.tan(math.radians(1)) * self.pixels_per_cm

    def frame(self, size: Size) -> tuple[float, float, float, float]:
        """Return left, top, width and height on the screen of a picture of this (height, width).

        Raises:
            InputError: If it is not known.

        Example:
            >>> Geometry((1920, 1080), "fit").frame((600, 800))
            (240.0, 0.0, 1440.0, 1080.0)
        """
        screen = self._screen("to place the pictures on it")
        shown = self.shown
        if shown is None:
            raise InputError(
                f"how were the pictures shown? Give shown={'|'.join(SHOWN)}|WIDTHxHEIGHT, or of=picture where the "
                "coordinates are relative to the picture"
            )
        h, w = size
        box = self.box or screen
        exact = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", shown)
        if shown in ("fit", "fill"):
            scale = (min if shown == "fit" else max)(box[0] / w, box[1] / h)
            width, height = w * scale, h * scale
        elif shown == "stretch":
            width, height = box
        elif exact:
            width, height = float(exact[1]), float(exact[2])
        else:
            scale = 1.0 if shown == "pixels" else float(shown)
            width, height = w * scale, h * scale
        left, top = self.position or ((screen[0] - width) / 2, (screen[1] - height) / 2)
        return left, top, width, height

    def on_screen(self, points: np.ndarray, meaning: Meaning) -> np.ndarray:
        """Return points ``(n, 2)`` in pixels of the screen, from its upper left, y down.

        Raises:
            InputError: If that needs what is not known.

        Example:
            >>> Geometry((100, 50)).on_screen(np.array([[0.0, 0.0]]), Meaning("share", "lower-left", "up"))
            array([[-0.5, 49.5]])
        """
        if (meaning.units, meaning.origin, meaning.y) == ("pixels", "upper-left", "down"):
            return points - self.first_pixel  # which needs no screen
        screen = np.array(self._screen(f"for {meaning}"), dtype=float)
        return placed(points, meaning, screen, self._per_unit(meaning), self.first_pixel)

    def _per_unit(self, meaning: Meaning) -> np.ndarray | None:
        """Return how degrees become pixels: None where coordinates are no degrees."""
        if meaning.units != "degrees":
            return None
        if self.degree is None:
            raise InputError(
                "degrees of visual angle: give distance=CM and screen_cm=WIDTHxHEIGHT, or pixels_per_degree=NUMBER"
            )
        if self.pixels_per_degree is not None:
            return np.array([self.pixels_per_degree, 0.0])
        assert self.distance is not None
        assert self.pixels_per_cm is not None
        return np.array([0.0, self.distance * self.pixels_per_cm])

    def sigma(self, size: Size, frame: tuple[float, float, float, float]) -> float | None:
        """Return a degree of visual angle as a share of the picture's longer side, which ``data.sigma`` takes."""
        longer = frame[2] if size[1] >= size[0] else frame[3]
        return None if self.degree is None else self.degree / longer

    def _screen(self, why: str) -> tuple[int, int]:
        if self.screen is None:
            raise InputError(f"the screen's size is needed {why}: give screen=WIDTHxHEIGHT in pixels")
        return self.screen


def placed(
    points: np.ndarray, meaning: Meaning, area: np.ndarray, degree: np.ndarray | None = None, first_pixel: int = 0
) -> np.ndarray:
    """Return points in pixels of an area, from its upper left, y down.

    Args:
        points: Points ``(n, 2)`` as recorded.
        meaning: What their coordinates mean.
        area: Width and height of the area in pixels, ``(2,)``, or of each point's, ``(n, 2)``.
        degree: Pixels in a degree, and pixels for a tangent of 1, one of which is 0; for degrees alone.
        first_pixel: 0 where pixels count from 0, 1 where they count from 1.

    Raises:
        InputError: If the units do not go with the origin.
    """
    size = np.asarray(area, dtype=float)
    height = size[..., 1:].repeat(2, -1)
    scales = {"share": size, "percent": size / 100, "norm": size / 2, "height": height}
    if meaning.units == "norm" and meaning.origin != "center":
        raise InputError("units=norm goes from -1 to 1 about the centre: give origin=center")
    if meaning.units == "pixels" and meaning.origin != "center":
        points = points - first_pixel + 0.5  # to distances from the edge
    if meaning.units == "degrees" and degree is not None:
        per_degree, per_tangent = degree
        points = points * per_degree if per_degree else np.tan(np.radians(points)) * per_tangent
    distance = points * scales.get(meaning.units, np.ones(2))
    if meaning.y == "up":
        distance = distance * np.array([1.0, -1.0])
    origin = {"upper-left": 0.0, "lower-left": np.array([0.0, 1.0]), "center": 0.5}[meaning.origin]
    return origin * size + distance - 0.5


def on_picture(points: np.ndarray, frames: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return points of the screen in pixels of the pictures that stand there.

    Args:
        points: Points ``(n, 2)`` in pixels of the screen.
        frames: Left, top, width and height on the screen, ``(n, 4)``.
        sizes: Widths and heights of the pictures in their own pixels, ``(n, 2)``.

    Example:
        >>> frame = np.array([[240.0, 0.0, 1440.0, 1080.0]])
        >>> on_picture(np.array([[959.5, 539.5]]), frame, np.array([[800, 600]]))
        array([[399.5, 299.5]])
    """
    return (points + 0.5 - frames[:, :2]) * sizes / frames[:, 2:] - 0.5
