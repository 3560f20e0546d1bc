"""What an export holds, whoever wrote it: rows of gaze, before it is known where the pictures stood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

Kind = Literal["fixations", "samples"]
Units = Literal["pixels", "share", "percent", "norm", "height", "degrees"]
"""``share`` goes from 0 to 1, ``norm`` from -1 to 1, ``height`` is PsychoPy's: shares of the screen's height."""
Origin = Literal["upper-left", "lower-left", "center"]
Of = Literal["screen", "picture"]


@dataclass(frozen=True)
class Meaning:
    """What an export's coordinates mean.

    Attributes:
        units: Units of x and y.
        origin: Where x and y are 0.
        y: Direction in which y grows.
        of: Whether they are relative to the screen or to the picture.
    """

    units: Units = "pixels"
    origin: Origin = "upper-left"
    y: Literal["down", "up"] = "down"
    of: Of = "screen"

    def __str__(self) -> str:
        words = {"share": "shares from 0 to 1", "percent": "per cent", "norm": "units from -1 to 1"}
        named = {"height": "units of the screen's height", "degrees": "degrees of visual angle", "pixels": "pixels"}
        place = self.origin.replace("-", " ")
        return f"{(words | named)[self.units]} of the {self.of} from its {place}, y {self.y}"


@dataclass
class Recording:
    """Rows of gaze of one export, in the order of time within a trial.

    Attributes:
        path: The file.
        layout: Name of the layout that was recognised.
        kind: Whether a row is a fixation or a sample.
        x, y: Coordinates as exported, ``(n,)``, NaN where the eye was lost.
        image: What was shown, as the export calls it; empty where nothing was.
        subject: Who looked.
        trial: What tells two showings of a picture to a person apart.
        duration: Durations in milliseconds, or None.
        time: Times in milliseconds, or None.
        place: Left, top, width and height of the picture on the screen in pixels, ``(n, 4)``, or None.
        meaning: What the coordinates mean.
        screen: Width and height of the screen in pixels, where the export says so.
        notes: What was recognised, in sentences for the user.
        left_out: Numbers of rows that were left out on reading, by reason.
        tracked: Numbers of samples by person, where the export has them.
        lost: Numbers of those at which the eye was lost, by person.
    """

    path: Path
    layout: str
    kind: Kind
    x: np.ndarray
    y: np.ndarray
    image: np.ndarray
    subject: np.ndarray
    trial: np.ndarray
    duration: np.ndarray | None = None
    time: np.ndarray | None = None
    place: np.ndarray | None = None
    meaning: Meaning = field(default_factory=Meaning)
    screen: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    tracked: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray) -> None:
        """Keep these rows alone, a mask or numbers of rows."""
        for name in ("x", "y", "image", "subject", "trial", "duration", "time", "place"):
            values = getattr(self, name)
            if values is not None:
                setattr(self, name, values[rows])

    def leave_out(self, reason: str, rows: np.ndarray) -> None:
        """Leave out the rows of a mask, and count them."""
        if rows.any():
            self.left_out[reason] += int(rows.sum())
            self.take(~rows)


def nowhere(values: np.ndarray) -> np.ndarray:
    """Return which coordinates stand for a lost eye: EyeLink's 1e8 and -32768, and what is beyond any screen.

    Example:
        >>> nowhere(np.array([1e8, -32768.0, 960.0]))
        array([ True,  True, False])
    """
    with np.errstate(invalid="ignore"):
        return (np.abs(values) >= 1e6) | (values == -32768)


def groups(*columns: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a number for each row that rows of equal values share, by order of their first row, and how many.

    Example:
        >>> groups(np.array(["b", "a", "b"], dtype=object), np.array([1, 1, 1]))
        (array([0, 1, 0]), 2)
    """
    if not len(columns[0]):
        return np.zeros(0, dtype=int), 0
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        if column.dtype == object:  # texts, which NumPy would sort one by one
            encoded = pa.array(column, pa.string()).dictionary_encode()
            inverse, count = encoded.indices.to_numpy(), len(encoded.dictionary)
        else:
            values, inverse = np.unique(column, return_inverse=True)
            count = len(values)
        key = np.unique(key * count + inverse, return_inverse=True)[1]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return order[inverse], len(first)


def texts(values: Sequence[object] | np.ndarray | str, count: int | None = None) -> np.ndarray:
    """Return texts as an array of objects; one text for all rows where a count is given."""
    if isinstance(values, str):
        values = [values] * (count or 0)
    out = np.empty(len(values), dtype=object)
    out[:] = [str(value) for value in values]
    return out
