"""From the columns of a table to a recording."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from haa.errors import InputError, suggest
from haa.recordings.layouts import LAYOUTS, Layout, Names, Only, Way
from haa.recordings.recording import Meaning, Recording, groups, nowhere, texts
from haa.recordings.table import Table

Eye = Literal["both", "left", "right"]
_MILLISECONDS = {"ms": 1.0, "s": 1e3, "us": 1e-3, "ns": 1e-6}
VALID = ("1", "true", "yes", "valid")
"""Values by which a column says that a row is valid, where nobody says otherwise."""


def recording(
    table: Table,
    named: Mapping[str, str],
    eye: Eye,
    layout_name: str | None = None,
    valid: Sequence[str] = VALID,
) -> Recording:
    """Return what a table of gaze holds.

    Args:
        table: The table.
        named: Names of columns by what they hold (`haa.recordings.words.NAMED`); they go before the layout's.
        eye: Eye that counts, where the export has two.
        layout_name: Name of the layout; None recognises it.
        valid: Values of the column that is named ``valid`` at rows that count.

    Raises:
        InputError: If no layout fits, or a column is missing.
    """
    for key, column in named.items():
        if column not in table.columns:
            raise InputError(f"columns.{key}={column}: {table.path} has {suggest(column, list(table.columns))}")
    layout = _own(_layout(table, named, layout_name), named, valid)
    way = next((way for way in layout.ways if _has(table, way)), None)
    if way is None:
        raise InputError(f"{table.path} has no columns of {layout.name}: name its own by columns.x=... columns.y=...")
    rows = np.ones(len(table), dtype=bool)
    left_out: Counter[str] = Counter()
    if table.ragged:
        left_out["lines with too few or too many fields"] = table.ragged
    for only in layout.only:
        kept = _among(table, only)
        left_out[only.reason] += int((rows & ~kept).sum())
        rows &= kept
    x, y = (_eyes(table, name, eye) for name in (way.x, way.y))
    image, subject, trial = _labels(table, layout)
    out = Recording(table.path, layout.name, layout.kind, x, y, image, subject, trial, meaning=way.meaning)
    found = _find(table, layout.duration)
    if found is not None:
        out.duration = _duration(table, found, layout, out)
    found = _find(table, layout.time)
    if found is not None:
        out.time = _time(table, found, out)
    out.place = _place(table, layout)
    out.screen = _screen(table, layout) or layout.screen_size
    _lost(table, layout, out)
    out.take(rows)
    out.left_out += left_out
    fixation = _find(table, layout.fixation)
    if fixation is not None:
        _merge(out, table.text(fixation)[rows], layout.mean)
    out.notes = [f"{layout.name}: {', '.join(table.notes)}{', decimal comma' * table.comma}", *out.notes]
    x_name, y_name = (" and ".join(_find(table, [part]) or part for part in name.split("+")) for name in (way.x, way.y))
    out.notes.append(f"x in {x_name!r}, y in {y_name!r}: {way.meaning}")
    found = _find(table, layout.eye)
    if found is not None and eye != "both":
        one_eye(out, table.text(found)[rows] if fixation is None else None, eye)
    elif found is not None and fixation is None:
        one_eye(out, table.text(found)[rows], "left")
    return out


def _plain(name: str) -> str:
    """Return a column's name without what programs vary in.

    Example:
        >>> _plain("Fixation point X (MCSnorm)"), _plain("CURRENT_FIX_X"), _plain("Recording timestamp [μs]")
        ('fixationpointx[mcsnorm]', 'currentfixx', 'recordingtimestamp[us]')
    """
    name = name.lower().replace("(", "[").replace(")", "]").replace("µ", "u").replace("μ", "u")
    name = re.sub(r"^time\[.*\d.*\]$", "time", name)  # Gazepoint's holds the date
    return re.sub(r"[\s_.]+", "", name)


def _find(table: Table, names: Names) -> str | None:
    by_name: dict[str, str] = {}
    for column in table.columns:
        by_name.setdefault(_plain(column), column)
    return next((by_name[_plain(name)] for name in names if _plain(name) in by_name), None)


def _has(table: Table, way: Way) -> bool:
    return all(_find(table, [part]) is not None for name in (way.x, way.y) for part in name.split("+"))


def _layout(table: Table, named: Mapping[str, str], name: str | None) -> Layout:
    if name is not None:
        names = [layout.name for layout in LAYOUTS]
        chosen = [layout for layout in LAYOUTS if name.lower() in layout.name.lower() and _fits(table, layout)]
        if not any(name.lower() in other.lower() for other in names):
            raise InputError(f"layout={name}: {suggest(name, names)}")
        if not chosen:
            raise InputError(f"layout={name}: {table.path} has not its columns; there are: {', '.join(table.columns)}")
        return chosen[0]
    for layout in LAYOUTS:
        if _fits(table, layout):
            return layout
    if "x" in named and "y" in named:
        return LAYOUTS[-1]
    raise InputError(
        f"{table.path} is no export that is known ({_first(table.columns)}): name its columns, "
        "columns.x=... columns.y=... columns.image=..."
    )


def _fits(table: Table, layout: Layout) -> bool:
    needed = not layout.needs or _find(table, layout.needs) is not None
    return needed and any(_has(table, way) for way in layout.ways)


def _own(layout: Layout, named: Mapping[str, str], valid: Sequence[str]) -> Layout:
    """Return a layout in which the user's own names of columns go before its own."""
    if ("x" in named) != ("y" in named):
        raise InputError("columns.x and columns.y are given together: name the other one, too")
    ways = layout.ways
    if "x" in named:
        meaning = layout.ways[0].meaning if layout is not LAYOUTS[-1] else Meaning()
        ways = [Way(named["x"], named["y"], meaning)]
    sides = [named[key] for key in ("left", "top", "width", "height") if key in named]
    if sides and len(sides) < 4:
        raise InputError("columns.left, top, width and height are given together: name all four")
    columns: dict[str, Any] = {
        key: (named[key],) for key in ("image", "subject", "trial", "duration", "time") if key in named
    }
    place = [(side,) for side in sides] or layout.place
    if "valid" in named:  # a fixation is left out, and a sample lost
        key = "only" if layout.kind == "fixations" else "seen"
        columns[key] = (*getattr(layout, key), Only((named["valid"],), valid, f"not valid ({named['valid']})"))
    return replace(layout, ways=ways, place=place, **columns)


