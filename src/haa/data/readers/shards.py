"""What the readers of samples in large files share: what a sample may say, and one pass that finds where each lies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from haa.data.dataset import Split
from haa.data.files.image import image_size
from haa.data.files.listing import composed, hidden
from haa.data.files.packed import SIGN, File, Packed
from haa.data.files.table import FAR, LOST
from haa.data.index import Missing
from haa.data.readers.own import UNLISTED, UNTIMED, OwnData, Units
from haa.data.readers.units import Coordinates
from haa.data.scan import Outside
from haa.data.splits import pool_called, published
from haa.errors import InputError
from haa.gaze import Size, Weight

GAZE = ("x", "y", "duration", "subject")
"""Columns of fixations: pixels, milliseconds, and who looked."""


@dataclass
class Record:
    """A sample as a shard has it.

    Args:
        key: Its name, the same wherever the shards lie.
        shard: Path of the shard below the root.
        image: The picture; None without one.
        mask: The mask, if any.
        map: The published map of gaze, if any.
        fields: What else is known of it, by the names that `Shards` tells of.
    """

    key: str
    shard: str
    image: Packed | None = None
    mask: Packed | None = None
    map: Packed | None = None
    fields: dict[str, Any] = field(default_factory=dict)


class Shards(OwnData):
    """Samples in large files, which are read where they lie: the index says at which byte each picture begins.

    So order, splits, controls and digests are those of any other data set. A sample has a picture, and may have

    - ``fixations``: an object of lists ``x``, ``y`` and, if known, ``duration`` (ms) and ``subject``, or a list of
      objects with these keys; or the four lists by themselves;
    - ``label`` (text or number), or ``labels`` (list of those that are present);
    - ``caption`` or ``captions``; ``question`` with ``answer`` or ``answers``, or ``questions``, a list of objects with
      these two;
    - ``split``;
    - a mask, a map of gaze (`haa.data.files.density`).

    What else it says is not read. Without ``split``, words for splits in the names of shards or of their folders say
    it (``train-0000.tar``); without these the fixed rule divides, by the sample's name (`haa.data.splits`).

    Args:
        root: Folder of the shards.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out samples that lack a picture, or what others have.
        cache: See `haa.data.index.IndexedDataset`.
        shards: Which files below ``root``: patterns (``train-*.tar``, ``a-{0000..0099}.tar``), or None for all.
        splits_by_name: Whether the names of shards and folders say the split.
        first_pixel, outside, units, weight, folds, fold: See `haa.data.readers.folder.Folder`.

    Raises:
        InputError: If something does not fit together; the error names the shard and the sample.
    """

    word = "image"

    ending: str
    """Ending of a shard."""

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        shards: str | Sequence[str] | None = None,
        splits_by_name: bool = True,
        first_pixel: int = 0,
        outside: Outside = "raise",
        units: Units | None = None,
        weight: Weight | None = None,
        folds: int | None = None,
        fold: int = 0,
    ) -> None:
        self.patterns = [shards] if isinstance(shards, str) else list(shards or [f"**/*{self.ending}"])
        self.splits_by_name = splits_by_name
        for text in (str(root), *self.patterns):
            if re.match(r"[a-z0-9]+:(//|\S)", text) and not Path(text).exists():
                raise InputError(
                    f"{text}: shards are read where they lie, from a disk or a mount: copy them, or mount them "
                    "(rclone mount, s3fs, gcsfuse), and give data.root that folder"
                )
        self.take({}, outside, "stimulus", folds, fold, first_pixel, weight, units)
        super().__init__(root, split, missing, cache)

    def records(self, path: Path) -> Iterator[Record | dict[str, Any]]:
        """Yield the samples of a shard, and faults."""
        raise NotImplementedError

    def sources(self) -> Sequence[Path]:
        return list(self._shards())

    def _shards(self) -> dict[Path, None]:
        """Return the shards, each once, in the order of the patterns."""
        every = (path for pattern in self.patterns for each in expanded(pattern) for path in self._matching(each))
        return dict.fromkeys(every)

    def _matching(self, pattern: str) -> list[Path]:
        found = sorted(path for path in self.root.glob(pattern) if not any(map(hidden, path.parts[-1:])))
        if not found:
            raise InputError(f"{self.root} holds no {pattern}: correct data.root or data.shards")
        for path in found:
            if path.suffix != self.ending or SIGN in path.name:
                raise InputError(f"{path} is no shard that is read: its name ends in {self.ending}, without {SIGN}")
        return found

    def file(self, name: str) -> File:
        return Packed.named(self.root, name)

    def size(self, name: str) -> Size:
        return image_size(self.file(name))

    def scan(self) -> Iterator[dict[str, Any]]:
        known, labels = set[str](), set[str]()
        for record in self._records():
            if isinstance(record, Record):
                known |= {*record.fields, *record.fields.get("fixations", ())}
                known |= {key for key in ("mask", "map") if getattr(record, key) is not None}
                labels |= {record.fields["label"]} if "label" in record.fields else {*record.fields.get("labels", ())}
        if {"label", "labels"} <= known:
            raise InputError(f"{self.root}: some samples have label and others labels: write one of the two")
        self._check_gaze(known)
        self.classes = sorted(labels, key=lambda label: (int(label) if label.isdecimal() else -1, label))
        number = {label: place for place, label in enumerate(self.classes)}
        points = _Points(self, "subject" in known)
        lacking = [key for key in ("label", "labels", "captions", "questions", "mask") if key in known]
        for record in self._records():
            if not isinstance(record, Record):
                yield record
                continue
            where = f"{self.root / record.shard}: sample {record.key}"
            absent = [key for key in lacking if key not in record.fields and getattr(record, key, None) is None]
            if record.image is None or absent:
                kind = "image without annotation" if record.image else "annotation without image"
                what = f"no {absent[0]}, and others have" if record.image else "no picture"
                yield {"fault": kind, "message": f"{where} has {what}"}
                continue
            if "split" in known and "split" not in record.fields:
                yield {"fault": UNLISTED, "message": f"{where} has no split, and others have"}
            sample = self._sample(record, number)
            yield from points.put(sample, record, where)
            questions = record.fields.get("questions")
            for place, (question, answers) in enumerate(questions or (), 1):
                yield {**sample, "question": question, "answers": answers, "id": f"{sample['id']}_{place}"}
            if questions is None:
                yield sample
        points.check()

    def _records(self) -> Iterator[Record | dict[str, Any]]:
        paths = list(self._shards())
        names = [path.relative_to(self.root).as_posix() for path in paths]
        pools = [_pool(name) if self.splits_by_name else None for name in names]
        of_pool = published(pool for pool in pools if pool)
        for path, pool in zip(paths, pools, strict=True):
            for record in self.records(path):
                if isinstance(record, Record):
                    record.fields = plain_fields(record.fields, f"{path}: sample {record.key}")
                    if pool and "split" not in record.fields and (split := of_pool[pool]) is not None:
                        record.fields["split"] = split
                yield record

    def _sample(self, record: Record, number: dict[str, int]) -> dict[str, Any]:
        assert record.image is not None
        key = composed(record.key)
        sample: dict[str, Any] = {"id": key, "stimulus": key, "image": record.image.spelled(record.shard)}
        sample |= {key: record.fields[key] for key in ("split", "captions") if key in record.fields}
        if record.mask is not None:
            sample["mask"] = record.mask.spelled(record.shard)
        if record.map is not None:
            sample["density"] = [record.map.spelled(record.shard)]
        if "label" in record.fields:
            sample["label"] = number[record.fields["label"]]
        if "labels" in record.fields:
            present = set(record.fields["labels"])
            sample["labels"] = [int(label in present) for label in self.classes]
        return sample

    def _check_gaze(self, known: set[str]) -> None:
        if "fixations" in known and "map" in known:
            raise InputError(f"{self.root}: samples have both fixations and maps of gaze: pack one of the two")
        column = "duration" if self.weight == "duration" else "subject"
        if self.weight is not None and column not in known:
            raise InputError(f"data.weight={self.weight}: no fixation in {self.root} has a {column} to weigh by")


class _Points:
    """Fixations of samples as the index has them: in pixels from 0, people as numbers."""

    def __init__(self, data: Shards, has_people: bool) -> None:
        self.data, self.has_people = data, has_people
        self.people: dict[str, int] = {}
        self.in_pixels = Coordinates(data)

    def put(self, sample: dict[str, Any], record: Record, where: str) -> Iterator[dict[str, Any]]:
        """Give a sample its fixations; yield the faults."""
        columns = record.fields.get("fixations")
        if not columns or not columns["x"]:
            return
        numbers = {key: np.array(columns[key], float) for key in ("x", "y", "duration") if key in columns}
        x, y = numbers["x"], numbers["y"]
        seen = (np.abs(x) <= FAR) & (np.abs(y) <= FAR)  # false of NaN
        for place in np.flatnonzero(~seen).tolist():
            yield {"fault": LOST, "message": f"{where}: fixation {place}, x={x[place]:g}, y={y[place]:g}, is no point"}
        kept = np.flatnonzero(seen).tolist()
        points = [self.in_pixels(sample["image"], float(x[place]), float(y[place]), where) for place in kept]
        sample["x"], sample["y"] = [point[0] for point in points], [point[1] for point in points]
        if "duration" in numbers:
            durations = numbers["duration"][seen]
            for place in np.flatnonzero(np.isnan(durations)).tolist():
                yield {"fault": UNTIMED, "message": f"{where}: fixation {place}"}
            durations = np.nan_to_num(durations, nan=0.0)
            if (durations < 0).any() or (self.data.weight == "duration" and not durations.all()):
                raise InputError(f"{where}: a duration is {durations.min():g}, which is not positive: correct it")
            sample["duration"] = durations.tolist()
        elif self.data.weight == "duration":
            raise InputError(f"{where} has no durations to weigh by: give them, or leave data.weight out")
        if self.has_people:
            if "subject" not in columns:
                raise InputError(f"{where} does not say who looked, and others do: give subject to all, or to none")
            for place in kept:
                self.people.setdefault(composed(str(columns["subject"][place])), len(self.people) + 1)
            sample["subject"] = [self.people[composed(str(columns["subject"][place]))] for place in kept]

    def check(self) -> None:
        """Refuse coordinates that may be shares."""
        self.in_pixels.check(self.data.root)


def plain_fields(fields: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what a sample says under one name for each thing, and nothing that is None.

    Args:
        fields: As they are written.
        where: Shard and sample, for the error.

    Raises:
        InputError: If one is of another kind than it has to be.

    Example:
        >>> plain_fields({"caption": "a dog", "x": [1], "y": [2.5], "label": 3, "width": 9}, "a.tar: sample b")
        {'label': '3', 'captions': ['a dog'], 'fixations': {'x': [1], 'y': [2.5]}}
    """
    given = {key: value for key, value in fields.items() if value is not None}
    plain: dict[str, Any] = {}
    if "label" in given:
        plain["label"] = composed(_text(given["label"], "label", where))
    if "labels" in given:
        plain["labels"] = [composed(_text(label, "labels", where)) for label in _list(given["labels"], "labels", where)]
    if "split" in given:
        plain["split"] = pool_called(word := _text(given["split"], "split", where))
        if plain["split"] is None:
            raise InputError(f"{where}: split={word!r:.80} is none of train, val, test: correct it")
    captions = given.get("captions", given.get("caption"))
    if captions is not None:
        plain["captions"] = [_text(text, "captions", where) for text in _list(captions, "captions", where)]
    if (questions := given.get("questions")) is not None or "question" in given:
        asked = _list(questions, "questions", where) if questions is not None else [given]
        plain["questions"] = [_question(each, where) for each in asked]
    gaze = given.get("fixations", {key: given[key] for key in GAZE if key in given})
    if len(gaze):
        plain["fixations"] = _columns(gaze, where)
    return plain


