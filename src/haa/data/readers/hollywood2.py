"""Hollywood-2 with gaze: clips of films, each shot with the fixations of 16 people (Mathe and Sminchisescu 2015)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.listing import matching
from haa.data.files.table import read_lines
from haa.data.index import Missing
from haa.data.readers.clips import ClipDataset, frame_folder, training_and_testing
from haa.errors import InputError

SHOT = re.compile(r"(actionclip(?:train|test)\d{5})_\d+")
"""Name of a shot: its video's name, and its number in that video."""

SEVERAL, NONE = "shot of a video with several actions", "shot of a video without an action"
"""Kinds of what is left out where labels are read."""


class Hollywood2(ClipDataset):
    """Shots as redistributed with DHF1K: ``{training,testing}/<shot>/images/*.png`` and ``fixation/*.png``.

    A folder is a shot, ``actionclip{train,test}<video>_<shot>``. Frames carry their number within the whole video, so
    they are taken in the order of their numbers and counted from the shot's first. ``fixation/<frame>.png`` is black
    but for fixated pixels: row and column are y and x. It does not say who looked, and several people on one pixel
    count once. All shots of a video share a split. Blurred saliency maps are not read.

    The redistribution has no labels of actions. The original data set's ``ClipSets`` has them: ``<Action>_train.txt``
    and ``<Action>_test.txt`` with the videos, each with 1 or -1 behind it. ``label`` is a video's action, and its shots
    share it. A video may have several actions, or (in no list) none: such videos are left out and counted, since
    task=action chooses one. So its figures are not those of papers, which report the mean average precision of twelve
    detectors on all videos.

    A quarter of this gaze is smooth pursuit of something that moves, not fixation.

    The authors' blur of fixation maps is 20 pixels, of videos whose sizes differ: there is no one share of the frame,
    and maps are scored at `haa.data.dataset.SIGMA`.

    Args:
        root: The folder that holds ``training`` and ``testing``.
        split: ``train``, ``val`` (taken from ``training``) or ``test`` (``testing``).
        frames, stride, missing, cache: See `haa.data.readers.clips.ClipDataset`.
        labels: Folder ``ClipSets`` of the original data set, absolute or relative to ``root``; None reads no labels.

    Raises:
        InputError: If a folder is missing or is not named so.

    Reference:
        S. Mathe, C. Sminchisescu. Actions in the Eye. PAMI 37(7), 2015. M. Marszalek, I. Laptev, C. Schmid. Actions in
        Context. CVPR 2009.
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
        return dict.fromkeys((SEVERAL, NONE), "left out")

    def sources(self) -> Sequence[Path]:
        lists = [path for pair in self._lists().values() for path in pair] if self.labels else []
        return [*matching(self.root, "*ing/*/*/"), *lists]

    def scan(self) -> Iterable[dict[str, Any]]:
        actions = self._actions() if self.labels else {}
        for shot, split in training_and_testing(self.root):
            name = SHOT.fullmatch(shot.name)
            if name is None:
                raise InputError(f"{shot} is not named actionclip<part><video>_<shot>, as Hollywood-2's shots are")
            named: dict[str, Any] = {"stimulus": name[1], "split": split}
            if self.labels:
                own = actions.get(name[1], [])
                if len(own) != 1:
                    message = f"{shot}: {', '.join(own) or 'no list has it'}"
                    yield {"fault": SEVERAL if own else NONE, "message": message}
                    continue
                named["label"] = self.classes.index(own[0])
            yield from self.clips(**frame_folder(shot), name=shot.name, **named)

    def _lists(self) -> dict[str, tuple[Path, Path]]:
        """Return the two lists of each action; scenes, which the folder lists as well, have no ``_train.txt``."""
        folder = self.root / Path(str(self.labels)).expanduser()
        found = {path.name.removesuffix("_train.txt"): path for path in matching(folder, "*_train.txt")}
        if not found:
            raise InputError(f"data.labels={self.labels}: {folder} holds no <Action>_train.txt: give ClipSets' place")
        return {action: (path, folder / f"{action}_test.txt") for action, path in found.items()}

    def _actions(self) -> dict[str, list[str]]:
        """Return the actions of each video, and set the classes."""
        lists = self._lists()
        self.classes = sorted(lists)
        actions: dict[str, list[str]] = {}
        for action in self.classes:
            for path in lists[action]:
                for where, line in read_lines(path):
                    video, _, value = line.partition(" ")
                    if value.strip() not in ("1", "-1"):
                        raise InputError(f"{where}: {line!r:.80} is no video with 1 or -1: fetch the file again")
                    own = actions.setdefault(video, [])
                    if value.strip() == "1":
                        own.append(action)
        return actions
