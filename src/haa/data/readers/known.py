"""What tables, lists and folders say of one's own stimuli, read in one scan: splits, labels, gaze."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.files.listing import composed
from haa.data.files.table import EYELINK, LOST, MISSING, coordinate, number, one_value, read_lines, read_table
from haa.data.readers.names import Names
from haa.data.readers.own import REPEATED, UNLISTED, UNTIMED, OwnData, parts
from haa.data.readers.several_labels import by_class, labels_of
from haa.data.readers.units import Coordinates
from haa.data.splits import assign_splits, pool_called
from haa.errors import InputError

Line = tuple[str | None, dict[str, Any], str]
"""Name of the stimulus, row, file and line. Where the stimulus is absent, its name is None, and the row the fault."""


class Known:
    """What is known of each stimulus, by its name, as it is read.

    Args:
        data: The data set, for its options and where its tables are.
        names: Path of each stimulus below the folder of the stimuli.

    Attributes:
        label: Class of each stimulus that has one.
        labels: What is known of each class, of each stimulus that may have several (`haa.data.readers.several_labels`).
        gaze: Columns ``x``, ``y`` ... of each stimulus at which somebody looked.
        last: Last frame that a line names, of each video, with that line.
    """

    def __init__(self, data: OwnData, names: Sequence[str]) -> None:
        self.data, self.names = data, names
        self.label: dict[str, str] = {}
        self.labels: dict[str, list[int]] = {}
        self.gaze: dict[str, dict[str, list[Any]]] = {}
        self.last: dict[str, tuple[int, str]] = {}
        self._people: dict[str, int] = {}
        self._split: dict[str, tuple[str, str]] = {}
        self._number: dict[str, int] = {}
        self._found = Names(names, data.top)

    def lines(self, key: str, columns: Sequence[str], tables: Iterable[Path] | None = None) -> Iterator[Line]:
        """Yield the lines of the tables of one kind; a column ``split`` of any says the split of the stimulus."""
        word = self.data.word
        split_is_asked = self.data.names["splits"] is not None
        for path in self.data.tables(key) if tables is None else tables:
            for where, row in read_table(path, [word, *columns], EYELINK if key == "fixations" else None):
                name = self._found.get(row[word], where)
                if name is None:
                    yield None, self._absent(row[word], where), where
                    continue
                if split_is_asked and row.get("split"):
                    self._put(name, row["split"], where)
                yield name, row, where

    def place(self) -> Iterator[dict[str, Any]]:
        """Read the lists of splits and the labels; yield the faults."""
        if self.data.split_by == "stimulus":
            for name, row, _ in self.lines("splits", ["split"]):
                if name is None:
                    yield row
            for path in self.data.lists():
                for where, text in read_lines(path):
                    name = self._found.get(text, where)
                    if name is None:
                        yield self._absent(text, where)
                    else:
                        self._put(name, path.stem, where)
        labels: dict[str, tuple[str, str]] = {}
        several: dict[str, dict[str, int]] = {}
        for name, row, where in self.lines("labels", []):
            if name is None:
                yield row
            elif "label" not in row:
                several[name] = labels_of(row, self.data.word, where)
                one_value(labels, name, str(sorted(several[name].items())), where)
            elif row["label"]:
                one_value(labels, name, composed(row["label"]), where)
        if several and self.data.word == "video":
            raise InputError(f"{self.data.tables('labels')[0]} has no column label: a video has one label")
        self.data.classes, self.labels = by_class(several)
        self.label = {name: label for name, (label, _) in labels.items() if name not in several}

    def settle(self) -> Iterator[dict[str, Any]]:
        """Let folders say what tables left open, and number the classes; yield the faults.

        It comes after all tables, because each may have a column ``split``.
        """
        depth, has_labels = self._split_depth(), bool(self.data.tables("labels"))
        for name in self.names:
            folders = [composed(folder) for folder in Path(name).parts[:-1]]
            if depth is not None and len(folders) > depth:
                pool = pool_called(folders.pop(depth))
                if pool is not None:
                    self._split.setdefault(name, (pool, "its folder"))
            if has_labels:
                continue
            if self.data.label_pattern is not None:
                if match := re.search(self.data.label_pattern, composed(name)):
                    self.label[name] = match[1]
            elif folders:
                self.label[name] = folders[self.data.label_folder]
        if not self.labels:
            classes = set(self.label.values())
            self.data.classes = sorted(classes, key=lambda label: (int(label) if label.isdecimal() else -1, label))
        self._number = {label: number for number, label in enumerate(self.data.classes)}
        if self._split and (self.data.chosen is not None or self.data.split_by == "subject"):
            option = f"data.folds={self.data.chosen[0]}" if self.data.chosen else "data.split_by=subject"
            name, (pool, where) = next(iter(self._split.items()))
            raise InputError(f"{name} is in {pool} by {where}, and {option} divides anew: set data.splits=null")
        unlisted = [name for name in self.names if name not in self._split] if self._split else []
        for name in unlisted:
            yield {"fault": UNLISTED, "message": f"{self.data.top / name} is in no list, table or folder of splits"}

    def sample(self, name: str) -> dict[str, Any]:
        """Return what is known of a stimulus, but for its gaze, as keys of a sample."""
        known: dict[str, Any] = {}
        if name in self._split:
            known["split"] = self._split[name][0]
        if name in self.label:
            known["label"] = self._number[self.label[name]]
        if name in self.labels:
            known["labels"] = self.labels[name]
        return known

    def divided(self, samples: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the samples; where people are divided, what each split has of each that was looked at.

        Raises:
            InputError: If people are to be divided, and are not named or too few.
        """
        if self.data.split_by == "stimulus":
            yield from samples
            return
        pools = self._pools()
        for sample in samples:
            if sample.get("x"):
                yield from parts(sample, pools)
            else:
                yield sample

    def look(self) -> Iterator[dict[str, Any]]:
        """Read the gaze; yield the faults."""
        seen: dict[tuple[Any, ...], tuple[dict[str, Any], str]] = {}
        in_pixels = Coordinates(self.data)
        asked = ["frame", "x", "y"] if self.data.word == "video" else ["x", "y"]
        first: tuple[Path, set[str]] | None = None
        optional: list[str] = []
        if self.data.weight is not None and not self.data.tables("fixations"):
            raise InputError(f"data.weight={self.data.weight}: {self.data.root} has no table of fixations to weigh")
        for path in self.data.tables("fixations"):
            # a table for each person is called by the person
            person = path.stem if self.data.given("fixations") != path else None
            begun = False
            for name, row, where in self.lines("fixations", asked, [path]):
                if name is None:
                    yield row
                    continue
                if not begun:
                    optional = [key for key in ("duration", "subject", "index") if key in row]
                    person = None if "subject" in optional else person
                    first, begun = self._alike(first, path, optional, person), True
                    self._check_weight(first[1], path)
                values = self._values(name, row, where, optional, in_pixels)
                if values is None:
                    yield {"fault": LOST, "message": f"{where}: x={row['x']!r}, y={row['y']!r} is no point"}
                    continue
                if person is not None or "subject" in optional:
                    values["subject"] = self._person(person or row["subject"], path, person is None, where)
                if "index" in optional:
                    place = name, values.get("subject"), values.get("frame"), values["index"]
                    known, line = seen.setdefault(place, (values, where))
                    if known != values:
                        raise InputError(
                            f"{where}: fixation {row['index']} of {name} is another one in {line}: keep one of them, "
                            "or take the column index away"
                        )
                    if line != where:
                        yield {"fault": REPEATED, "message": f"{where} repeats {line}"}
                        continue
                if "duration" in optional and row["duration"].lower() in MISSING:
                    yield {"fault": UNTIMED, "message": f"{where}: duration={row['duration']!r}"}
                columns = self.gaze.setdefault(name, {})
                for key, value in values.items():
                    columns.setdefault(key, []).append(value)
            in_pixels.check(path)
        if "index" in optional:
            for columns in self.gaze.values():
                _sort(columns)

    def _values(
        self, name: str, row: dict[str, str], where: str, optional: list[str], in_pixels: Coordinates
    ) -> dict[str, Any] | None:
        """Return what a line says of a fixation, but for the person; None where the eye was lost."""
        x, y = coordinate(row, "x", where), coordinate(row, "y", where)
        if x is None or y is None:
            return None
        values: dict[str, Any] = dict(zip("xy", in_pixels(name, x, y, where), strict=True))
        if self.data.word == "video":
            values["frame"] = self._frame(name, row, where)
        known = [key for key in optional if key != "subject" and (key != "duration" or row[key].lower() not in MISSING)]
        values |= {"duration": 0.0} if "duration" in optional else {}
        values |= {key: number(row, key, where) for key in known}
        if "duration" not in known and self.data.weight == "duration":
            raise InputError(f"{where}: it has no duration to weigh by: take the line away, or leave data.weight out")
        if values.get("duration", 1) < 0 or (self.data.weight == "duration" and not values["duration"]):
            raise InputError(f"{where}: duration={row['duration']} is not positive: correct it")
        return values

    def _check_weight(self, columns: set[str], path: Path) -> None:
        if (by := self.data.weight) is not None and by not in columns:
            raise InputError(f"data.weight={by}: {path} has no column {by!r}, add it or leave data.weight out")

    def _alike(
        self, first: tuple[Path, set[str]] | None, path: Path, optional: list[str], person: str | None
    ) -> tuple[Path, set[str]]:
        """Return the first table's columns; refuse a table that has others."""
        own = {*optional, *(["subject"] if person is not None else [])}
        if first is not None and first[1] != own:
            column = min(first[1] ^ own)
            one, other = (path, first[0]) if column in own else (first[0], path)
            raise InputError(f"{other} has no column {column!r}, and {one} has: give it to both, or to none")
        return first or (path, own)

    def _frame(self, name: str, row: dict[str, str], where: str) -> int:
        frame = number(row, "frame", where)
        if frame < 0 or frame != int(frame):
            raise InputError(f"{where}: frame {row['frame']} is none of a video's, which count from 0")
        if frame >= self.last.get(name, (0, ""))[0]:
            self.last[name] = int(frame), where
        return int(frame)

    def _person(self, subject: str, path: Path, named: bool, where: str) -> int:
        """Return the number of a person, in the order in which they come."""
        if not subject:
            raise InputError(f"{where}: subject is empty: say who looked, or take the column away")
        subject = composed(subject)
        if not named and subject not in self._people and self._found.known(subject):
            raise InputError(f"{path} may be called by a person or by a {self.data.word}: give it the column subject")
        return self._people.setdefault(subject, len(self._people) + 1)

    def _put(self, name: str, word: str, where: str) -> None:
        pool = pool_called(word)
        if pool is None and set(word.split("+")) - {"train", "val", "test"}:
            raise InputError(f"{where}: {word!r:.80} is no split: write train, val or test, or set data.splits=null")
        one_value(self._split, name, pool or word, where)

    def _split_depth(self) -> int | None:
        """Return which folder of a stimulus is called as splits are, None where none is.

        Raises:
            InputError: If a folder or stimulus beside such folders is in no split.
        """
        if self.data.names["splits"] is None:
            return None
        pools: dict[str, str | None] = {}
        depths: dict[int, str] = {}
        for name in self.names:
            for depth, folder in enumerate(name.split("/")[:-1]):
                if folder not in pools:
                    pools[folder] = pool_called(composed(folder))
                if pools[folder]:
                    depths.setdefault(depth, name)
        if not depths:
            return None
        depth = min(depths)
        for name in self.names:
            folders = name.split("/")[:-1]
            if name not in self._split and (len(folders) <= depth or not pools[folders[depth]]):
                top = self.data.top
                here = top / "/".join(folders[: depth + 1]) if len(folders) > depth else top / name
                split = top / "/".join(depths[depth].split("/")[: depth + 1])
                raise InputError(
                    f"{here} lies beside {split}, which is called as a split is: name folders train, val and test, "
                    "say in splits.csv what is in which, or set data.splits=null where they are no splits"
                )
        return depth

    def _pools(self) -> dict[int, str]:
        """Return the split of each person, by number: as splits.csv says, else by the rule."""
        if not self._people:
            raise InputError(f"data.split_by=subject: no table of fixations in {self.data.root} has the column subject")
        given: dict[str, tuple[str, str]] = {}
        tables = (
            (where, row["subject"], row["split"])
            for path in self.data.tables("splits")
            for where, row in read_table(path, ["subject", "split"])
        )
        lists = ((where, text, path.stem) for path in self.data.lists() for where, text in read_lines(path))
        for where, person, word in (*tables, *lists):
            if (pool := pool_called(word)) not in ("train", "val", "test"):
                raise InputError(f"{where}: split={word!r:.80} is none of train, val, test")
            one_value(given, composed(person), pool, where)
        if given and self.data.chosen is not None:
            raise InputError(
                f"data.folds={self.data.chosen[0]} divides people anew: set data.splits=null, or leave it out"
            )
        people = list(self._people)
        if given and (unknown := [name for name in people if name not in given]):
            raise InputError(f"data.split_by=subject: splits.csv does not say the split of {unknown[0]}: add it")
        pools = (
            [given[name][0] for name in people]
            if given
            else assign_splits(people, [None] * len(people), folds=self.data.chosen)
        )
        if missing := {"train", "val", "test"} - set(pools):
            raise InputError(
                f"data.split_by=subject: {len(people)} people leave nobody for {min(missing)}: record more people, or "
                "say in splits.csv, subject,split, who is in which"
            )
        return {self._people[name]: pool for name, pool in zip(people, pools, strict=True)}

    def _absent(self, text: str, where: str) -> dict[str, Any]:
        message = f"{where}: there is no {self.data.word} {text!r} in {self.data.top}{self._found.hint(text)}"
        return {"fault": "annotation without image", "message": message}


def _sort(columns: dict[str, list[Any]]) -> None:
    """Put fixations in order, person after person, by their index, which then has served."""
    index = columns.pop("index")
    order = sorted(range(len(index)), key=lambda i: (columns["subject"][i] if "subject" in columns else 0, index[i]))
    for key, values in columns.items():
        columns[key] = [values[i] for i in order]
