"""Reader of a user's own csv table; an error names file, line and column."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from haa.errors import InputError, reading, reason

FAR = 1e6
"""Greatest coordinate, in pixels, and duration, in milliseconds, that anybody means."""

MISSING = {"", ".", "-", "--", "na", "n/a", "nan", "null", "none"}
"""Texts, in lower case, that stand for a number that was not recorded."""

LOST = "lost sample"
"""Kind of fault of a line at which a tracker had lost the eye."""

EYELINK: Mapping[str, str] = {
    "IMAGE": "image",
    "CURRENT_FIX_X": "x",
    "CURRENT_FIX_Y": "y",
    "CURRENT_FIX_DURATION": "duration",
    "CURRENT_FIX_INDEX": "index",
    "RECORDING_SESSION_LABEL": "subject",
}
"""Columns of a fixation report of EyeLink's Data Viewer, with what they are called here."""


def read_table(
    path: Path, columns: Sequence[str], others: Mapping[str, str] | None = None
) -> Iterator[tuple[str, dict[str, str]]]:
    r"""Yield the rows of a csv file whose first line names its columns, as (file and line, row).

    Args:
        path: The file.
        columns: Columns that it must have.
        others: Other names of columns, each with the name that its rows have here, unless the table has that, too.

    Raises:
        InputError: If the file or a column is missing, a column's name occurs twice, a row has too few or too many
            fields, or the file is no text in UTF-8 or no csv.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_text("image,x\na.png,3\n")
        >>> [row for _, row in read_table(path, ["image", "x"])]
        [{'image': 'a.png', 'x': '3'}]
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            named = rows.fieldnames or []
            renamed = {name: here for name, here in (others or {}).items() if here not in named}
            rows.fieldnames = names = [renamed.get(name, name) for name in named]
            missing = [column for column in columns if column not in names]
            if missing:
                raise InputError(
                    f"{path} has no column {missing[0]!r} (there are: {', '.join(named) or 'none'}): "
                    f"its first line must name {','.join(columns)}"
                )
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise InputError(f"{path} has two columns {twice!r}: correct its first line")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if None in row or None in row.values():
                    raise InputError(f"{where} has not the {len(names)} fields of the first line: correct it")
                yield where, {key: value.strip() for key, value in row.items()}
    except FileNotFoundError:
        raise InputError(f"{path} is missing: correct the name") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8: save it as that") from None
    except (csv.Error, OSError) as error:
        raise InputError(f"{path} is no csv file ({reason(error)}): correct it") from None


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a text file as (file and line, text), without those that are empty.

    Raises:
        InputError: If the file is no text in UTF-8.
    """
    with reading(path, "save it as text in UTF-8"), path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                yield f"{path}, line {line}", text.strip()


def number(row: dict[str, str], column: str, where: str) -> float:
    """Return a field of a row as a number.

    Args:
        row: A row of `read_table`.
        column: The field's column.
        where: File and line of the row, for the error.

    Raises:
        InputError: If the field is no finite number.
    """
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in row[column]:
        raise InputError(f"{where}: {column}={row[column]!r:.80} is no number: correct it")
    return value


def coordinate(row: dict[str, str], column: str, where: str) -> float | None:
    """Return a field of a row as a coordinate; None where a tracker had lost the eye.

    That is an empty field, ``nan``, ``NA``, a dot or a dash, an infinite number, or one beyond anything that is
    recorded, such as EyeLink's 1e8.

    Args:
        row: A row of `read_table`.
        column: The field's column.
        where: File and line of the row, for the error.

    Raises:
        InputError: If the field is something else that is no number.

    Example:
        >>> [coordinate({"x": text}, "x", "a.csv, line 2") for text in ("3.5", "", "NaN", ".", "100000000")]
        [3.5, None, None, None, None]
    """
    text = row[column]
    try:
        value = float(text)
    except ValueError:
        if text.lower() in MISSING:
            return None
        value = number(row, column, where)
    if "_" in text:
        return number(row, column, where)
    return value if -FAR <= value <= FAR else None


def one_value(values: dict[str, tuple[str, str]], name: str, value: str, where: str) -> None:
    """Note a value of which each name has one; the same value may be repeated.

    Args:
        values: Values noted so far, each with its file and line.
        name: Name of what has the value.
        value: The value.
        where: File and line of it.

    Raises:
        InputError: If the name has another value already.

    Example:
        >>> one_value({"a.png": ("cat", "labels.csv, line 2")}, "a.png", "dog", "labels.csv, line 9")
        Traceback (most recent call last):
        haa.errors.InputError: labels.csv, line 9: a.png is 'dog', and 'cat' in labels.csv, line 2: keep one of them
    """
    known, first = values.setdefault(name, (value, where))
    if known != value:
        raise InputError(f"{where}: {name} is {value!r}, and {known!r} in {first}: keep one of them")
