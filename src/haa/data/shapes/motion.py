"""The actions of `Shapes`: how objects, and the background's stripes, move."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

MOTIONS = ("horizontal", "rising", "vertical", "falling", "clockwise", "anticlockwise")
"""To and fro along a line, or around a circle."""
ACTOR = "star"
"""The shape whose motion is the action; no other object has it, and all move."""
DRIFTS = ("up", "left up", "left", "left down", "down", "right down", "right", "right up")
"""Where stripes drift to: perpendicular to each of `scene.STRIPES`, in both senses."""
PERIOD = 8
"""Frames of a cycle."""


def paths(rng: Generator, motion: NDArray[np.int64], reach: float, frames: int) -> NDArray[np.float64]:
    """``(frames, n, 2)``: x, y of each object beside its place, never further than ``reach``; y points down.

    Each object goes through its cycle from a phase of its own.

    Args:
        rng: draws phases.
        motion: which of `MOTIONS`, for each object.
        reach: of the motion, in shares of the picture's side.
        frames: how many.
    """
    phase = rng.uniform(0, 2 * math.pi, len(motion))
    turn = 2 * math.pi / PERIOD * np.arange(frames)[:, None] + phase
    line = math.pi / 4 * motion
    swing = np.sin(turn)
    sense = np.where(motion == MOTIONS.index("clockwise"), -1, 1)
    around = motion >= MOTIONS.index("clockwise")
    x = np.where(around, np.cos(sense * turn), swing * np.cos(line))
    up = np.where(around, np.sin(sense * turn), swing * np.sin(line))
    return reach * np.stack([x, -up], -1)


def drift(direction: int) -> tuple[int, int]:
    """Which of `scene.STRIPES` drifts to one of `DRIFTS`, and the sign of its phase's change from frame to frame."""
    return direction % 4, 1 if direction < 4 else -1
