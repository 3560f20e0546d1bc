"""What the readers of one's own pictures and videos share: their options, and where their tables and lists lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from haa.data.files.density import ARRAYS
from haa.data.files.image import image_size
from haa.data.files.listing import entries, files_below, folders_to, matching
from haa.data.files.table import LOST
from haa.data.index import IndexedDataset
from haa.data.scan import Outside
from haa.data.splits import Folds, chosen_folds, pool_called
from haa.errors import InputError
from haa.gaze import Size, Weight

By = Literal["stimulus", "subject"]

Units = Literal["pixels", "share"]
"""What coordinates count: pixels of the stimulus, or shares of its width and height, from the upper left corner."""

UNLISTED, REPEATED, UNTIMED = "stimulus in no split", "line repeated", "fixation without a duration"
"""Kinds of what is told and refused nowhere."""


class OwnData(IndexedDataset):
    """Base of the readers of one's own data: stimuli in a folder, at any depth, with plain tables beside it.

    A subclass calls `take` before the constructor of its other base, and reads the tables by
    `haa.data.readers.known.Known`.
    """

    word: ClassVar[str]
    """What a stimulus is, as the tables' column is called: ``image``, ``video``."""

    suffixes: ClassVar[Collection[str]]
    """Endings of the stimuli's files, in lower case."""

    label_folder: ClassVar[int] = -1
    """Which of a stimulus' folders is its label: the last or the first."""

    label_pattern: str | None = None
    """Regular expression whose group is the label in a stimulus' path; None takes the folder."""

    most_outside = 0.5

    hints: ClassVar[Mapping[str, str]] = {
        "outside": "; or set data.outside=drop to leave such glances out, data.outside=clip to move them to the border",
        LOST: "; set data.outside=drop to leave lost samples out",
    }

    names: dict[str, str | None]
    """Name of each table and folder, relative to the root, the stimuli's own among them; None leaves it out."""

    chosen: Folds | None
    """Number of folds and the one that is tested on, be it of stimuli or of people."""

    def take(
        self,
        names: dict[str, str | None],
        outside: Outside,
        split_by: By,
        folds: int | None,
        fold: int,
        first_pixel: int,
        weight: Weight | None,
        units: Units | None = None,
    ) -> None:
        """Check the options, and keep them: they are part of the index's name.

        Raises:
            InputError: If one is none of its choices.
        """
        for key, value, choices in (
            ("outside", outside, get_args(Outside)),
            ("split_by", split_by, get_args(By)),
            ("first_pixel", first_pixel, (0, 1)),
            ("weight", weight, (*get_args(Weight), None)),
            ("units", units, (*get_args(Units), None)),
        ):
            if value not in choices:
                raise InputError(f"data.{key}={value}: choose {' or '.join(map(str, choices))}")
        self.names, self.outside, self.split_by, self.first_pixel = names, outside, split_by, first_pixel
        self.weight, self.units = weight, units
        if units == "share" and first_pixel:
            raise InputError("data.units=share counts no pixels: leave data.first_pixel out")
        self.chosen = chosen_folds(folds, fold)
        self.folds = self.chosen if split_by == "stimulus" else None
        self.one_split = split_by == "stimulus"

    def told(self) -> dict[str, str]:
        done = {UNLISTED: "divided by the rule", REPEATED: "counted once", UNTIMED: "which is taken as 0 ms"}
        if self.outside != "raise":
            done |= {LOST: "left out", "outside": "left out" if self.outside == "drop" else "moved to the border"}
        return done

    def counted(self) -> list[str]:
        """Return what the options left out or changed, how often, and that people are divided where they are."""
        found = [(kind, done, self.faults[kind]) for kind, done in self.told().items() if kind in self.faults]
        lines = [f"{fault['count']} x {kind}, {done}; the first: {fault['examples'][0]}" for kind, done, fault in found]
        if self.split_by == "subject":
            lines.append(f"people are divided into splits, so that {self.word}s are in several on purpose")
        return lines

    def _judge(self) -> Iterator[str]:
        yield from super()._judge()
        if self.split_by == "subject":
            yield f"{type(self).__name__}: {self.counted()[-1]}"

    def sources(self) -> Sequence[Path]:
        tables = [path for key in self.names for path in self.tables(key)]
        beside = [each for path in self._folders() for each in folders_to(path, (*self.suffixes, *ARRAYS))]
        return [*tables, *self.lists(), *beside, *folders_to(self.top, self.suffixes, self._folders())]

    @property
    def top(self) -> Path:
        """Folder in which the stimuli lie: ``images`` (``videos``) where it is there, else the root.

        Raises:
            InputError: If another one is named, and is none.
        """
        key = f"{self.word}s"
        folder = self.given(key)
        if folder is not None and not folder.is_dir() and self.names[key] != key:
            raise InputError(f"data.{key}={self.names[key]}: {folder} is no folder, correct the name")
        return folder if folder is not None and folder.is_dir() else self.root

    def size(self, name: str) -> Size:
        """Return (height, width) of a stimulus in pixels.

        Raises:
            InputError: If it cannot be read.
        """
        return image_size(self.top / name)

    def listed_stimuli(self) -> list[str]:
        """Return the path of each stimulus below `top`.

        Raises:
            InputError: If there is none.
        """
        top = self.top
        found = [path.relative_to(top).as_posix() for path in files_below(top, self.suffixes, self._folders())]
        if not found:
            raise InputError(f"{top} holds no {self.word} ({', '.join(sorted(self.suffixes))}): correct data.root")
        return found

    def given(self, key: str) -> Path | None:
        """Return the path of a table or folder, None without it; refuse a name that a user chose and that is absent."""
        name, path = self.names[key], self._entries.get(key)
        if name is not None and path is None and Path(name).stem != key:
            raise InputError(f"data.{key}={name}: {self.root / name} is missing, correct the name")
        return path

    @cached_property
    def _entries(self) -> dict[str, Path | None]:
        """What is there of what `names` names, and of the folders that take a table's or the root's place."""
        named = {key: name for key, name in self.names.items() if name is not None}
        folders = ["fixations"] if named.get("fixations") == "fixations.csv" else []
        found = entries(self.root, [*named.values(), *folders])
        return {key: found[name] for key, name in named.items()} | {f"{name}/": found[name] for name in folders}

    def _folders(self) -> list[Path]:
        """Return the folders that hold something other than stimuli."""
        others = [key for key in self.names if key != f"{self.word}s"]
        return [path for key in others if (path := self.given(key)) is not None and path.is_dir()]

    def tables(self, key: str) -> list[Path]:
        """Return the tables of one kind: ``fixations`` may be a folder with one for each person.

        Raises:
            InputError: If there is both, or a folder without tables.
        """
        path, folder = self.given(key), self._entries.get(f"{key}/")
        if folder is not None and folder.is_dir():
            if path is not None:
                raise InputError(f"{path} and {folder} are both there: set data.{key}={key}, or take the folder away")
            path = folder
        if path is None or key in ("maps", "masks", f"{self.word}s"):
            return []
        if not path.is_dir():
            return [path]
        found = files_below(path, [".csv"])
        if not found and key != "splits":
            raise InputError(f"{path} holds no *.csv: put a table for each person there, or set data.{key}=null")
        return found

    def lists(self) -> list[Path]:
        """Return the lists of stimuli that are called as splits are, ``train.txt``; none where ``splits`` is null."""
        if self.names["splits"] is None:
            return []
        path = self.given("splits")
        folder = self.root if path is None or path.is_file() else path
        return [path for path in matching(folder, "*.txt") if pool_called(path.stem)]


def parts(sample: dict[str, Any], pools: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    """Yield what each split has of a sample whose people are divided: the gaze of its own people.

    Args:
        sample: A sample of a scan.
        pools: Split of each person, by number.
    """
    columns = [key for key, value in sample.items() if key in ("x", "y", "duration", "frame", "subject", "weight")]
    for split in dict.fromkeys(pools.values()):
        keep = [place for place, person in enumerate(sample.get("subject", ())) if pools[person] == split]
        if keep:
            own = {key: [sample[key][place] for place in keep] for key in columns}
            yield {**sample, **own, "split": split, "id": f"{sample['id']}@{split}"}
