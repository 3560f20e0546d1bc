"""SMI's older export of events, of IDF Event Detector and BeGaze 2 and 3: a table of each kind of event in one text."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from haa.errors import InputError
from haa.recordings.columns import Eye, one_eye
from haa.recordings.messages import assign, showings
from haa.recordings.pictures import Pictures
from haa.recordings.recording import Meaning, Recording, nowhere, texts
from haa.recordings.table import Table, decoded

HEADER = "Table Header for Fixations"
"""What stands above the names of the fixations' columns, and in no other export."""

_NEEDED = ("Trial", "Start", "Duration", "Location X", "Location Y")
_MICROSECONDS = 1e-3


def read_idf_events(
    path: Path,
    pictures: Pictures,
    eye: Eye,
    start: str | None = None,
    end: str | None = None,
    named: bool = False,
) -> Recording:
    """Return the fixations of such an export: pixels of the screen from its upper left, times in microseconds.

    Each kind of event has a line ``Table Header for ...:`` with the names of its columns below, and its rows begin with
    its name: ``Fixation L``, ``Saccade R``, ``UserEvent``. Messages of user events say which picture was shown from
    then on, until the next picture or the next trial. It was written from four programs that read it, and not tried on
    an export of the publisher's.

    Args:
        path: The file.
        pictures: Pictures that its messages name.
        eye: Eye that counts, of two; ``both`` takes the left one.
        start: Regular expression of messages that begin a showing (`haa.recordings.messages.showings`).
        end: Regular expression of messages that end one.
        named: Whether somebody says which picture was shown, so that messages need not.

    Raises:
        InputError: If a column is missing, a value is no number, or no message names a picture.
    """
    text, encoding = decoded(path)
    lines = text.splitlines()
    names, delimiter = _columns(lines, path)
    rows, messages, left_out = [], [], Counter[str]()
    began: dict[str, float] = {}
    for line in lines:
        fields = line.rstrip("\r\n").split(delimiter)
        kind = fields[0].strip().lower()
        if kind.startswith("fixation") and len(fields) > 1:
            if len(fields) < len(names):
                left_out["lines with too few or too many fields"] += 1
            else:
                rows.append(fields[: len(names)])
        elif kind.startswith(("saccade", "blink")):
            left_out["no fixation (saccades, blinks)"] += 1
        elif kind == "userevent" and len(fields) > 4:
            said = delimiter.join(fields[4:]).strip().removeprefix("# Message:").strip()
            messages.append((_time(fields[3], path), said))
            began[fields[1].strip()] = min(began.get(fields[1].strip(), np.inf), messages[-1][0])
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    table = Table(path, {name: pa.array(values, pa.string()) for name, values in zip(names, columns, strict=True)})
    x, y = (table.number(name) for name in ("Location X", "Location Y"))
    person = re.search(rf"^(?:## )?Subject:{delimiter}\s*(\S.*?)\s*$", text, re.MULTILINE)
    subject = texts(person[1] if person else path.stem, len(rows))
    out = Recording(path, "SMI events (IDF Event Detector)", "fixations", x, y, texts("", len(rows)), subject, x)
    out.x, out.y = (np.where(nowhere(values), np.nan, values) for values in (x, y))
    out.trial = table.text("Trial").astype(object)
    out.time, out.duration = (_MICROSECONDS * table.number(name) for name in ("Start", "Duration"))
    out.left_out, out.meaning = left_out, Meaning()
    out.notes += [f"{out.layout}: {encoding}", f"x in 'Location X', y in 'Location Y': {out.meaning}"]
    for trial, time in zip(out.trial.tolist(), out.time.tolist(), strict=True):
        began[trial] = min(began.get(trial, np.inf), time)
    # a picture is shown until its trial ends, at the latest
    messages = sorted(
        [(time, f"TRIALID {trial}") for trial, time in began.items()] + messages, key=lambda each: each[0]
    )
    one_eye(out, texts([row[0].split()[-1] for row in rows]), "left" if eye == "both" else eye)
    if not named:
        assign(out, showings(messages, pictures, None, start, end))
    return out


def _columns(lines: list[str], path: Path) -> tuple[list[str], str]:
    """Return the names of the fixations' columns, and what stands between them."""
    at = next(number for number, line in enumerate(lines) if line.strip().startswith(HEADER))
    below = next((line for line in lines[at + 1 :] if line.strip()), "")
    delimiter = "\t" if "\t" in below else ","
    names = [name.strip() for name in below.split(delimiter)]
    for name in _NEEDED:
        if name not in names:
            raise InputError(f"{path}: its fixations have no {name!r} (there are: {', '.join(names)}): export it again")
    if len(set(names)) < len(names):
        raise InputError(f"{path}: its fixations have two columns of one name: export it again")
    return names, delimiter


def _time(text: str, path: Path) -> float:
    if not re.fullmatch(r"\s*\d{1,18}\s*", text, re.ASCII):
        raise InputError(f"{path}: a user event's Start, {text!r:.40}, is no time in microseconds: export it again")
    return _MICROSECONDS * int(text)
