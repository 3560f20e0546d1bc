"""Detector of fixations in raw samples of gaze: they are runs in which the eye moves slowly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Fixation(NamedTuple):
    """Place and time at which the eye rested.

    Args:
        x, y: Medians over the fixation's samples, in pixels of the samples.
        start: Time of its first sample, in milliseconds from the trace's first.
        duration: Duration in milliseconds.
    """

    x: float
    y: float
    start: float
    duration: float


def detect_fixations(
    trace: Float[np.ndarray, "n 2"],
    rate: float,
    pixels_per_degree: float,
    velocity: float = 30.0,
    shortest: float = 50.0,
) -> list[Fixation]:
    r"""Return the fixations of a trace: runs of samples at which the eye is slower than a threshold (I-VT).

    The velocity at sample n is taken over five samples, which damps the tracker's noise (Engbert and Kliegl 2003):

    .. math:: v_n = \frac{x_{n+2} + x_{n+1} - x_{n-1} - x_{n-2}}{6 \Delta t}

    The other samples are saccade. Lost samples end a fixation.

    Args:
        trace: Samples x, y in pixels at a constant rate, ``(n, 2)``; NaN where the eye was not seen (a blink).
        rate: Samples a second.
        pixels_per_degree: Pixels in a degree of visual angle.
        velocity: Threshold in degrees a second.
        shortest: Least duration of a fixation in milliseconds; shorter ones are left out.

    Returns:
        The fixations in order.

    Example:
        >>> rest = np.tile([[100.0, 50.0]], (60, 1))
        >>> [fixation] = detect_fixations(rest, rate=240, pixels_per_degree=35)
        >>> fixation
        Fixation(x=100.0, y=50.0, start=0.0, duration=250.0)

    Reference:
        D. D. Salvucci, J. H. Goldberg. Identifying fixations and saccades in eye-tracking protocols. ETRA 2000.
    """
    visible = np.isfinite(trace).all(1)
    slow = np.zeros(len(trace), dtype=bool)
    for begin, end in _runs(visible):
        padded = np.pad(trace[begin:end], ((2, 2), (0, 0)), mode="edge")
        change = (padded[4:] + padded[3:-1] - padded[1:-3] - padded[:-4]) * rate / 6
        slow[begin:end] = np.hypot(*change.T) < velocity * pixels_per_degree
    # a run may not reach over a blink
    fixations = [
        (begin + first, begin + last) for begin, end in _runs(visible) for first, last in _runs(slow[begin:end])
    ]
    medians = [np.median(trace[first:last], axis=0).tolist() for first, last in fixations]
    return [
        Fixation(x, y, first * 1000 / rate, (last - first) * 1000 / rate)
        for (first, last), (x, y) in zip(fixations, medians, strict=True)
        if (last - first) * 1000 / rate >= shortest
    ]


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return (first, last + 1) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