def _among(table: Table, only: Only) -> np.ndarray:
    column = _find(table, only.column)
    if column is None:
        return np.ones(len(table), dtype=bool)
    values = pc.utf8_lower(pc.utf8_trim_whitespace(table.column(column)))
    wanted = pa.array([value.lower() for value in only.values])
    return pc.is_in(values, wanted).to_numpy(zero_copy_only=False)


def _eyes(table: Table, name: str, eye: Eye) -> np.ndarray:
    parts = name.split("+")
    if len(parts) > 1 and eye != "both":
        parts = [part for part in parts if part.lower().startswith(eye)]
    columns = np.stack([table.number(_find(table, [part]) or part) for part in parts])
    columns[nowhere(columns)] = np.nan
    seen = np.isfinite(columns)
    sums = np.where(seen, columns, 0).sum(0)
    return np.divide(sums, seen.sum(0), out=np.full(len(sums), np.nan), where=seen.any(0))


def _labels(table: Table, layout: Layout) -> list[np.ndarray]:
    """Return what was shown, who looked, and the trial: from a column, else from the file's name."""
    match = re.search(layout.from_name, str(table.path.resolve())) if layout.from_name else None
    groups_ = match.groupdict() if match else {}
    known = {"image": groups_.get("image") or groups_.get("image_alone") or "", "subject": groups_.get("subject")}
    known["subject"] = known["subject"] or table.path.stem
    out = []
    for key in ("image", "subject", "trial"):
        column = _find(table, getattr(layout, key))
        out.append(table.text(column) if column is not None else texts(known.get(key) or "", len(table)))
    return out


def unit(column: str) -> str | None:
    """Return the unit of time that a column's name has in brackets.

    Example:
        >>> unit("Gaze event duration [ms]"), unit("Recording timestamp [μs]"), unit("duration")
        ('ms', 'us', None)
    """
    match = re.search(r"\[(ms|s|us|ns)\]", _plain(column))
    return match[1] if match else None


