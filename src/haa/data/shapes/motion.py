"""Actions of `Shapes`: the motions of the objects and the drifts of the background's stripes."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

MOTIONS = ("horizontal", "rising", "vertical", "falling", "clockwise", "anticlockwise")
"""Motions of an object: to and fro along a line, or around a circle."""
ACTOR = "star"
"""The shape whose motion is the action; no other object has it, and all move."""
DRIFTS = ("up", "left up", "left", "left down", "down", "right down", "right", "right up")
"""Directions in which stripes drift: perpendicular to each of `layout.STRIPES`, in both senses."""
PERIOD = 8
"""Frames of a cycle."""


def paths(rng: Generator, motion: NDArray[np.int64], reach: float, frames: int) -> NDArray[np.float64]:
    """Return each object's offset from its place in each frame, ``(frames, n, 2)``: x, and y pointing down.

    No offset is longer than ``reach``. Each object goes through its cycle from a phase of its own.

    Args:
        rng: Generator that draws the phases.
        motion: Motion of each object, as an index into `MOTIONS`.
        reach: Largest offset, in shares of the picture's side.
        frames: Number of frames.
    """
    phase = rng.uniform(0, 2 * math.pi, len(motion))
    turn = 2 * math.pi / PERIOD * np.arange(frames)[:, None] + phase
    line_angle = math.pi / 4 * motion
    swing = np.sin(turn)
    sense = np.where(motion == MOTIONS.index("clockwise"), -1, 1)
    circles = motion >= MOTIONS.index("clockwise")
    x = np.where(circles, np.cos(sense * turn), swing * np.cos(line_angle))
    up = np.where(circles, np.sin(sense * turn), swing * np.sin(line_angle))
    return reach * np.stack([x, -up], -1)


def drift(direction: int) -> tuple[int, int]:
    """Return the stripes that drift in a direction, and the sign of their phase's change from frame to frame.

    Args:
        direction: Direction of the drift, as an index into `DRIFTS`.

    Returns:
        The direction in which the stripes run, as an index into `layout.STRIPES`; and the sign, 1 or -1.
    """
    return direction % 4, 1 if direction < 4 else -1
