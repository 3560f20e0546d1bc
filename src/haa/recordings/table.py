"""Tables as eye trackers' programs export them: encoding, delimiter, lines before the header and decimal comma."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from haa.errors import InputError, reason, suggest

MISSING = ("", ".", "-", "nan", "na", "n/a", "null", "none", "undefined", "missing")
"""Texts that stand for a number that was not recorded; EyeLink's is a dot."""

_DELIMITERS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_LINES = 200


@dataclass
class Table:
    """Columns of texts.

    Attributes:
        path: The file.
        columns: Values by the columns' names, as the file has them.
        notes: What was recognised.
        ragged: Number of lines that have another number of fields than the header.
    """

    path: Path
    columns: dict[str, pa.Array]
    notes: list[str] = field(default_factory=list)
    ragged: int = 0
    comma: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def column(self, name: str) -> pa.Array:
        """Return a column.

        Raises:
            InputError: If there is none of that name.
        """
        if name not in self.columns:
            raise InputError(f"{self.path} has no column {name!r}: {suggest(name, list(self.columns))}")
        return self.columns[name]

    def text(self, name: str) -> np.ndarray:
        """Return a column as texts without spaces around them."""
        return pc.utf8_trim_whitespace(self.column(name)).to_numpy(zero_copy_only=False)

    def number(self, name: str) -> np.ndarray:
        """Return a column as numbers, NaN where none was recorded; a decimal comma is read as such.

        Raises:
            InputError: If a value is no number.
        """
        values = pc.utf8_trim_whitespace(self.column(name))
        values = pc.if_else(pc.is_in(pc.utf8_lower(values), pa.array(MISSING)), None, values)
        points = pc.replace_substring(values, ",", ".")
        number = pc.match_substring_regex(points, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(inf|Infinity)$")
        wrong = values.filter(pc.invert(number))
        if len(wrong.drop_null()):
            raise InputError(f"{self.path}, column {name!r}: {wrong.drop_null()[0].as_py()!r:.40} is no number")
        if pc.any(pc.match_substring(values, ",")).as_py():
            self.comma = True
        return pc.cast(points, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)


def read_export(path: Path) -> Table:
    r"""Read a table of whatever encoding and delimiter, below whatever lines stand before its header.

    Args:
        path: The file.

    Raises:
        InputError: If it is missing or is no table.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.tsv"
        >>> _ = path.write_text("## from a tracker\nname\tx\ncat\t1,5\n", "utf-16")
        >>> table = read_export(path)
        >>> table.number("x"), table.notes
        (array([1.5]), ['utf-16, tabs, 1 line before the header'])
    """
    text, encoding = decoded(path)
    lines = text.splitlines()
    delimiter, header = _shape(lines, path)
    names = next(csv.reader([lines[header]], delimiter=delimiter))
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    unique = [name if name and name not in twice else f"{name or 'unnamed'} ({i + 1})" for i, name in enumerate(names)]
    ragged: list[int] = []

    def skip(row: pa.csv.InvalidRow) -> str:
        ragged.append(row.expected_columns)
        return "skip"

    try:
        table = pa.csv.read_csv(
            io.BytesIO("\n".join(lines[header + 1 :]).encode()),
            pa.csv.ReadOptions(column_names=unique),
            pa.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(unique, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" not in str(error):
            raise InputError(f"{path} is no table ({reason(error)}): export it again") from None
        table = pa.table({name: pa.array([], pa.string()) for name in unique})
    before = f", {header} line{'s' * (header > 1)} before the header" if header else ""
    named = f"{encoding.replace('utf-8-sig', 'utf-8')}, {_DELIMITERS[delimiter]}{before}"
    columns = {name.strip(): table[name].combine_chunks() for name in unique}
    return Table(path, columns, [named], len(ragged))


def decoded(path: Path) -> tuple[str, str]:
    """Return a file's text and its encoding, by its mark or by trial.

    Raises:
        InputError: If it is missing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): correct the name") from None
    for mark, encoding in _BOMS.items():
        if content.startswith(mark):
            return content.decode(encoding, errors="replace"), encoding
    head = content[:2000]
    if head.count(0) > len(head) // 4:  # two bytes a character, and no mark
        encoding = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        return content.decode(encoding, errors="replace"), encoding
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), "windows-1252"


def _shape(lines: Sequence[str], path: Path) -> tuple[str, int]:
    """Return the delimiter, and the number of the line that holds the header: the first of as many fields as most."""
    head = [(number, line) for number, line in enumerate(lines[:_LINES]) if line.strip()]
    best: tuple[int, str, int] | None = None
    for delimiter in _DELIMITERS:
        counts = [
            (number, len(fields))
            for number, fields in zip(
                (number for number, _ in head),
                csv.reader((line for _, line in head), delimiter=delimiter),
                strict=False,
            )
        ]
        common = Counter(count for _, count in counts if count > 1).most_common(1)
        if not common:
            continue
        fields, lines_of_it = common[0]
        first = next(number for number, count in counts if count == fields)
        below = sum(number >= first for number, _ in counts)
        words = re.search(r"[^\W\d_]", lines[first])
        if words and lines_of_it >= 0.5 * below and (best is None or fields > best[0]):
            best = fields, delimiter, first
    if best is None:
        raise InputError(f"{path} is no table with a header that names its columns: export it as tsv or csv")
    return best[1], best[2]
