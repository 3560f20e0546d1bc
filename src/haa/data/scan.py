"""What a reader's `scan` may yield, and the check of it: one place between whatever the files hold and the index."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, NotRequired, Protocol, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from haa.data.dataset import Split
from haa.data.files.image import PIXELS
from haa.data.files.packed import File
from haa.data.files.table import FAR
from haa.data.splits import Folds
from haa.errors import reading, reason

BATCH = 256
"""Rows of a record batch: row n is in batch n // BATCH."""

Outside = Literal["raise", "drop", "clip"]

_STRINGS, _NUMBERS, _COUNTS = pa.list_(pa.string()), pa.list_(pa.float32()), pa.list_(pa.int32())
COLUMNS: Mapping[str, pa.DataType] = {
    **dict.fromkeys(("id", "image", "stimulus", "split", "mask", "question"), pa.string()),
    **dict.fromkeys(("density", "answers", "captions"), _STRINGS),
    **dict.fromkeys(("height", "width", "label"), pa.int32()),
    **dict.fromkeys(("x", "y", "duration"), _NUMBERS),
    **dict.fromkeys(("subject", "frame"), _COUNTS),
    "labels": pa.list_(pa.int8()),
}
"""Keys that `Scannable.scan` may yield, with their types; columns that no sample has are left out."""

_CURE = "correct the file, or fetch it again"


EXAMPLES = 20
"""Number of messages kept of each kind of fault; all faults are counted."""


class Fault(TypedDict):
    """Faults of one kind: how many there are, and the first messages."""

    count: int
    examples: list[str]
    exchanged: NotRequired[int]
    """For fixations outside: how many of them would lie inside if x and y were exchanged."""
    points: NotRequired[int]
    """For fixations outside: the number of all fixations, those inside too."""


class Scannable(Protocol):
    """A data set that an index can be built of: `haa.data.index.IndexedDataset` is one."""

    root: Path
    """Folder that holds the data set; paths of samples are relative to it."""

    classes: list[str]
    """Names of the classes that ``label`` counts, or ``labels`` lists; `scan` may set them on the way."""

    columns: ClassVar[Mapping[str, pa.DataType]]
    """Further keys of `scan`'s samples, with their types."""

    shares: ClassVar[Mapping[Split, float]]
    """Relative sizes of the splits that the rule makes (`haa.data.splits.assign_splits`)."""

    folds: Folds | None
    """Folds that the rule makes instead."""

    outside: Outside
    """What is done about fixations outside their stimulus."""

    one_split: bool
    """Whether a picture that is given to two splits is a fault."""

    def scan(self) -> Iterable[dict[str, Any]]:
        """Yield every sample of all splits, in a fixed order, one plain dict each."""
        ...

    def sources(self) -> Sequence[Path]:
        """Return the files (or folders, for their lists of files) that `scan` reads."""
        ...

    def file(self, name: str) -> File:
        """Return the file that `scan` calls so: a path below the root, or a part of one."""
        ...


Note = Callable[[str, str], None]
"""What counts a fault: its kind, and one line that names it and the cure."""


def sources(dataset: Scannable) -> list[Path]:
    """Return a data set's sources, sorted, each once.

    Raises:
        InputError: If the reader cannot tell, whatever the reason.
    """
    with reading(dataset.root, _CURE):
        return sorted(set(dataset.sources()))


def scanned(dataset: Scannable, schema: pa.Schema, note: Note) -> Iterator[pa.RecordBatch]:
    """Yield a data set's samples in batches of `BATCH`, of which the last may be smaller; leave out what is wrong.

    A sample is wrong where a value has another type than its column, is no finite number, is negative and must not be,
    names a file outside of the data set, or where lists of gaze differ in length; so is one with another's ``id``.

    Args:
        dataset: The data set.
        schema: Columns and their types.
        note: Called for each fault, the reader's own and those found here.

    Raises:
        InputError: If the reader fails, whatever the reason; it names the folder where the reader names no file.
        ValueError: If a sample has a key that is no column, which is the reader's mistake.
    """
    samples = _named_once(dataset, note)
    where: str | None = None
    rows: list[dict[str, Any]] = []
    while block := list(islice(samples, BATCH - len(rows))):
        rows += block
        batch = _checked(rows, schema, type(dataset).__name__)
        if isinstance(batch, str):
            where = where or _where(dataset)
            faults = [_checked([row], schema, type(dataset).__name__) for row in rows]
            for row, fault in zip(rows, faults, strict=True):
                if isinstance(fault, str):
                    note("unusable sample", f"{where}: sample {row.get('id')!r:.80}: {fault}: {_CURE}")
            rows = [row for row, fault in zip(rows, faults, strict=True) if not isinstance(fault, str)]
        elif len(rows) == BATCH:
            yield batch
            rows = []
    if rows:
        yield record_batch(rows, schema)


