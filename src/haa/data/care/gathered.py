"""The gaze of a whole data set, with the contrast of some of its pictures, for `haa.data.care.mistakes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from haa.data.care.contrast import contrast
from haa.data.care.mistakes import Gazed
from haa.data.files.image import image_size
from haa.errors import InputError
from haa.gaze import Gaze

MANY = 400
"""Most pictures whose contrast is taken."""
POINTS = 200_000
"""Points after which no more are gathered; mistakes show in a thousand."""


class Gathered:
    """Points of the pictures, gathered sample by sample."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._points: list[np.ndarray] = []
        self._sizes: list[tuple[int, int]] = []
        self._pictures: list[int] = []
        self._durations: list[np.ndarray] = []
        self._contrasts: dict[int, np.ndarray] = {}
        self._count = 0

    def add(self, picture: str, gaze: Gaze, image: Tensor | None = None) -> None:
        """Add the gaze at a picture, and the picture itself ``(3, h, w)`` where it is at hand."""
        if self._count >= POINTS or gaze.frame is not None:
            return
        number = self._numbers.setdefault(picture, len(self._numbers))
        h, w = gaze.size
        durations = None if gaze.duration is None else gaze.duration.numpy()
        self._add(number, gaze.points.numpy(), (w, h), durations)
        if image is not None and number not in self._contrasts and len(self._contrasts) < MANY:
            self._contrasts[number] = contrast(image.permute(1, 2, 0).numpy())

    def _add(self, number: int, points: np.ndarray, size: tuple[int, int], durations: np.ndarray | None) -> None:
        self._points.append(points)
        self._sizes.append(size)
        self._pictures.append(number)
        if durations is not None:
            self._durations.append(durations)
        self._count += len(points)

    def from_rows(self, rows: Iterable[Mapping[str, Any]], root: Path) -> Gathered:
        """Return the gaze of a reader's rows, points off the pictures too, with the contrasts gathered here.

        Args:
            rows: What the reader's ``scan`` yields.
            root: Folder that the rows' files lie in.
        """
        out = Gathered()
        out._numbers, out._contrasts = dict(self._numbers), self._contrasts
        sizes: dict[str, tuple[int, int] | None] = {}
        for row in rows:
            if out._count >= POINTS:
                break
            if not row.get("x") or row.get("frame") or len(row["x"]) != len(row.get("y") or ()):
                continue
            path = str(root / row["image"])
            if path not in sizes:
                sizes[path] = _size(row, path)
            size = sizes[path]
            if size is not None:
                number = out._numbers.setdefault(path, len(out._numbers))
                points = np.stack([np.asarray(row[key], dtype=float) for key in ("x", "y")], axis=1)
                durations = np.asarray(row["duration"], dtype=float) if row.get("duration") else None
                out._add(number, points, size, durations)
        return out

    def gazed(self) -> Gazed:
        """Return all that was gathered."""
        counts = [len(points) for points in self._points]
        return Gazed(
            np.concatenate([*self._points, np.zeros((0, 2))]).astype(float),
            np.repeat(np.array(self._sizes, dtype=float).reshape(-1, 2), counts, axis=0),
            np.repeat(np.array(self._pictures, dtype=np.int64), counts),
            np.concatenate(self._durations).astype(float) if self._durations else None,
            self._contrasts,
        )


def _size(row: Mapping[str, Any], path: str) -> tuple[int, int] | None:
    if row.get("height"):
        return row["width"], row["height"]
    try:
        h, w = image_size(path)
    except InputError:  # which is a fault of its own
        return None
    return w, h
