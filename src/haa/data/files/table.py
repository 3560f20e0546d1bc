"""A csv table of one's own, with an error that names file, line and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from haa.errors import InputError


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a csv file whose first line names its columns, each after where it stands.

    Raises:
        InputError: if a column is missing, a row is too short, or the file is no text in UTF-8.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_text("image,x\\na.png,3\\n")
        >>> [row for _, row in read_table(path, ["image", "x"])]
        [{'image': 'a.png', 'x': '3'}]
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            names = rows.fieldnames or []
            missing = [column for column in columns if column not in names]
            if missing:
                raise InputError(
                    f"{path} has no column {missing[0]!r} (there are: {', '.join(names) or 'none'}): "
                    f"its first line must name {','.join(columns)}"
                )
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if None in row or None in row.values():
                    raise InputError(f"{where} has not the {len(names)} fields of the first line: correct it")
                yield where, {key: value.strip() for key, value in row.items()}
    except FileNotFoundError:
        raise InputError(f"{path} is missing: correct the name") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8: save it as that") from None


def number(row: dict[str, str], column: str, where: str) -> float:
    """A field as a number.

    Raises:
        InputError: if it is none.
    """
    try:
        return float(row[column])
    except ValueError:
        raise InputError(f"{where}: {column}={row[column]!r} is no number: correct it") from None
