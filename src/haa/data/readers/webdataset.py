"""Reader of a WebDataset: tar files in which the files of a sample follow each other under one name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from haa.data.files.density import ARRAYS
from haa.data.files.packed import Packed
from haa.data.files.tar import members
from haa.data.readers.folder import SUFFIXES
from haa.data.readers.shards import GAZE, Record, Shards
from haa.disk.bounded import JSON, content, once, read_array
from haa.errors import InputError, reading

PICKLED = (".pyd", ".pickle", ".pkl", ".pth", ".pt", ".pyc")
"""Endings of what only a program can read."""

TEXTS = {"cls": "label", "label.txt": "label", "txt": "caption", "caption.txt": "caption", "split.txt": "split"} | {
    f"{key}.txt": key for key in ("question", "answer")
}
"""What a text of this ending is."""

OBJECTS = ("captions", "questions", "answers", "labels", "fixations", "question", "label", "split")
"""What a JSON file may be, by the word before its ending; ``.json`` alone is an object with any of them."""

_CURE = "pack it again"


class WebDataset(Shards):
    """Shards as the webdataset package writes and reads them, at any depth below ``root``.

    The files of a sample have one path up to the first dot of their name, and follow each other. What comes after the
    dot says what a file is:

    - ``jpg``, ``png``, ``webp`` ...: the picture; ``mask.png``: its mask; ``map.png``, ``map.npy``: a map of gaze;
    - ``fixations.json``, or ``fixations.npy`` with a row for each fixation: x, y and, if known, duration and subject;
    - ``cls``: the label; ``txt``: a caption; ``captions.json``, ``questions.json``, ``labels.json`` ...: one of them;
    - ``json``: an object with any of these (`haa.data.readers.shards.Shards`).

    Pickled files (``.pyd``, ``.pth`` ...) are refused: reading one runs what is in it. The shards are not compressed;
    they are read at random places, so that they have to lie on a disk or on a mount.
    """

    suffixes = SUFFIXES
    ending = ".tar"

    def records(self, path: Path) -> Iterator[Record | dict[str, Any]]:
        shard = path.relative_to(self.root).as_posix()
        record: Record | None = None
        for member in members(path):
            folder, _, file = member.name.rpartition("/")
            stem, _, ending = file.partition(".")
            if not stem or file.startswith("."):
                continue  # ._name of macOS, and webdataset's own rule
            key = f"{folder}/{stem}".removeprefix("./").lstrip("/")
            if record is None or record.key != key:
                if record is not None:
                    yield record
                record = Record(key, shard)
            self._add(record, member, ending.lower())
        if record is not None:
            yield record

    def _add(self, record: Record, member: Packed, ending: str) -> None:
        word, _, last = ending.rpartition(".")
        if f".{last}" in PICKLED:
            raise InputError(f"{member} is pickled, and reading it would run what is in it: pack it as json or npy")
        if ending in TEXTS or (last == "json" and word in ("", *OBJECTS)):
            with reading(str(member), _CURE):
                text = content(member, JSON).decode()
                found = text.strip() if ending in TEXTS else _parsed(text)
            if ending == "json":
                if not isinstance(found, dict):
                    raise InputError(f"{member} holds no object: pack it again")
                record.fields = found | record.fields
            else:
                record.fields[TEXTS.get(ending, word)] = found
        elif ending == "fixations.npy":
            record.fields["fixations"] = _points(member)
        elif word == "map" and (f".{last}" in SUFFIXES or f".{last}" in ARRAYS):
            record.map = member
        elif f".{last}" in SUFFIXES and word in ("", "mask"):
            if getattr(record, part := word or "image") is not None:
                raise InputError(
                    f"{getattr(record, part)} and {member} are both there, of one sample: pack one of them"
                )
            setattr(record, part, member)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _points(member: Packed) -> dict[str, list[Any]]:
    array = read_array(member, _CURE)
    if array.ndim != 2 or array.dtype.kind not in "iuf" or not 2 <= array.shape[1] <= len(GAZE):
        raise InputError(f"{member} is {array.dtype} of shape {array.shape}: rows are x, y, duration, subject")
    columns = {key: array[:, place].tolist() for place, key in enumerate(GAZE[: array.shape[1]])}
    if "subject" in columns:
        with reading(str(member), _CURE):
            columns["subject"] = [int(person) for person in columns["subject"]]
    return columns