def _duration(table: Table, column: str, layout: Layout, out: Recording) -> np.ndarray:
    values = table.number(column)
    named = unit(column) or layout.duration_unit
    middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
    guessed = "s" if middle < 10 else "ms" if middle < 10_000 else "us" if middle < 1e7 else "ns"
    out.notes.append(f"durations in {named or guessed}" + ("" if named else f" (their median is {middle:g})"))
    return values * _MILLISECONDS[named or guessed]


def _time(table: Table, column: str, out: Recording) -> np.ndarray:
    values = table.number(column)
    if out.kind == "fixations":
        return values  # of these the order alone counts
    steps = np.diff(values)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    guessed = "s" if step < 0.2 else "ms" if step < 200 else "us" if step < 200_000 else "ns"
    scale = _MILLISECONDS[unit(column) or guessed]
    out.notes.append(f"time in {unit(column) or guessed}: {1000 / (step * scale):.0f} samples a second")
    return values * scale


def _place(table: Table, layout: Layout) -> np.ndarray | None:
    columns = [_find(table, names) for names in layout.place]
    if not columns or None in columns:
        return None
    return np.stack([table.number(column) for column in columns if column is not None], axis=1)


def _screen(table: Table, layout: Layout) -> tuple[int, int] | None:
    columns = [_find(table, names) for names in layout.screen]
    if not columns or None in columns:
        return None
    sides = [table.number(column) for column in columns if column is not None]
    known = [side[np.isfinite(side)] for side in sides]
    return (int(known[0][0]), int(known[1][0])) if len(known[0]) and len(known[1]) else None


def _lost(table: Table, layout: Layout, out: Recording) -> None:
    """Count samples and lost ones by person; take the place from samples that the tracker calls lost."""
    seen = np.isfinite(out.x) & np.isfinite(out.y)
    marked = [only for only in layout.seen if _find(table, only.column) is not None]
    if out.kind == "fixations" and not marked:
        return
    recorded = np.ones(len(out), dtype=bool)
    for only in marked:
        column = _find(table, only.column)
        recorded &= table.text(column or "") != ""
        among = _among(table, only)
        seen = among if out.kind == "fixations" else seen & among
    if out.kind == "samples":
        out.x, out.y = np.where(seen, out.x, np.nan), np.where(seen, out.y, np.nan)
    out.tracked += Counter(out.subject[recorded].tolist())
    out.lost += Counter(out.subject[recorded & ~seen].tolist())


def _merge(out: Recording, numbers: np.ndarray, mean: bool) -> None:
    """Make one row of the rows of each fixation: their mean, or the last one, which has the whole duration."""
    key, count = groups(out.subject, out.trial, out.image, numbers)
    if count == len(key):
        return
    rows = len(key)
    seen = np.isfinite(out.x) & np.isfinite(out.y)
    last = np.full(count, -1)
    last[key] = np.arange(rows)
    last[key[seen]] = np.flatnonzero(seen)
    if mean:
        totals = np.bincount(key[seen], minlength=count)
        for name in ("x", "y"):
            sums = np.bincount(key[seen], getattr(out, name)[seen], minlength=count)
            means = np.divide(sums, totals, out=np.full(count, np.nan), where=totals > 0)
            setattr(out, name, means[key])
    out.take(last)
    out.notes.append(f"{rows} rows are {count} fixations")


def one_eye(out: Recording, eyes: np.ndarray | None, eye: Eye) -> None:
    """Keep the fixations of one eye, where both have rows of their own.

    Args:
        out: The recording.
        eyes: What says the eye of each row, or None.
        eye: ``left`` or ``right``.
    """
    if eyes is None or len(set(eyes.tolist())) < 2:
        return
    lefts = {"left", "l", "1", "21"}
    of_left = np.array([value.lower() in lefts for value in eyes.tolist()])
    if of_left.any() and not of_left.all():
        out.leave_out(f"of the {'left' if eye == 'right' else 'right'} eye", of_left if eye == "right" else ~of_left)


def _first(names: Sequence[str] | Mapping[str, object], most: int = 8) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
