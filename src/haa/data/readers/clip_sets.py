"""Actions of Hollywood-2's videos, as the original data set's ``ClipSets`` lists them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.listing import matching
from haa.data.files.table import read_lines
from haa.data.index import Missing
from haa.data.readers.clips import ClipDataset
from haa.errors import InputError

SEVERAL, NONE = "video with several actions", "video without an action"
"""Kinds of what is left out."""

TOLD = dict.fromkeys((SEVERAL, NONE), "left out")
"""What is done about them (`haa.data.index.IndexedDataset.told`)."""


class ClipSets:
    """Folder with ``<Action>_train.txt`` and ``<Action>_test.txt``: the videos, each with 1 or -1 behind it.

    Args:
        folder: The folder. Scenes, which it lists as well, have no ``_train.txt`` and are not read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def lists(self) -> dict[str, list[Path]]:
        """The two lists of each action, by its name.

        Raises:
            InputError: If there are none.
        """
        names = [path.name.removesuffix("_train.txt") for path in matching(self.folder, "*_train.txt")]
        if not names:
            raise InputError(f"data.labels: {self.folder} holds no <Action>_train.txt: give the place of ClipSets")
        return {name: [self.folder / f"{name}_{part}.txt" for part in ("train", "test")] for name in names}

    @property
    def classes(self) -> list[str]:
        """Names of the actions."""
        return sorted(self.lists)

    @cached_property
    def _actions(self) -> dict[str, list[str]]:
        actions: dict[str, list[str]] = {}
        for action in self.classes:
            for where, line in (each for path in self.lists[action] for each in read_lines(path)):
                video, _, value = line.partition(" ")
                if value.strip() not in ("1", "-1"):
                    raise InputError(f"{where}: {line!r:.80} is no video with 1 or -1: fetch the file again")
                actions.setdefault(video, []).extend([action] if value.strip() == "1" else [])
        return actions

    def labelled(self, video: str, clips: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the clips of a video with its action as ``label``; a fault in their place unless it has one action.

        Raises:
            InputError: If a list is missing, or a line is no video with 1 or -1.
        """
        own = self._actions.get(video, [])
        if len(own) != 1:
            message = f"{video}: {', '.join(own) or 'no list has it with 1'}"
            yield {"fault": SEVERAL if own else NONE, "message": message}
            return
        label = self.classes.index(own[0])
        yield from ({**clip, "label": label} for clip in clips)


class ListedClips(ClipDataset):
    """Base of the readers of Hollywood-2's videos, whose actions ``ClipSets`` lists where it is given.

    Args:
        root, split, frames, stride, missing, cache: See `haa.data.readers.clips.ClipDataset`.
        labels: The folder ``ClipSets``, relative to ``root``; null reads no actions.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        frames: int = 16,
        stride: int = 4,
        missing: Missing = "raise",
        cache: str | Path | None = None,
        labels: str | None = None,
    ) -> None:
        self.labels = labels
        super().__init__(root, split, frames, stride, missing, cache)

    def told(self) -> dict[str, str]:
        return TOLD

    def sets(self) -> ClipSets | None:
        """Return the lists of actions, where there are any."""
        return None if self.labels is None else ClipSets(self.root / Path(self.labels).expanduser())

    def lists(self) -> list[Path]:
        """Return the files that list actions.

        Raises:
            InputError: If the folder holds none.
        """
        sets = self.sets()
        return [] if sets is None else [path for pair in sets.lists.values() for path in pair]
