"""EyeLink's .asc and SMI BeGaze's raw data, read with pymovements."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from haa.errors import reading
from haa.recordings.columns import Eye
from haa.recordings.detect import pymovements
from haa.recordings.messages import assign, showings
from haa.recordings.pictures import Pictures
from haa.recordings.recording import Meaning, Recording, nowhere, texts
from haa.recordings.table import decoded

_NUMBER = r"(-?\d+\.?\d*)"
_EFIX = re.compile(rf"EFIX\s+([LR])\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+(\S+)\s+(\S+)")


def read_asc(
    path: Path, pictures: Pictures, samples: bool, eye: Eye, start: str | None = None, end: str | None = None
) -> Recording:
    """Return the fixations of an EyeLink .asc, or its samples.

    pymovements reads samples, messages and the screen. It keeps no positions of the tracker's own fixations: these are
    read from the ``EFIX`` lines.

    Args:
        path: The file.
        pictures: Pictures that the messages name.
        samples: Whether to return the samples.
        eye: Eye that counts, of two.
        start: Regular expression of messages that begin a showing (`haa.recordings.messages.showings`).
        end: Regular expression of messages that end one.

    Raises:
        InputError: If it cannot be read or names no picture.
    """
    pm, _ = pymovements()
    text, encoding = decoded(path)
    with reading(path, "convert it again, with edf2asc"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gaze = pm.gaze.from_asc(path, events=True, messages=True, encoding=encoding)
    points, time = _points(gaze, eye), gaze.samples["time"].to_numpy().astype(float)
    subject = path.stem
    fixations = [match.groups() for match in map(_EFIX.match, text.splitlines()) if match]
    screen = gaze.experiment.screen if gaze.experiment is not None else None
    size = (int(screen.width_px), int(screen.height_px)) if screen is not None and screen.width_px else _coords(text)
    shown = showings(_messages(gaze), pictures, size, start, end)
    lost = ~np.isfinite(points).all(1)
    out = _recording(path, "EyeLink .asc samples", points, time, subject)
    if not samples:
        eyes = {fixation[0] for fixation in fixations}
        kept = {"left": "L", "right": "R", "both": "L" if "L" in eyes else "R"}[eye]
        of_one = [fixation for fixation in fixations if fixation[0] == kept]
        numbers = np.array([[_number(word) for word in fixation[1:]] for fixation in of_one]).reshape(-1, 5)
        tracked = _during(shown, time), _during(shown, time[lost])
        out = _recording(path, "EyeLink .asc fixations (EFIX)", numbers[:, 3:], numbers[:, 0], subject)
        out.kind, out.duration = "fixations", numbers[:, 2]
        out.tracked, out.lost = Counter({subject: tracked[0]}), Counter({subject: tracked[1]})
        if len(fixations) > len(of_one):
            out.left_out[f"of the {'right' if kept == 'L' else 'left'} eye"] = len(fixations) - len(of_one)
    out.screen = size
    if size:
        out.notes.append(f"screen of {size[0]} x {size[1]}")
    assign(out, shown)
    if samples:
        _count(out)
    return out


def read_begaze(path: Path, pictures: Pictures, samples: bool, eye: Eye) -> Recording:
    """Return the fixations of BeGaze's raw data export, as its event columns have them, or its samples.

    Args:
        path: The file, whose lines before the table begin with ``##``.
        pictures: Pictures that its messages or its column ``Stimulus`` name.
        samples: Whether to return the samples.
        eye: Eye that counts, of two; ``both`` takes the left one.

    Raises:
        InputError: If it cannot be read.
    """
    pm, _ = pymovements()
    text, encoding = decoded(path)
    pattern = [{"column": "image", "pattern": r"(?P<image>.*\S)"}]
    with reading(path, "export it again, as raw data"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gaze = pm.gaze.from_begaze(path, patterns=pattern, prefer_eye="R" if eye == "right" else "L", encoding=encoding)
    named = re.search(r"^##\s+Subject:\s*(.+?)\s*$", text, re.MULTILINE)
    subject = named[1] if named else path.stem
    frame = gaze.samples
    points, time = _points(gaze, eye), frame["time"].to_numpy().astype(float)
    column = "Stimulus" if "Stimulus" in frame.columns else "image"
    images = np.array([value or "" for value in frame[column].to_list()], dtype=object)
    out = _recording(path, "SMI BeGaze raw samples", points, time, subject)
    out.image = images
    area = re.search(r"^##\s+Calibration Area:\s*(\d+)\s+(\d+)", text, re.MULTILINE)
    out.screen = (int(area[1]), int(area[2])) if area else None
    _count(out)
    events = gaze.events.frame.filter(gaze.events.frame["name"] == "fixation_begaze")
    if samples or not len(events):
        return out
    spans = list(zip(events["onset"].to_list(), events["offset"].to_list(), strict=True))
    rows = [(time >= on) & (time <= off) & np.isfinite(points).all(1) for on, off in spans]
    kept = [(span, row) for span, row in zip(spans, rows, strict=True) if row.any()]
    fixations = _recording(
        path,
        "SMI BeGaze raw data's fixations",
        np.array([points[row].mean(0) for _, row in kept]).reshape(-1, 2),
        np.array([on for (on, _), _ in kept]),
        subject,
    )
    fixations.kind, fixations.screen = "fixations", out.screen
    fixations.duration = np.array([off - on for (on, off), _ in kept])
    fixations.image = np.array([images[np.flatnonzero(row)[0]] for _, row in kept], dtype=object)
    fixations.tracked, fixations.lost = out.tracked, out.lost
    return fixations


def _recording(path: Path, layout: str, points: np.ndarray, time: np.ndarray, subject: str) -> Recording:
    points = np.where(nowhere(points), np.nan, points)
    count = len(points)
    blank = texts("", count)
    out = Recording(path, layout, "samples", points[:, 0], points[:, 1], blank, texts(subject, count), blank, time=time)
    out.meaning = Meaning()
    out.notes.append(f"{layout}, with pymovements: {out.meaning}")
    return out


def _points(gaze: Any, eye: Eye) -> np.ndarray:
    """Return the samples of the eye that counts, or the mean of both."""
    if not len(gaze.samples):
        return np.zeros((0, 2))
    column = np.array(gaze.samples["pixel"].to_list(), dtype=float).reshape(len(gaze.samples), -1)
    if column.shape[1] < 4:
        return column[:, :2]
    eyes = {"left": column[:, None, :2], "right": column[:, None, 2:4]}.get(eye, column[:, :4].reshape(-1, 2, 2))
    seen = np.isfinite(eyes).all(2)
    sums = np.where(seen[..., None], eyes, 0).sum(1)
    return np.divide(sums, seen.sum(1)[:, None], out=np.full(sums.shape, np.nan), where=seen.any(1)[:, None])


def _messages(gaze: Any) -> list[tuple[float, str]]:
    frame = gaze.messages
    return list(zip(frame["time"].to_list(), frame["content"].to_list(), strict=True)) if frame is not None else []


def _coords(text: str) -> tuple[int, int] | None:
    match = re.search(rf"(?:DISPLAY|GAZE)_COORDS\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}", text)
    return (round(float(match[3])) + 1, round(float(match[4])) + 1) if match else None


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


def _during(shown: list[Any], time: np.ndarray) -> int:
    return sum(int(((time >= showing.start) & (time < showing.end)).sum()) for showing in shown)


def _count(out: Recording) -> None:
    lost = ~(np.isfinite(out.x) & np.isfinite(out.y))
    out.tracked, out.lost = Counter(out.subject.tolist()), Counter(out.subject[lost].tolist())
