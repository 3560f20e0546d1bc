"""How good the recording of each person is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from haa.recordings.mapping import Points
from haa.recordings.recording import Recording


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
    out = []
    for name in sorted(set(before.subject.tolist())):
        own, still = before.subject == name, kept.subject == name
        seen = own & ~missing
        durations = kept.duration[still & np.isfinite(kept.duration)]
        positions = int(own.sum())
        share = lost[name] / tracked[name] if tracked[name] else float(missing[own].mean()) if positions else None
        square, count = before.precision.get(name, (0.0, 0))
        out.append(
            Person(
                name,
                len(np.unique(before.trials()[own])),
                int(still.sum()),
                float(np.median(durations)) if len(durations) else None,
                float(off[seen].mean()) if seen.any() else 0.0,
                share,
                square**0.5 / (degree or 1.0) if count else None,
            )
        )
    return out
