"""Building an index: scan the annotations, look at every image once, check, divide into splits, write."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from haa.data.files.image import image_size
from haa.data.splits import assign_splits, same_picture
from haa.errors import InputError

if TYPE_CHECKING:
    from haa.data.index import IndexedDataset

BATCH = 256
"""Rows of a record batch: row n is in batch n // BATCH."""

MAPPED = "index.arrow"

TEXTS = ("question", "answers", "captions", "label")
_STRINGS, _NUMBERS, _COUNTS = pa.list_(pa.string()), pa.list_(pa.float32()), pa.list_(pa.int32())
COLUMNS: Mapping[str, pa.DataType] = {
    **dict.fromkeys(("id", "image", "stimulus", "split", "mask", "question"), pa.string()),
    **dict.fromkeys(("density", "answers", "captions"), _STRINGS),
    **dict.fromkeys(("height", "width", "label"), pa.int32()),
    **dict.fromkeys(("x", "y", "duration"), _NUMBERS),
    **dict.fromkeys(("subject", "frame"), _COUNTS),
}
"""What `IndexedDataset.scan` may yield; columns that no sample has are left out."""

EXAMPLES = 20
"""Messages kept of each kind of fault; all are counted."""


class Fault(TypedDict):
    count: int
    examples: list[str]
    exchanged: NotRequired[int]
    """Of fixations outside: how many would lie inside if x and y were exchanged."""
    points: NotRequired[int]
    """Of fixations outside: how many there are of all, those inside too."""


class Look(NamedTuple):
    """What a look at an image file found; an absent file has -1 bytes, and a broken one no size."""

    bytes: int
    modified: int
    content: str | None
    height: int | None
    width: int | None


def ensure(dataset: IndexedDataset, arguments: Mapping[str, Any], cache: str | Path | None) -> Path:
    """The folder of a data set's index, built if there is none or if anything has changed since."""
    place = Path(cache or os.environ.get("HAA_CACHE") or ".cache").expanduser() / "index"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place} cannot be written ({error.strerror}): give data.cache, or set HAA_CACHE") from None
    folder = place / f"{type(dataset).__name__.lower()}-{_key(dataset, arguments)}"
    # the lock is the operating system's: it goes with a process that is killed
    with FileLock(folder.with_suffix(".lock")):
        if folder.exists() and _changed(folder / MAPPED, dataset.root):
            shutil.rmtree(folder)
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            _build(dataset, partial)
            partial.rename(folder)
    return folder


