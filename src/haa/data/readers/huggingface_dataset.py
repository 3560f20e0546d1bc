"""Reader of what Hugging Face's datasets package has saved: Arrow files, whose pictures are read in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from haa.data.files.packed import Packed
from haa.data.readers.folder import SUFFIXES
from haa.data.readers.shards import Record, Shards
from haa.disk.bounded import read_object
from haa.errors import InputError, reading

PICTURES = ("image", "mask", "map")
"""Columns that hold a picture each."""

NAMES = "dataset_info.json"
"""File beside the shards that names the classes."""

_CURE = "save it again, by its save_to_disk"


class HuggingFaceDataset(Shards):
    """A folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote, without the datasets package.

    Columns are called as `haa.data.readers.shards.Shards` tells; ``image``, ``mask`` and ``map`` are of the feature
    ``Image``, with the pictures' files within, and ``id`` names a sample where there is one. Numbers of a
    ``ClassLabel`` are given their names. The names of folders say the split, as a ``DatasetDict`` has them.

    Parquet is refused: a picture in it is found by decompressing those around it. Save it as Arrow once::

        datasets.load_dataset("parquet", data_files="*.parquet").save_to_disk("mine")
    """

    suffixes = SUFFIXES
    ending = ".arrow"

    def sources(self) -> Sequence[Path]:
        if not any(self.root.glob("**/*.arrow")) and any(self.root.glob("**/*.parquet")):
            raise InputError(
                f"{self.root} holds parquet, in which no picture is found by itself: save it once as Arrow, "
                'datasets.load_dataset("parquet", data_files=...).save_to_disk(DIR), and give data.root=DIR'
            )
        found = super().sources()
        names = {path.with_name(NAMES) for path in found}
        return [*found, *(path for path in names if path.is_file())]

    def records(self, path: Path) -> Iterator[Record | dict[str, Any]]:
        shard = path.relative_to(self.root).as_posix()
        names = _class_names(path.with_name(NAMES))
        number = 0
        with reading(path, _CURE), pa.memory_map(str(path)) as file:
            whole = file.read_buffer()
            for batch in pa.ipc.open_stream(pa.BufferReader(whole)):
                pictures = {key: _places(batch, key, whole, path) for key in PICTURES if key in batch.schema.names}
                others = [name for name in batch.schema.names if name not in pictures]
                for place, fields in enumerate(batch.select(others).to_pylist()):
                    key = fields.pop("id", None)
                    record = Record(f"{path.stem}_{number:07}" if key is None else str(key), shard)
                    for column, places in pictures.items():
                        if (found := places[place]) is not None:
                            setattr(record, column, Packed(path, *found, f"{record.key}.{column}"))
                    record.fields = {name: _named(value, names.get(name)) for name, value in fields.items()}
                    yield record
                    number += 1


def _places(batch: pa.RecordBatch, key: str, whole: pa.Buffer, path: Path) -> list[tuple[int, int] | None]:
    """Return the byte at which each picture of a column begins in the file, and its length."""
    column = batch[key]
    if not pa.types.is_struct(column.type) or ("bytes", pa.binary()) not in [(f.name, f.type) for f in column.type]:
        raise InputError(f"{path}: the column {key} holds {column.type}, no pictures: cast it to datasets.Image()")
    content, valid = column.field("bytes"), column.is_valid().to_pylist()
    if any(known and not held for known, held in zip(valid, content.is_valid().to_pylist(), strict=True)):
        raise InputError(
            f"{path}: pictures of {key} lie outside of it: save it with them, by push or embed_table_storage"
        )
    _, offsets, values = content.buffers()
    if values is None:
        return [None] * len(batch)
    start = values.address - whole.address
    if not 0 <= start <= whole.size - values.size:
        raise InputError(f"{path} is compressed, so that no picture in it is found by itself: {_CURE}")
    ends = memoryview(offsets).cast("i")[content.offset : content.offset + len(content) + 1]
    return [(start + ends[i], ends[i + 1] - ends[i]) if valid[i] else None for i in range(len(batch))]


def _class_names(path: Path) -> Mapping[str, list[str]]:
    """Return the names of the classes of each column that counts some."""
    if not path.is_file():
        return {}
    features = read_object(path, _CURE).get("features") or {}
    with reading(path, _CURE):
        flat = {name: kind.get("feature", kind) if isinstance(kind, dict) else kind for name, kind in features.items()}
        return {name: kind["names"] for name, kind in flat.items() if isinstance(kind, dict) and "names" in kind}


def _named(value: Any, names: list[str] | None) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value if value != -1 else None
