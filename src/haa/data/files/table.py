"""Reader of a user's own csv table; an error names file, line and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from haa.errors import InputError


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    r"""Yield the rows of a csv file whose first line names its columns, as (file and line, row).

    Args:
        path: The file.
        columns: Columns that it must have.

    Raises:
        InputError: If the file or a column is missing, a row has too few or too many fields, or the file is no text in
            UTF-8.

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
    """Return a field of a row as a number.

    Args:
        row: A row of `read_table`.
        column: The field's column.
        where: File and line of the row, for the error.

    Raises:
        InputError: If the field is no number.
    """
    try:
        return float(row[column])
    except ValueError:
        raise InputError(f"{where}: {column}={row[column]!r} is no number: correct it") from None
