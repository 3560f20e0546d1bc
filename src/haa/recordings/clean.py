"""What is left out of the points, by option, and how much of it: nothing goes without being counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from haa.recordings.mapping import Points

Outside = Literal["drop", "keep", "edge"]


@dataclass(frozen=True)
class Cleaning:
    """What happens to points that are no plain fixations of the picture.

    Args:
        outside: Glances off the picture: ``drop`` leaves them out, ``keep`` writes them (``data.outside`` of
            ``data=folder`` then says what becomes of them), ``edge`` moves them to the picture's nearest pixel.
        first_fixation: Whether the first fixation of each trial stays; often it is where the cross before it was.
        shortest, longest: Bounds of the duration in milliseconds; None sets none.
        zeros: Whether points at exactly 0, 0 of an upper left origin stay; many trackers write them for a lost eye.
        untimed: Whether fixations whose duration is not known stay, where others have one.
    """

    outside: Outside = "drop"
    first_fixation: bool = True
    shortest: float | None = None
    longest: float | None = None
    zeros: bool = False
    untimed: bool = True


def clean(points: Points, how: Cleaning) -> tuple[Points, Counter[str]]:
    """Return the points that stay, and the numbers of those that do not, by reason.

    Args:
        points: The points; lost ones are NaN.
        how: What happens to which.
    """
    counts: Counter[str] = Counter()
    trials = len(np.unique(points.trials()))
    images, people = len(set(points.image.tolist())), len(set(points.subject.tolist()))

    def leave_out(reason: str, rows: np.ndarray) -> None:
        nonlocal points
        counts[reason] += int(rows.sum())
        points = points.take(~rows)

    leave_out("lost: no position", ~np.isfinite(points.xy).all(1))
    if not how.zeros:
        leave_out("lost: at exactly 0, 0", (points.raw == 0).all(1) & points.corner)
    if not how.first_fixation:
        trial = points.trials()
        leave_out(
            "the first fixation of its trial", np.isin(np.arange(len(trial)), np.unique(trial, return_index=True)[1])
        )
    if how.shortest is not None:
        leave_out(f"shorter than {how.shortest:g} ms", points.duration < how.shortest)
    if how.longest is not None:
        leave_out(f"longer than {how.longest:g} ms", points.duration > how.longest)
    timed = np.isfinite(points.duration)
    if not how.untimed and timed.any():
        leave_out("without a duration", ~timed)
    off = outside(points)
    if how.outside == "drop":
        leave_out("off the picture", off)
    elif how.outside == "edge":
        counts["off the picture: moved to its edge"] += int(off.sum())
        points.xy = np.clip(points.xy, 0, points.size - 1)
    else:
        counts["off the picture: kept"] += int(off.sum())
    timed = np.isfinite(points.duration)
    if timed.any():
        counts["without a duration: kept, it is left empty"] += int((~timed).sum())
    counts["trials of which nothing is left"] += trials - len(np.unique(points.trials()))
    counts["pictures at which no gaze is left"] += images - len(set(points.image.tolist()))
    counts["people of whom nothing is left"] += people - len(set(points.subject.tolist()))
    return points, Counter({reason: count for reason, count in counts.items() if count})


def outside(points: Points) -> np.ndarray:
    """Return which points lie off their picture."""
    on: np.ndarray = (points.xy >= -0.5) & (points.xy < points.size - 0.5)
    return np.invert(on.all(1))