def _key(dataset: IndexedDataset, arguments: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for cls in type(dataset).__mro__:
        if cls.__module__.startswith(("torch", "builtins", "typing")):
            break
        digest.update(f"{cls.__module__}.{cls.__qualname__}".encode())
        digest.update(_code(cls))
    digest.update(Path(__file__).read_bytes())
    files = [(str(path), _stat(path)) for path in sorted(set(dataset.sources()))]
    digest.update(json.dumps([str(dataset.root.resolve()), arguments, files], sort_keys=True, default=str).encode())
    return digest.hexdigest()[:20]


def _code(cls: type) -> bytes:
    try:
        return Path(inspect.getfile(cls)).read_bytes()
    except (OSError, TypeError):  # typed into an interpreter
        return b""


def _stat(path: str | Path) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError:
        return -1, 0
    return stat.st_size, stat.st_mtime_ns


def _changed(path: Path, root: Path) -> bool:
    seen = None
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            for image, *found in zip(*(batch[key].to_pylist() for key in ("image", "bytes", "modified")), strict=True):
                if image != seen and (*found,) != _stat(f"{root}/{image}"):
                    return True
                seen = image
    return False


def _build(dataset: IndexedDataset, folder: Path) -> None:
    """Three passes, so that memory holds no more than one line a sample: annotations, images, and both together."""
    name, scanned = type(dataset).__name__, folder / "scanned.arrow"
    schema = pa.schema({**COLUMNS, **dataset.columns})
    dataset.classes = []
    faults: dict[str, Fault] = {}
    bar = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*bar, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"index of {name}: samples", total=None)
        samples = progress.track(_usable(dataset, faults), task_id=task)
        with pa.OSFile(str(scanned), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for rows in iter(lambda: list(islice(samples, BATCH)), []):
                writer.write_batch(_batch(rows, schema, name))
        progress.update(task, total=progress.tasks[0].completed)
        with pa.memory_map(str(scanned)) as file:
            reader = pa.ipc.open_file(file)
            # an image whose size every sample gives need not be opened for it
            known: dict[str, bool] = {}
            for batch in _batches(reader):
                for image, given in zip(
                    batch["image"].to_pylist(), batch["height"].is_valid().to_pylist(), strict=True
                ):
                    known[image] = given and known.get(image, True)
            images = progress.track(known.items(), description=f"index of {name}: images", total=len(known))
            looks = {image: _look(dataset.root, image, given, faults) for image, given in images}
            _write(_assemble(dataset, reader, looks, faults), folder)
    (folder / "summary.json").write_text(json.dumps({"classes": dataset.classes, "faults": faults}, indent=1))
    scanned.unlink()


def _usable(dataset: IndexedDataset, faults: dict[str, Fault]) -> Iterator[dict[str, Any]]:
    for sample in dataset.scan():
        if "fault" in sample:
            _note(faults, sample["fault"], sample["message"])
        else:
            yield sample


def _note(faults: dict[str, Fault], kind: str, message: str) -> None:
    fault = faults.setdefault(kind, {"count": 0, "examples": []})
    fault["count"] += 1
    if len(fault["examples"]) < EXAMPLES:
        fault["examples"].append(message)


def _batch(rows: list[dict[str, Any]], schema: pa.Schema, name: str) -> pa.RecordBatch:
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise ValueError(f"{name}.scan yields {', '.join(sorted(unknown))}: name them in its columns")
    return pa.record_batch([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)


def _batches(reader: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (reader.get_batch(number) for number in range(reader.num_record_batches))


def _look(root: Path, image: str, known: bool, faults: dict[str, Fault]) -> Look:
    path = root / image
    size, modified = _stat(path)
    if size < 0:
        _note(faults, "absent image", f"{path} is absent")
    if size < 0 or path.is_dir():
        return Look(size, modified, None, None, None)
    # a few parts tell files apart as well as the whole, and 100,000 photos are tens of gigabytes
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in sorted({0, max(0, size // 2 - 2048), max(0, size - 4096)}):
            file.seek(start)
            digest.update(file.read(4096))
    height = width = None
    if not known:
        try:
            height, width = image_size(path)
        except InputError as error:
            _note(faults, "broken image", str(error))
    return Look(size, modified, digest.hexdigest(), height, width)


def _assemble(
    dataset: IndexedDataset,
    reader: pa.ipc.RecordBatchFileReader,
    looks: Mapping[str, Look],
    faults: dict[str, Fault],
) -> Iterator[pa.RecordBatch]:
    def column(key: str) -> list[Any]:
        return [value for batch in _batches(reader) for value in batch[key].to_pylist()]

    images = column("image")
    stimuli = [name or image for name, image in zip(column("stimulus"), images, strict=True)]
    pictures = same_picture(stimuli, [looks[image].content for image in images])
    splits = assign_splits(pictures, column("split"), column("label"), dataset.shares)
    empty = [f.name for f in reader.schema if all(b[f.name].null_count == len(b) for b in _batches(reader))]
    kept = {field.name: field.type for field in reader.schema if field.name not in empty}
    schema = pa.schema(
        {"id": pa.string(), "image": pa.string(), **kept, "height": pa.int32(), "width": pa.int32()}
        | {"stimulus": pa.string(), "split": pa.string(), "bytes": pa.int64(), "modified": pa.int64()}
    )
    start = points = 0
    for batch in _batches(reader):
        rows = batch.select(list(kept)).to_pylist()
        for row, picture, split in zip(rows, pictures[start:], splits[start:], strict=False):
            look = looks[row["image"]]
            row |= {"stimulus": picture, "split": split, "bytes": look.bytes, "modified": look.modified}
            if row.get("height") is None:
                row |= {"height": look.height, "width": look.width}
            points += len(row.get("x") or ())
            _check_gaze(row, faults, str(dataset.root / row["image"]))
        start += len(rows)
        yield _batch(rows, schema, type(dataset).__name__)
    if "outside" in faults:
        faults["outside"]["points"] = points
    if not start:
        yield _batch([], schema, type(dataset).__name__)


def _check_gaze(row: dict[str, Any], faults: dict[str, Fault], path: str) -> None:
    """Leave out what lies outside the stimulus, and say so; a row whose lists disagree is the reader's mistake."""
    if row.get("x") is None or row["height"] is None:
        return
    keys = [key for key in ("x", "y", "duration", "subject", "frame") if row.get(key) is not None]
    if len({len(row[key]) for key in keys}) > 1:
        raise ValueError(f"{path}: lists of gaze differ in length: {[(key, len(row[key])) for key in keys]}")
    x, y = np.asarray(row["x"], dtype=np.float32), np.asarray(row["y"], dtype=np.float32)
    h, w = row["height"], row["width"]
    on = (x >= -0.5) & (x < w - 0.5) & (y >= -0.5) & (y < h - 0.5)
    if on.all():
        return
    for i in np.flatnonzero(~on):
        who = f" of subject {row['subject'][i]}" if row.get("subject") is not None else ""
        _note(
            faults,
            "outside",
            f"sample {row['id']}: a fixation{who} at x={x[i]:g}, y={y[i]:g} (from 0) lies outside {path} of {w} x {h} "
            "pixels: fetch both again, or correct the file",
        )
    exchanged = (y >= -0.5) & (y < w - 0.5) & (x >= -0.5) & (x < h - 0.5) & ~on
    faults["outside"]["exchanged"] = faults["outside"].get("exchanged", 0) + int(exchanged.sum())
    for key in keys:
        row[key] = [value for value, keep in zip(row[key], on, strict=True) if keep]


def _write(batches: Iterator[pa.RecordBatch], folder: Path) -> None:
    """The file that is mapped, and the same as parquet, compressed, for other tools."""
    first = next(batches)
    with (
        pa.OSFile(str(folder / MAPPED), "wb") as file,
        pa.ipc.new_file(file, first.schema) as mapped,
        pq.ParquetWriter(folder / "index.parquet", first.schema, compression="zstd") as parquet,
    ):
        for batch in chain([first], batches):
            mapped.write_batch(batch)
            parquet.write_batch(batch)