def _named_once(dataset: Scannable, note: Note) -> Iterator[dict[str, Any]]:
    """Yield the samples, all but those whose ``id`` another one has; note the faults."""
    image_by_id: dict[str, str] = {}
    with reading(dataset.root, _CURE):
        for sample in dataset.scan():
            if "fault" in sample:
                note(sample["fault"], sample["message"])
                continue
            name, image, labels = sample.get("id"), sample.get("image"), sample.get("labels")
            if isinstance(labels, list) and len(labels) != len(dataset.classes):
                message = f"'labels' has {len(labels)} values, and there are {len(dataset.classes)} classes"
                note("unusable sample", f"{dataset.root}: sample {name!r:.80}: {message}: {_CURE}")
                continue
            if type(name) is str and name in image_by_id:
                both = f"{dataset.root / image_by_id[name]} and {dataset.root / str(image)}"
                note("id twice", f"two samples are called {name!r:.80}, of {both}: rename or remove one of them")
                continue
            if type(name) is str and type(image) is str:
                image_by_id[name] = image
            yield sample


def _where(dataset: Scannable) -> str:
    """Return the files that a wrong value may come from; the folder where there are many."""
    files = [path for path in sources(dataset) if path.is_file()]
    return ", ".join(map(str, files)) if 0 < len(files) <= 3 else str(dataset.root)


def record_batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as a record batch; keys that a row lacks are null."""
    return pa.record_batch([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)


def _checked(rows: list[dict[str, Any]], schema: pa.Schema, name: str) -> pa.RecordBatch | str:
    """Return the rows as a batch, or the first thing that is wrong with them."""
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise ValueError(f"{name}.scan yields {', '.join(sorted(unknown))}: name them in its columns")
    arrays = []
    for column in schema:
        try:
            arrays.append(_array([row.get(column.name) for row in rows], column.type))
        except Exception as error:  # Arrow raises any of half a dozen types
            return f"{column.name!r} is not what it should be, {_word(column.type)} ({reason(error)})"
    batch = pa.record_batch(arrays, schema=schema)
    return _fault(batch) or batch


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Return values as an array of a type that they have: Arrow itself takes a text for a list, and 1.5 for 1."""
    if kind not in COLUMNS.values():
        return pa.array(values, kind)
    array = pa.array(values)
    if not _fits(array.type, kind):
        raise ValueError(f"it is {_word(array.type)}")
    return array if array.type == kind else array.cast(kind)


def _fits(found: pa.DataType, kind: pa.DataType) -> bool:
    if pa.types.is_null(found):
        return True
    if pa.types.is_list(kind):
        return pa.types.is_list(found) and _fits(found.value_type, kind.value_type)
    if pa.types.is_string(kind):
        return pa.types.is_string(found)
    return pa.types.is_integer(found) or pa.types.is_floating(found)