def expanded(pattern: str) -> list[str]:
    """Return the patterns that one with braces stands for.

    Example:
        >>> expanded("{a,b}-{08..10}.tar")
        ['a-08.tar', 'a-09.tar', 'a-10.tar', 'b-08.tar', 'b-09.tar', 'b-10.tar']
    """
    parts = re.split(r"\{([^{}]*)\}", pattern)
    choices = [[part] if place % 2 == 0 else _choices(part) for place, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]


def _choices(inside: str) -> list[str]:
    if match := re.fullmatch(r"(\d+)\.\.(\d+)", inside):
        first, last = match.groups()
        return [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
    return inside.split(",")


def _pool(name: str) -> str | None:
    """Return the split that the name of a shard says, else the nearest of its folders."""
    for part in reversed(Path(name).with_suffix("").parts):
        pools = {pool for word in re.split(r"[^A-Za-z]+", part) if word and (pool := pool_called(word))}
        if len(pools) == 1:
            return pools.pop()
    return None


def _text(value: Any, key: str, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError(f"{where}: {key}={value!r:.80} is no text: correct it")
    return str(value)


def _list(value: Any, key: str, where: str) -> list[Any]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise InputError(f"{where}: {key} is no list: correct it")
    return value


def _question(given: Any, where: str) -> tuple[str, list[str]]:
    if not isinstance(given, dict):
        raise InputError(f"{where}: questions are objects with question and answers: correct it")
    answers = _list(given.get("answers", given.get("answer", [])), "answers", where)
    if not answers:
        raise InputError(
            f"{where}: the question {given.get('question')!r:.80} has no answer: give one, or leave it out"
        )
    return _text(given.get("question", ""), "question", where), [_text(each, "answers", where) for each in answers]


def _columns(gaze: Any, where: str) -> dict[str, list[Any]]:
    """Return fixations as lists of equal length."""
    if isinstance(gaze, list) and all(isinstance(point, dict) for point in gaze):
        keys = [key for key in GAZE if any(key in point for point in gaze)]
        gaze = {key: [point.get(key) for point in gaze] for key in keys} if gaze else {"x": [], "y": []}
    if not isinstance(gaze, dict) or not {"x", "y"} <= set(gaze):
        raise InputError(f"{where}: fixations have x and y, as lists, or as a list of objects: correct it")
    columns = {key: gaze[key] for key in GAZE if gaze.get(key) is not None}
    if any(not isinstance(values, list) for values in columns.values()) or len({*map(len, columns.values())}) > 1:
        raise InputError(f"{where}: x, y, duration and subject are lists of one length: correct it")
    for key, values in columns.items():
        kinds = (int, float, type(None)) if key != "subject" else (int, str)
        if wrong := [value for value in values if isinstance(value, bool) or not isinstance(value, kinds)]:
            raise InputError(
                f"{where}: {key} holds {wrong[0]!r:.80}, which is no {'name' if key == 'subject' else 'number'}"
            )
    return columns
