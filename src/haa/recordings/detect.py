"""Fixations in samples of gaze, by pymovements' detectors: I-VT, I-DT, and its microsaccades' complement."""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from haa.errors import needs

Method = Literal["ivt", "idt", "microsaccades"]

GAP = 3
"""Samples after which time that nothing was recorded in ends a fixation."""
SHORT = 6
"""Fewest samples of which a velocity is taken."""


@dataclass(frozen=True)
class Detector:
    """How fixations are found in samples.

    Args:
        method: ``ivt``: the eye is slower than a threshold; ``idt``: it stays within a dispersion; ``microsaccades``:
            between the saccades of Engbert and Kliegl's algorithm, whose threshold adapts to the noise.
        velocity: Threshold of I-VT in degrees a second.
        dispersion: Threshold of I-DT in degrees.
        shortest: Least duration of a fixation in milliseconds.
    """

    method: Method = "ivt"
    velocity: float = 30.0
    dispersion: float = 1.0
    shortest: float = 60.0

    def __str__(self) -> str:
        threshold = {"ivt": f"below {self.velocity:g} degrees/s", "idt": f"within {self.dispersion:g} degrees"}
        words = threshold.get(self.method, "between saccades")
        return f"{self.method} of pymovements, {words}, {self.shortest:g} ms or longer"

    def find(self, degrees: np.ndarray, time: np.ndarray) -> list[tuple[int, int]]:
        """Return the fixations of one trial as (first, last) rows of its samples.

        No fixation reaches over a gap in time of more than `GAP` samples.

        Args:
            degrees: Positions ``(n, 2)`` in degrees of visual angle, NaN where the eye was lost.
            time: Times in milliseconds, rising.

        Raises:
            InputError: If pymovements is not installed.
        """
        steps = np.diff(time)
        if not (steps > 0).any():
            return []
        step = float(np.median(steps[steps > 0]))
        starts = [0, *(np.flatnonzero(steps > GAP * step) + 1).tolist(), len(time)]
        found = []
        for start, end in itertools.pairwise(starts):
            part = degrees[start:end]
            if len(part) >= SHORT and np.isfinite(part).all(1).any():
                found += [(start + first, start + last) for first, last in self._find(part, step)]
        return found

    def _find(self, degrees: np.ndarray, step: float) -> list[tuple[int, int]]:
        """Return the fixations in samples without gaps, counted in samples: pymovements wants whole numbers."""
        pm, pos2vel = pymovements()
        shortest = max(1, math.ceil(self.shortest / step - 1e-9))
        if self.method == "idt":
            limits = {"minimum_duration": shortest, "dispersion_threshold": self.dispersion}
            return _rows(pm.events.idt(degrees, **limits))
        velocities = pos2vel(degrees, sampling_rate=1000 / step, method="smooth")
        if self.method == "ivt":
            limits = {"minimum_duration": shortest, "velocity_threshold": self.velocity}
            return _rows(pm.events.ivt(velocities, **limits))
        slow = np.isfinite(degrees).all(1)
        with contextlib.suppress(ValueError):  # which it raises where nothing moves
            for first, last in _rows(pm.events.microsaccades(velocities, minimum_duration=max(1, round(6 / step)))):
                slow[first : last + 1] = False
        edges = np.flatnonzero(np.diff(np.concatenate([[False], slow, [False]]).astype(np.int8)))
        runs = zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True)
        return [(first, last) for first, last in runs if last - first >= shortest]


def _rows(events: Any) -> list[tuple[int, int]]:
    return list(zip(events.frame["onset"].to_list(), events.frame["offset"].to_list(), strict=True))


def pymovements() -> tuple[Any, Any]:
    """Return pymovements, and its function from positions to velocities; they take seconds to import.

    Raises:
        InputError: If it is not installed.
    """
    needs("reading EyeLink's .asc, BeGaze's raw data and samples of gaze", "haa[recordings]", "pymovements")
    import pymovements as pm
    from pymovements.transforms.numpy import pos2vel

    return pm, pos2vel