def _word(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"a list of {_word(kind.value_type)}s".replace("a list of a ", "a list of ")
    return "a text" if pa.types.is_string(kind) else "a whole number" if pa.types.is_integer(kind) else "a number"


def _fault(batch: pa.RecordBatch) -> str | None:
    """Return the first thing that is wrong with a batch's values; None where nothing is."""
    columns = {key: column for key, column in zip(batch.schema.names, batch.columns, strict=True)}
    given = {key: column for key, column in columns.items() if column.null_count < len(column)}
    for key in ("id", "image"):
        if columns[key].null_count or pc.any(pc.equal(columns[key], "")).as_py():
            return f"it has no {key!r}"
    for key in ("image", "mask", "density"):
        if key in given and (path := _outside(given[key])) is not None:
            return f"{key!r} is {path!r:.80}, which is no file of the data set"
    for key in given:
        if pa.types.is_list(given[key].type) and given[key].flatten().null_count:
            return f"{key!r} has an element that is null"
    for key in ("x", "y", "duration"):
        if key in given and len(wrong := _beyond(_numbers(given[key]))):
            return f"{key!r} holds {wrong[0]:g}, beyond anything that is recorded"
    for key in ("label", "subject", "frame"):
        if key in given and (_numbers(given[key]) < 0).any():
            return f"{key!r} is negative"
    return _wrong_size(columns) or _differ(columns) or _wrong_labels(columns["labels"])


def _outside(column: pa.Array) -> str | None:
    """Return the first path that leads out of the data set's folder, or that no file can have."""
    paths = column.flatten() if pa.types.is_list(column.type) else column
    wrong = pc.match_substring_regex(paths, r"^/|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\x00")
    return paths.filter(wrong)[0].as_py() if pc.any(wrong).as_py() else None


def _numbers(column: pa.Array) -> np.ndarray:
    """Return all numbers of a column, without nulls, be it of numbers or of lists of them."""
    values = column.flatten() if pa.types.is_list(column.type) else column
    return values.drop_null().to_numpy(zero_copy_only=False)


def _beyond(numbers: np.ndarray) -> np.ndarray:
    return numbers[~(np.abs(numbers) <= FAR)]


def _wrong_size(columns: Mapping[str, pa.Array]) -> str | None:
    height, width = columns["height"], columns["width"]
    if not height.is_null().equals(width.is_null()):
        return "it has one of 'height' and 'width' without the other"
    h, w = _numbers(height).astype(np.int64), _numbers(width).astype(np.int64)
    return None if ((h > 0) & (w > 0) & (h * w <= PIXELS)).all() else "no picture has its 'height' and 'width'"


def _differ(columns: Mapping[str, pa.Array]) -> str | None:
    """Return the first list of gaze, if any, that has another length than ``x`` has where both are given."""
    length = pc.list_value_length(columns["x"])
    if not columns["x"].is_null().equals(columns["y"].is_null()):
        return "it has one of 'x' and 'y' without the other"
    for key in ("y", "duration", "subject", "frame"):
        if pc.any(pc.not_equal(pc.list_value_length(columns[key]), length)).as_py():
            return f"'x' and {key!r} differ in length"
    return None


def _wrong_labels(column: pa.Array) -> str | None:
    if len(values := _numbers(column)) and (values.min() < -1 or values.max() > 1):
        return "'labels' holds something other than 1 (present), 0 (absent) and -1 (unknown)"
    return None


def note(faults: dict[str, Fault], kind: str, message: str) -> None:
    """Count a fault, and keep its message where it is among the first of its kind."""
    fault = faults.setdefault(kind, {"count": 0, "examples": []})
    fault["count"] += 1
    if len(fault["examples"]) < EXAMPLES:
        fault["examples"].append(message)


def check_splits(
    dataset: Scannable, images: list[str], pictures: list[str], splits: list[Split], faults: dict[str, Fault]
) -> None:
    """Note each picture that is in two splits as a fault."""
    first: dict[str, tuple[str, Split]] = {}
    seen: set[tuple[str, str]] = set()
    for image, picture, split in zip(images, pictures, splits, strict=True):
        other, split_there = first.setdefault(picture, (image, split))
        if split != split_there and (picture, image) not in seen:
            seen.add((picture, image))
            both = f"{dataset.file(other)} ({split_there}) and {dataset.file(image)} ({split})"
            note(faults, "same file in two splits", f"{both} have the same content, in two splits: take one away")


def check_gaze(row: dict[str, Any], faults: dict[str, Fault], path: str, clip: bool) -> None:
    """Leave out the fixations outside the stimulus, or move them to its border; note each as a fault.

    Raises:
        ValueError: If the lists of gaze differ in length, which is the reader's mistake.
    """
    if row.get("x") is None or row["height"] is None:
        return
    keys = [key for key in ("x", "y", "duration", "subject", "frame") if row.get(key) is not None]
    if len({len(row[key]) for key in keys}) > 1:
        raise ValueError(f"{path}: lists of gaze differ in length: {[(key, len(row[key])) for key in keys]}")
    x, y = np.asarray(row["x"], dtype=np.float32), np.asarray(row["y"], dtype=np.float32)
    h, w = row["height"], row["width"]
    inside = (x >= -0.5) & (x < w - 0.5) & (y >= -0.5) & (y < h - 0.5)
    if inside.all():
        return
    for i in np.flatnonzero(~inside):
        of_subject = f" of subject {row['subject'][i]}" if row.get("subject") is not None else ""
        note(
            faults,
            "outside",
            f"sample {row['id']}: a fixation{of_subject} at x={x[i]:g}, y={y[i]:g} (from 0) lies outside {path} "
            f"of {w} x {h} pixels: fetch both again, or correct the file",
        )
    exchanged = (y >= -0.5) & (y < w - 0.5) & (x >= -0.5) & (x < h - 0.5) & ~inside
    faults["outside"]["exchanged"] = faults["outside"].get("exchanged", 0) + int(exchanged.sum())
    if clip:
        for key, values, length in (("x", x, w), ("y", y, h)):
            row[key] = np.where(inside, values, values.clip(0, length - 1)).tolist()
        return
    for key in keys:
        row[key] = [value for value, keep in zip(row[key], inside, strict=True) if keep]
