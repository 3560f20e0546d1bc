"""From exports and pictures to points, what was left out, likely mistakes and each person's quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from haa.data.care.contrast import contrast
from haa.data.care.gathered import MANY
from haa.data.care.mistakes import Gazed, Mistake, mistakes
from haa.data.files.image import read_image
from haa.errors import InputError
from haa.printing.progress import progress
from haa.recordings.clean import clean, outside
from haa.recordings.mapping import Points, joined, points
from haa.recordings.options import Options
from haa.recordings.pictures import Pictures
from haa.recordings.quality import Person, people
from haa.recordings.read import read
from haa.recordings.recording import Recording

EXPORTS = (".tsv", ".csv", ".txt", ".asc", ".hdf5", ".h5")
"""Endings of the files that are taken from a folder of exports."""


@dataclass(frozen=True)
class Imported:
    """What was imported, for the page and the record.

    Attributes:
        recordings: The exports.
        pictures: The pictures that were shown.
        before: All points, lost ones and those off the pictures too.
        kept: The points that are written.
        counts: What was left out, by reason.
        found: Likely mistakes.
        people: Quality by person.
        sigma: A degree of visual angle as a share of the pictures' longer side, None where it is not known.
        screen: Width and height of the screen, None where nothing says so.
        degree: Whether precision is in degrees.
    """

    recordings: Sequence[Recording]
    pictures: Pictures
    before: Points
    kept: Points
    counts: Counter[str]
    found: Sequence[Mistake]
    people: Sequence[Person]
    sigma: float | None
    screen: tuple[int, int] | None
    degree: bool


def gather(options: Options, pictures: Pictures) -> Imported:
    """Return what the exports hold, mapped to the pictures and cleaned."""
    recordings, parts = [], []
    with progress() as bar:
        for path in bar.track(_files(options.exports), description="reading"):
            recording = read(path, pictures, options.reading)
            meaning = options.meant(recording.meaning)
            if meaning != recording.meaning:
                recording.notes.append(f"as you say: {meaning}")
            parts.append(points(recording, pictures, options.geometry, meaning, options.detector))
            recordings.append(recording)
        before = joined(parts)
        kept, counts = clean(before, options.cleaning)
        for recording in recordings:
            counts += recording.left_out
        if not len(kept):
            reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
            raise InputError(f"no point is left of {len(before)} ({reasons}): correct the geometry, or the options")
        found = mistakes(_gazed(before, pictures, bar))
    off = outside(before) & np.isfinite(before.xy).all(1)
    degree = options.geometry.degree
    sides = before.frame[:, 2:].max(1)
    known = np.isfinite(sides)
    sigma = degree / float(np.median(sides[known])) if degree is not None and known.any() else None
    screen = options.geometry.screen or next((r.screen for r in recordings if r.screen), None)
    quality = people(recordings, before, off, kept, degree)
    return Imported(recordings, pictures, before, kept, counts, found, quality, sigma, screen, degree is not None)


def _files(exports: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in exports:
        if path.is_dir():
            below = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in EXPORTS and file.is_file()]
            if not below:
                raise InputError(f"{path} holds no export ({', '.join(EXPORTS)}): name the files")
            files += below
        else:
            files.append(path)
    return files


def _gazed(before: Points, pictures: Pictures, bar: Any) -> Gazed:
    """Return the points for the search for mistakes, with the contrast of up to `MANY` pictures."""
    seen = before.take(np.isfinite(before.xy).all(1) & ~((before.raw == 0).all(1) & before.corner))
    images = sorted(set(seen.image.tolist()))
    number = {image: n for n, image in enumerate(images)}
    contrasts = {}
    for image in bar.track(images[:: max(1, len(images) // MANY)], description="looking"):
        contrasts[number[image]] = contrast(read_image(pictures.root / image).permute(1, 2, 0).numpy())
    picture = np.array([number[image] for image in seen.image.tolist()], dtype=np.int64)
    durations = seen.duration if np.isfinite(seen.duration).any() else None
    return Gazed(seen.xy, seen.size, picture, durations, contrasts)
