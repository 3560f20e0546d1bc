"""PsychoPy's ioHub files: HDF5, parsed in a process of its own (`haa.data.files.apart`)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from haa.data.files.apart import read_apart
from haa.errors import InputError, reading
from haa.recordings.columns import Eye
from haa.recordings.hdf5 import SAMPLES, parse_iohub
from haa.recordings.messages import assign, showings
from haa.recordings.pictures import Pictures
from haa.recordings.recording import Meaning, Recording, texts


def read_iohub(
    path: Path, pictures: Pictures, samples: bool, eye: Eye, start: str | None = None, end: str | None = None
) -> Recording:
    """Return the fixations of an ioHub file, or its samples where it has no fixations or these are asked for.

    Args:
        path: The file.
        pictures: Pictures that its messages name.
        samples: Whether to return the samples.
        eye: Eye that counts, of two.
        start: Regular expression of messages that begin a showing (`haa.recordings.messages.showings`).
        end: Regular expression of messages that end one.

    Raises:
        InputError: If it is no such file, or names no picture.
    """
    found = read_apart(parse_iohub, path)
    with reading(path, "a table of its eye tracker lacks a column: copy it again"):
        out = _events(path, found, samples, eye)
    messages = [(1000 * float(time), str(text)) for time, text in zip(*found["messages"], strict=True)]
    assign(out, showings(messages, pictures, None, start, end))
    if out.kind == "samples":
        lost = ~(np.isfinite(out.x) & np.isfinite(out.y))
        out.tracked, out.lost = Counter(out.subject.tolist()), Counter(out.subject[lost].tolist())
    return out


def _events(path: Path, found: dict[str, Any], samples: bool, eye: Eye) -> Recording:
    """Return the fixations, or the samples where there are none or these are asked for."""
    tables: dict[str, dict[str, np.ndarray]] = found["tables"]
    name = next((name for name in SAMPLES if name in tables), None)
    fixations = tables.get("FixationEndEvent")
    if fixations is not None and len(fixations["time"]) and not samples:
        out = _recording(path, "PsychoPy/ioHub fixations", fixations, "average_gaze_x", "average_gaze_y", found)
        out.kind, out.duration = "fixations", fixations["duration"].astype(float) * 1000
        out.time = (fixations.get("start_time", fixations["time"] - fixations["duration"])).astype(float) * 1000
        eyes = fixations.get("eye")
        if eyes is not None and len(np.unique(eyes)) > 1:  # 21 is the left eye, 22 the right one
            out.leave_out("of the other eye", eyes != (22 if eye == "right" else np.unique(eyes).min()))
    elif name is not None:
        out = _samples(path, tables[name], found, eye)
    else:
        raise InputError(
            f"{path} holds no fixations and no samples of an eye tracker: record with ioHub's eyetracker on"
        )
    return out


def _samples(path: Path, table: dict[str, np.ndarray], found: dict[str, Any], eye: Eye) -> Recording:
    eyes = [side for side in ("left", "right") if f"{side}_gaze_x" in table and eye in ("both", side)]
    names = [(f"{side}_gaze_x", f"{side}_gaze_y") for side in eyes] or [("gaze_x", "gaze_y")]
    with np.errstate(invalid="ignore"):
        pairs = np.stack([np.stack([table[x], table[y]], -1).astype(float) for x, y in names])
    seen = np.isfinite(pairs).all(2)
    if "status" in table:
        seen &= table["status"] == 0
    sums = np.where(seen[..., None], pairs, 0).sum(0)
    points = np.divide(sums, seen.sum(0)[:, None], out=np.full(sums.shape, np.nan), where=seen.any(0)[:, None])
    table = {**table, "x": points[:, 0], "y": points[:, 1]}
    return _recording(path, "PsychoPy/ioHub samples", table, "x", "y", found)


def _recording(
    path: Path, layout: str, table: dict[str, np.ndarray], x: str, y: str, found: dict[str, Any]
) -> Recording:
    codes = {int(number): str(code) for number, code in zip(*found["sessions"], strict=True)}
    sessions = table.get("session_id", np.zeros(len(table["time"]), dtype=int))
    subject = texts([codes.get(int(number)) or path.stem for number in sessions])
    blank = texts("", len(subject))
    px, py = (np.where(np.isfinite(table[key]), table[key], np.nan).astype(float) for key in (x, y))
    out = Recording(path, layout, "samples", px, py, blank, subject, blank, time=table["time"].astype(float) * 1000)
    out.meaning = Meaning("pixels", "center", "up")
    out.notes.append(f"{layout}: {out.meaning}")
    return out
