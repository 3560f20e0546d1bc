"""From a recording to points of the pictures: geometry, and fixations in samples."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from haa.errors import InputError
from haa.recordings.detect import Detector
from haa.recordings.geometry import Geometry, on_picture, placed
from haa.recordings.pictures import Pictures
from haa.recordings.recording import Meaning, Recording, groups

COLUMNS = ("xy", "screen", "frame", "size", "image", "subject", "trial", "duration", "time", "raw", "corner")
"""Attributes of `Points` that have a row for each point."""


@dataclass
class Points:
    """Points of the pictures, a row each, in the order of time within a trial.

    Attributes:
        xy: In pixels of the picture, ``(n, 2)``; NaN where the eye was lost.
        screen: In pixels of the screen, ``(n, 2)``; NaN where coordinates are the picture's own.
        frame: Left, top, width and height of the picture on the screen, ``(n, 4)``.
        size: Width and height of the picture in its own pixels, ``(n, 2)``.
        image, subject, trial: What was shown, to whom, and in which trial.
        duration: Milliseconds, NaN where it is not known.
        time: Milliseconds, NaN where it is not known.
        raw: Coordinates as recorded, ``(n, 2)``.
        corner: Whether coordinates are 0, 0 in a corner, not in the middle, of what they are relative to.
        precision: Mean squares of the distance between successive samples within fixations and their numbers, by
            person, in pixels of the screen.
    """

    xy: np.ndarray
    screen: np.ndarray
    frame: np.ndarray
    size: np.ndarray
    image: np.ndarray
    subject: np.ndarray
    trial: np.ndarray
    duration: np.ndarray
    time: np.ndarray
    raw: np.ndarray
    corner: np.ndarray
    precision: dict[str, tuple[float, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.xy)

    def take(self, rows: np.ndarray) -> Points:
        """Return these rows alone."""
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def trials(self) -> np.ndarray:
        """Return a number for each row that tells its trial."""
        return groups(self.subject, self.trial, self.image)[0]


def joined(parts: list[Points]) -> Points:
    """Return the points of several recordings as one."""
    precision: dict[str, tuple[float, int]] = {}
    for part in parts:
        for subject, (square, count) in part.precision.items():
            before, number = precision.get(subject, (0.0, 0))
            precision[subject] = (before * number + square * count) / (number + count), number + count
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
    return Points(**columns, precision=precision)


def points(
    recording: Recording, pictures: Pictures, geometry: Geometry, meaning: Meaning, detector: Detector | None
) -> Points:
    """Return a recording's fixations as points of the pictures.

    Args:
        recording: The recording; its pictures are named by their paths.
        pictures: The pictures.
        geometry: Where they stood.
        meaning: What the coordinates mean.
        detector: What finds fixations in samples; None takes samples as they are.

    Raises:
        InputError: If the geometry lacks something.
    """
    if recording.screen is not None and geometry.screen is None:
        geometry = replace(geometry, screen=recording.screen)
    raw = np.stack([recording.x, recording.y], axis=1)
    lost = ~np.isfinite(raw).all(1)
    sizes = {image: pictures.size(image) for image in set(recording.image.tolist())}
    size = np.array([sizes[image][::-1] for image in recording.image.tolist()], dtype=float).reshape(-1, 2)
    unseen = np.full((len(raw), 2), np.nan)
    if meaning.of == "picture":
        screen, frame = unseen, np.full((len(raw), 4), np.nan)
        xy = placed(raw, meaning, size, None, geometry.first_pixel)
    else:
        screen = geometry.on_screen(raw, meaning)
        frame = frames(recording, sizes, geometry)
        xy = on_picture(screen, frame, size)
    unknown = np.full(len(raw), np.nan)
    duration, time = (unknown if v is None else v for v in (recording.duration, recording.time))
    corner = np.full(len(raw), meaning.origin != "center")
    xy[lost] = screen[lost] = np.nan
    labels = recording.image, recording.subject, recording.trial
    out = Points(xy, screen, frame, size, *labels, duration, time, raw, corner)
    out = out.take(np.lexsort((np.nan_to_num(time), out.trials())))  # stable: the file's order where time is not known
    if recording.kind == "fixations" or detector is None:
        return out
    return _fixations(out, recording, geometry, detector)


def frames(recording: Recording, sizes: dict[str, tuple[int, int]], geometry: Geometry) -> np.ndarray:
    """Return where each row's picture stood: as ``shown=`` says, else as the recording does."""
    names = recording.image.tolist()
    if geometry.shown is not None or recording.place is None:
        by_image = {image: geometry.frame(size) for image, size in sizes.items()}
        return np.array([by_image[image] for image in names], dtype=float).reshape(-1, 4)
    place = recording.place.copy()
    known = np.isfinite(place).all(1) & (place[:, 2:] > 0).all(1)
    if known.any():
        recording.notes.append("where the pictures stood: as the recording says")
    for image in set(recording.image[~known].tolist()):
        rows = recording.image == image
        same = place[rows & known]
        place[rows & ~known] = np.median(same, axis=0) if len(same) else geometry.frame(sizes[image])
    return place


def _fixations(out: Points, recording: Recording, geometry: Geometry, detector: Detector) -> Points:
    """Return the fixations in samples, a row each; a trial in which none is found keeps one row of a lost point."""
    if recording.time is None:
        raise InputError(f"{recording.path} holds samples without times: name the column, columns.time=...")
    degree = geometry.degree
    if degree is None and detector.method != "microsaccades":
        raise InputError(
            f"{recording.path} holds samples, in which fixations are found by degrees of visual angle: give "
            "distance=CM and screen_cm=WIDTHxHEIGHT, or pixels_per_degree=NUMBER; or detect=microsaccades; or "
            "detect=none, which takes every sample as a point"
        )
    before, time = out, out.time
    where = before.screen if np.isfinite(before.screen).any() else before.xy
    trial = before.trials()
    starts = np.flatnonzero(np.diff(trial, prepend=-1, append=-2))
    rows: list[int] = []
    means: dict[str, list[np.ndarray]] = {"xy": [], "screen": [], "raw": []}
    duration: list[float] = []
    sums, counts = Counter[str](), Counter[str]()
    empty = 0
    for start, end in itertools.pairwise(starts.tolist()):
        spans = detector.find(where[start:end] / (degree or 1.0), time[start:end])
        for first, last in spans:
            span = slice(start + first, start + last + 1)
            seen = np.isfinite(where[span]).all(1)
            rows.append(int(start + first))
            for name, values in means.items():
                values.append(getattr(before, name)[span][seen].mean(0))
            duration.append(float(time[start + last] - time[start + first]))
            steps = np.diff(where[span][seen], axis=0)
            sums[before.subject[start]] += (steps**2).sum()
            counts[before.subject[start]] += len(steps)
        if not spans:
            empty += 1
            rows.append(int(start))
            for values in means.values():
                values.append(np.full(2, np.nan))
            duration.append(float("nan"))
    recording.notes.append(f"{len(before)} samples hold {len(rows) - empty} fixations: {detector}")
    out = before.take(np.array(rows, dtype=int))
    for name, values in means.items():
        setattr(out, name, np.array(values).reshape(-1, 2))
    out.duration = np.array(duration, dtype=float)
    out.precision = {subject: (sums[subject] / count, count) for subject, count in counts.items() if count}
    return out
