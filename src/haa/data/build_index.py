"""Builder of an index: scans the annotations, looks at every image once, checks, divides into splits and writes."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from haa.data import scan
from haa.data.dataset import Split
from haa.data.files import image as image_files
from haa.data.files import packed as packed_files
from haa.data.files import picture as picture_files
from haa.data.files import video
from haa.data.files.image import image_size
from haa.data.files.listing import matching
from haa.data.files.packed import File, Packed
from haa.data.scan import COLUMNS, Fault, Scannable, check_gaze, check_splits, note, record_batch, scanned, sources
from haa.data.splits import assign_splits, same_picture
from haa.disk import built_once
from haa.disk.stored import Pieces, RowWriter, seal, write_json
from haa.errors import InputError, reading, writing
from haa.printing.progress import progress

MAPPED = "index.arrow"
"""Name of the file that is mapped, in the index's folder; a record batch is a piece of it, after its schema."""

SPLITS = "splits.npy"
"""Name of the file that says of each row its split, as a number among those of `Split`; -1 if it cannot be used."""

SUMMARY = "summary.json"
"""Name of the file with the names of the classes, and the faults."""

FILES = "files.arrow"
"""Name of the table of all files that samples name, with the size and time at which each was read."""

TEXTS = ("question", "answers", "captions", "label")
"""Columns that a sample carries as they are."""

LABELS = "labels"
"""Column that says of each class whether a sample has it; a sample carries it as a tensor."""

_DECODERS = (image_files.__file__, picture_files.__file__, packed_files.__file__, video.__file__)
GAZE = ("height", "width", "x", "y", "duration", "subject", "frame", "density_content")
"""Columns that say where people looked."""

STREAMS = 3
"""Largest number of parts that `parts` makes of a column: lengths of lists, lengths of texts, texts."""

CONTENTS: Mapping[str, pa.DataType] = {
    **dict.fromkeys(("content", "mask_content"), pa.string()),
    "density_content": pa.list_(pa.string()),
}
"""Columns with a digest of the content of each file that a sample names; null where it is absent."""


class Look(NamedTuple):
    """Facts about a file; an absent file has -1 bytes and no content, and a broken image no height and width."""

    bytes: int
    modified: int
    content: str | None
    height: int | None = None
    width: int | None = None


class Batches(dict[int, list[pa.Array]]):
    """Columns of an index's record batches: views of the mapped file, held against their checksum when first read.

    Args:
        path: The file that is mapped.

    Raises:
        InputError: If it is damaged, now or where a batch is read.
    """

    def __init__(self, path: Path) -> None:
        self._pieces = pieces = Pieces(path)
        _ = pieces[0], pieces[len(pieces) - 1]  # what is read to open it: its schema and its end
        self.reader = pa.ipc.open_file(pa.py_buffer(pieces.content))

    def __missing__(self, number: int) -> list[pa.Array]:
        _ = self._pieces[1 + number]
        self[number] = self.reader.get_batch(number).columns
        return self[number]


def ensure(dataset: Scannable, arguments: Mapping[str, Any], cache: str | Path | None) -> Path:
    """Return the folder of a data set's index; build the index if there is none or if anything has changed since.

    Args:
        dataset: The data set.
        arguments: The data set's own attributes, which are part of the index's name.
        cache: Folder that holds all indices; None is the folder that ``HAA_CACHE`` names, else ``.cache``.

    Raises:
        InputError: If the cache cannot be written, or the split of a sample is unknown.
    """
    indices = Path(cache or os.environ.get("HAA_CACHE") or ".cache").expanduser() / "index"
    try:
        indices.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{indices} cannot be written ({error.strerror}): give data.cache, or set HAA_CACHE") from None
    folder = indices / f"{type(dataset).__name__.lower()}-{_key(dataset, arguments)}"
    with built_once(folder, stale=lambda old: _changed(old / FILES, dataset.root)) as partial:
        if partial is not None:
            with writing(folder):
                _build(dataset, partial)
    return folder


