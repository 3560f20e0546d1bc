"""Gaze of EGTEA Gaze+ as BeGaze exported it: one text for each recording, in pixels of the scene camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from haa.data.files.table import number
from haa.errors import InputError, reading

Kept = Literal["fixation", "tracked"]

SCENE = (960, 1280)
"""Height and width, in pixels, of the camera's picture in which gaze is given, whatever the size of the videos."""

FPS = 24
"""Frames per second by which time stamps count frames."""

KEPT: dict[Kept, tuple[str, ...]] = {"fixation": ("Fixation",), "tracked": ("Fixation", "Saccade")}
"""Events whose samples are taken."""

_OLD, _NEW = 7, 26
"""Number of fields of a line, in the exports of BeGaze's two versions."""


@dataclass(frozen=True)
class Recording:
    """Gaze of a recording.

    Args:
        points: x and y by frame of the recording, as shares of the picture's sides, the mean of the frame's samples.
        events: Number of samples of each event.
    """

    points: dict[int, tuple[float, float]]
    events: Counter[str]


def read_recording(path: Path, kept: Kept) -> Recording:
    """Return the gaze of a recording.

    The text begins with lines of ``##`` and a line that names the columns, from ``Time`` on. A line of 7 fields has x
    in the fourth, y in the fifth, the frame in the sixth and the event in the last; one of 26 has x in the sixth, y in
    the seventh, the frame as ``hours:minutes:seconds:frames`` in the last but one and the event in the last. This is as
    the publisher's own reading example has it; other columns are not read.

    Args:
        path: The text.
        kept: ``fixation`` takes samples of fixations, ``tracked`` those of saccades, too. All others (blinks, lost
            eyes) are left out.

    Raises:
        InputError: If a line is none of these.
    """
    sums: dict[int, list[float]] = {}
    events: Counter[str] = Counter()
    begun = False
    # names of columns may hold a degree sign in another encoding, and are not read
    with reading(path), path.open(encoding="utf-8-sig", errors="replace") as file:
        for line, text in enumerate(file, 1):
            fields = text.split()
            if not fields or not begun or fields[0] == "##":
                begun = begun or fields[:1] == ["Time"]
                continue
            x, y, frame, event = _sample(fields, f"{path}, line {line}")
            events[event] += 1
            if event in KEPT[kept]:
                total = sums.setdefault(frame, [0.0, 0.0, 0])
                for place, value in enumerate((x, y, 1)):
                    total[place] += value
    if not begun:
        raise InputError(f"{path} has no line that begins with Time: it is no export of BeGaze, fetch it again")
    height, width = SCENE
    return Recording({frame: (x / n / width, y / n / height) for frame, (x, y, n) in sums.items()}, events)


def _sample(fields: Sequence[str], where: str) -> tuple[float, float, int, str]:
    """Return x, y, frame and event of a line."""
    if len(fields) == _OLD:
        x, y, frame = fields[3:6]
    elif len(fields) == _NEW:
        x, y, frame = fields[5], fields[6], fields[-2]
    else:
        raise InputError(f"{where} has {len(fields)} fields, and neither {_OLD} nor {_NEW}: fetch the file again")
    parts = frame.split(":")
    if not all(part.isdecimal() for part in parts) or len(parts) not in (1, 4):
        raise InputError(f"{where}: frame {frame!r:.40} is neither a number nor hh:mm:ss:ff: fetch the file again")
    hours, minutes, seconds, rest = ([0, 0, 0] if len(parts) == 1 else []) + [int(part) for part in parts]
    counted = ((hours * 60 + minutes) * 60 + seconds) * FPS + rest
    row = {"x": x, "y": y}
    return number(row, "x", where), number(row, "y", where), counted, fields[-1]
