"""How good the recording of each person is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haa.recordings.mapping import Points
from haa.recordings.recording import Recording, groups


@dataclass(frozen=True)
class Person:
    """One person's data.

    Attributes:
        name: Who it is.
        trials: Number of trials in which the person looked.
        fixations: Number of fixations that are kept.
        duration: Median duration in milliseconds, or None.
        off: Share of the positions that lie off the picture.
        lost: Share of the samples, or else of the positions, that were lost; None where nothing tells of them.
        precision: Root mean square of the distance between successive samples in a fixation, in degrees where a degree
            is known, else in pixels of the screen; None without samples.
    """

    name: str
    trials: int
    fixations: int
    duration: float | None
    off: float
    lost: float | None
    precision: float | None


def people(
    recordings: Sequence[Recording], before: Points, off: np.ndarray, kept: Points, degree: float | None
) -> list[Person]:
    """Return what is known of each person, by name.

    Args:
        recordings: The recordings, with their counts of samples.
        before: All points, lost ones too.
        off: Which of them lie off their picture.
        kept: Those that are kept.
        degree: Pixels of the screen in a degree of visual angle, where it is known.
    """
    tracked, lost = Counter[str](), Counter[str]()
    for recording in recordings:
        tracked += recording.tracked
        lost += recording.lost
    missing = ~np.isfinite(before.xy).all(1)
    rows, left = _by_person(before.subject), _by_person(kept.subject)
    trial = before.trials()
    out = []
    for name, own in sorted(rows.items()):
        still = left.get(name, np.zeros(0, dtype=int))
        seen = own[~missing[own]]
        durations = kept.duration[still]
        durations = durations[np.isfinite(durations)]
        square, count = before.precision.get(name, (0.0, 0))
        out.append(
            Person(
                name,
                len(np.unique(trial[own])),
                len(still),
                float(np.median(durations)) if len(durations) else None,
                float(off[seen].mean()) if len(seen) else 0.0,
                lost[name] / tracked[name] if tracked[name] else float(missing[own].mean()),
                square**0.5 / (degree or 1.0) if count else None,
            )
        )
    return out


def _by_person(subject: np.ndarray) -> dict[str, np.ndarray]:
    """Return the numbers of each person's rows."""
    if not len(subject):
        return {}
    number, count = groups(subject)
    order = np.argsort(number, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(number, minlength=count))[:-1])
    return {subject[part[0]]: part for part in parts}