def _key(dataset: Scannable, arguments: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for cls in type(dataset).__mro__:
        if cls.__module__.startswith(("torch", "builtins", "typing")):
            break
        digest.update(f"{cls.__module__}.{cls.__qualname__}".encode())
        digest.update(_code(cls))
    for path in (__file__, scan.__file__, *_DECODERS):
        digest.update(Path(path).read_bytes())
    files = [(str(path), _stat(path)) for path in sources(dataset)]
    digest.update(json.dumps([str(dataset.root.resolve()), arguments, files], sort_keys=True, default=str).encode())
    return digest.hexdigest()[:20]


def _code(cls: type) -> bytes:
    try:
        return Path(inspect.getfile(cls)).read_bytes()
    except (OSError, TypeError):  # a class that was typed into an interpreter has no file
        return b""


def _stat(path: str | Path) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError:
        return -1, 0
    return stat.st_size, stat.st_mtime_ns


def _changed(path: Path, root: Path) -> bool:
    table = pa.ipc.open_file(pa.py_buffer(Pieces(path)[0])).read_all()
    rows = zip(*(table[key].to_pylist() for key in ("path", "bytes", "modified")), strict=True)
    return any((*recorded,) != _stat(f"{root}/{name}") for name, *recorded in rows)


def _build(dataset: Scannable, folder: Path) -> None:
    """Build an index in three passes: over the annotations, over the files they name, and over both together.

    So memory holds no more than one line a sample. Every byte of every file is read, which is what an epoch of training
    reads: the content of a file, unlike its path and its time, is the same wherever the data set is copied to.
    """
    name, samples = type(dataset).__name__, folder / "scanned.arrow"
    schema = pa.schema({**COLUMNS, **dataset.columns})
    dataset.classes = []
    faults: dict[str, Fault] = {}
    with progress() as bar:
        task = bar.add_task(f"index of {name}: samples", total=None)
        with pa.OSFile(str(samples), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch in scanned(dataset, schema, partial(note, faults)):
                writer.write_batch(batch)
                bar.update(task, advance=len(batch))
        bar.update(task, total=bar.tasks[0].completed)
        with pa.memory_map(str(samples)) as file:
            reader = pa.ipc.open_file(file)
            # where all samples of an image give its size, the image need not be opened for it
            has_size: dict[str, bool] = {}
            others: dict[str, None] = {}
            for batch in _batches(reader):
                heights_valid = batch["height"].is_valid().to_pylist()
                for image, valid in zip(batch["image"].to_pylist(), heights_valid, strict=True):
                    has_size[image] = valid and has_size.get(image, True)
                others |= dict.fromkeys(path for path in batch["mask"].to_pylist() if path is not None)
                others |= dict.fromkeys(path for paths in batch["density"].to_pylist() for path in paths or ())
            images = bar.track(has_size.items(), description=f"index of {name}: images", total=len(has_size))
            looks = {image: _look(dataset.file(image), known, faults) for image, known in images}
            maps = bar.track(others, description=f"index of {name}: maps") if others else ()
            looks |= {path: _read(dataset.file(path)) for path in maps if path not in looks}
            _write(_assemble(dataset, reader, looks, faults), folder)
    paths = {name: look for name, look in looks.items() if isinstance(dataset.file(name), Path)}  # others: `sources`
    _write_files(paths, folder / FILES)
    write_json(folder / SUMMARY, {"classes": dataset.classes, "faults": faults})
    samples.unlink()


def _batches(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (reader.get_batch(number) for number in range(reader.num_record_batches))


def _look(path: File, known: bool, faults: dict[str, Fault]) -> Look:
    look = _read(path)
    if look.bytes < 0:
        note(faults, "absent image", f"{path} is absent")
    if known or look.bytes < 0 or (isinstance(path, Path) and path.is_dir()):
        return look
    try:
        height, width = image_size(path)
    except InputError as error:
        note(faults, "broken image", str(error))
        return look
    return look._replace(height=height, width=width)


def _read(path: File) -> Look:
    if isinstance(path, Packed):
        return Look(path.length, 0, _digest(path.read_bytes()).hexdigest())
    size, modified = _stat(path)
    with reading(path):
        return Look(size, modified, None if size < 0 else _content(path))


def _content(path: Path) -> str:
    """Return a digest of a file's bytes; of a folder of frames, of its files' names and bytes."""
    if path.is_dir():
        frames = [frame for frame in matching(path, "*") if frame.is_file()]
        return _digest(json.dumps([(frame.name, _content(frame)) for frame in frames]).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, _digest).hexdigest()


def _digest(content: bytes = b"") -> Any:
    return hashlib.blake2b(content, digest_size=16)


def _assemble(
    dataset: Scannable,
    reader: pa.ipc.RecordBatchFileReader,
    looks: Mapping[str, Look],
    faults: dict[str, Fault],
) -> Iterator[pa.RecordBatch]:
    def column(key: str) -> list[Any]:
        return [value for batch in _batches(reader) for value in batch[key].to_pylist()]

    images = column("image")
    stimuli = [name or image for name, image in zip(column("stimulus"), images, strict=True)]
    pictures = same_picture(stimuli, [looks[image].content for image in images])
    splits = assign_splits(pictures, column("split"), column("label"), dataset.shares, dataset.folds)
    if dataset.one_split:
        check_splits(dataset, images, pictures, splits, faults)
    empty = [f.name for f in reader.schema if all(b[f.name].null_count == len(b) for b in _batches(reader))]
    kept = {field.name: field.type for field in reader.schema if field.name not in empty}
    schema = pa.schema(
        {"id": pa.string(), "image": pa.string(), **kept, "height": pa.int32(), "width": pa.int32()}
        | {"stimulus": pa.string(), "split": pa.string(), "bytes": pa.int64()}
        | {key: kind for key, kind in CONTENTS.items() if key.removesuffix("_content") in ("content", *kept)}
    )
    start = points = 0
    for batch in _batches(reader):
        rows = batch.select(list(kept)).to_pylist()
        end = start + len(rows)  # to the list's end would copy what remains of it for every batch
        for row, picture, split in zip(rows, pictures[start:end], splits[start:end], strict=True):
            look = looks[row["image"]]
            row |= {"stimulus": picture, "split": split, "bytes": look.bytes, "content": look.content}
            if row.get("mask") is not None:
                row["mask_content"] = looks[row["mask"]].content
            if row.get("density") is not None:
                row["density_content"] = [looks[path].content for path in row["density"]]
            if row.get("height") is None:
                row |= {"height": look.height, "width": look.width}
            points += len(row.get("x") or ())
            check_gaze(row, faults, str(dataset.file(row["image"])), dataset.outside == "clip")
        start = end
        yield record_batch(rows, schema)
    if "outside" in faults:
        faults["outside"]["points"] = points
    if not start:
        yield record_batch([], schema)


def _write_files(looks: Mapping[str, Look], path: Path) -> None:
    table = pa.table(
        [list(looks), [look.bytes for look in looks.values()], [look.modified for look in looks.values()]],
        schema=pa.schema({"path": pa.string(), "bytes": pa.int64(), "modified": pa.int64()}),
    )
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    seal(path, [path.stat().st_size])


def _write(batches: Iterator[pa.RecordBatch], folder: Path) -> None:
    """Write the file that is mapped, which rows are whose split, and all as compressed parquet for other tools."""
    first = next(batches)
    path, parquet = folder / MAPPED, folder / "index.parquet"
    splits: list[np.ndarray] = []
    with (
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, first.schema) as mapped,
        pq.ParquetWriter(parquet, first.schema, compression="zstd", write_page_checksum=True) as for_others,
    ):
        ends = [file.tell()]
        for batch in chain([first], batches):
            mapped.write_batch(batch)
            for_others.write_batch(batch)
            ends.append(file.tell())
            splits.append(_splits(batch))
    seal(path, [*ends, path.stat().st_size])
    with RowWriter(folder / SPLITS, 1, (sum(map(len, splits)),), np.int8) as writer:
        writer.append(np.concatenate(splits)[None])


def _splits(batch: pa.RecordBatch) -> np.ndarray:
    usable = (batch["bytes"].to_numpy() >= 0) & batch["height"].is_valid().to_numpy(zero_copy_only=False)
    numbers = [get_args(Split).index(split) for split in batch["split"].to_pylist()]
    return np.where(usable, numbers, -1)


def parts(column: pa.Array) -> Iterator[bytes]:
    """Yield bytes that say what a column holds: joined over the column's chunks, they are the same however it is cut.

    First come lengths, -1 for what is absent, which tell where one value ends, then the values.
    """
    if pa.types.is_list(column.type):
        yield pc.list_value_length(column).fill_null(-1).to_numpy().tobytes()
        yield from parts(column.flatten())
    elif pa.types.is_string(column.type):
        yield pc.binary_length(column).fill_null(-1).to_numpy().tobytes()
        yield "".join(column.drop_null().to_pylist()).encode()
    elif pa.types.is_primitive(column.type):
        yield column.is_valid().to_numpy(zero_copy_only=False).tobytes()
        yield column.fill_null(0).to_numpy(zero_copy_only=False).tobytes()
    else:
        yield "".join(f"{json.dumps(value, default=str)}\n" for value in column.to_pylist()).encode()
