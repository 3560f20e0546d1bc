"""Columns of a run's tables, read within bounds: values per sample, and curves."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from haa.disk.bounded import ARRAYS, content
from haa.errors import reading
from haa.printing.plain import plain
from haa.reporting.whole import finite
from haa.run_folder import AGAIN

NAMES = ("id", "stimulus")
"""Columns of a run's samples that are no metrics."""
CELLS = 20_000_000
"""Largest number of values of one run's table."""
CURVES = 16 << 20
"""Bytes of the largest table of curves."""
EPOCHS = 10_000_000


def read_samples(path: Path, rows: int) -> dict[str, NDArray[Any]]:
    """Return the columns of samples.parquet: the texts of `NAMES`, and floats.

    Args:
        path: The file.
        rows: Number of samples that it has to have.

    Raises:
        InputError: If it is damaged, or holds another table.
    """
    import pyarrow.parquet as pq

    with reading(path, AGAIN):
        source = io.BytesIO(content(path, ARRAYS))  # pyarrow takes no name that is not text
        texts = [name for name in pq.read_schema(source).names if name in NAMES]
        with pq.ParquetFile(source, read_dictionary=texts) as file:
            if file.metadata.num_rows != rows:
                raise ValueError(f"it has {file.metadata.num_rows} samples, not {rows}")
            if rows * file.metadata.num_columns > CELLS:
                raise ValueError(f"it has more than {CELLS} values")
            table = file.read().unify_dictionaries()
        if len(set(table.column_names)) < len(table.column_names) or "id" not in texts:
            raise ValueError("it has a column twice, or none of ids")
        found = {
            plain(name): _texts(table[name]) if name in NAMES else _numbers(table[name]) for name in table.column_names
        }
        if len(np.unique(found["id"])) < rows:
            raise ValueError("two samples have one id")
    return found


def _texts(column: Any) -> NDArray[np.str_]:
    if column.null_count or not len(column):
        raise ValueError("a sample has no name")
    array = column.combine_chunks()
    words = array.dictionary.to_pylist()
    if not all(isinstance(word, str) for word in words):
        raise ValueError("a name is no text")
    if max(map(len, words)) * len(array) * 4 > ARRAYS:
        raise ValueError("its names are too long")
    return np.array(words)[array.indices.to_numpy()]


def _numbers(column: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    if column.null_count or not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise ValueError("a value is no number")
    values = column.to_numpy().astype(float)
    if not np.isnan(values).all() and not finite(float(np.nanmax(np.abs(values)))):
        raise ValueError("a value is larger than any that a run writes")
    return values


def read_curves(path: Path) -> dict[str, dict[int, float]]:
    """Return the curves of metrics.csv: for each column its value by epoch.

    Raises:
        InputError: If it is damaged, or holds another table.
    """
    curves: dict[str, dict[int, float]] = {}
    with reading(path, AGAIN):
        table = csv.DictReader(io.StringIO(content(path, CURVES).decode(), newline=""), strict=True)
        for row in table:
            if None in row:
                raise ValueError(f"line {table.line_num} has more values than columns")
            for name, text in row.items():
                if text and name.startswith(("train/", "val/")):
                    epoch, value = int(row["epoch"]), float(text)
                    if not 0 <= epoch <= EPOCHS:
                        raise ValueError(f"line {table.line_num} has epoch={epoch}")
                    curves.setdefault(plain(name), {})[epoch] = value
    return curves
