"""Hollywood-2 with gaze: clips of films, each shot with the fixations of 16 people (Mathe and Sminchisescu 2015)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.files.listing import matching
from haa.data.readers.clip_sets import ListedClips
from haa.data.readers.clips import frame_folder, training_and_testing
from haa.errors import InputError

SHOT = re.compile(r"(actionclip(?:train|test)\d{5})_\d+")
"""Name of a shot: its video's name, and its number in that video."""


class Hollywood2(ListedClips):
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

    def sources(self) -> Sequence[Path]:
        return [*matching(self.root, "*ing/*/*/"), *self.lists()]

    def scan(self) -> Iterable[dict[str, Any]]:
        sets = self.sets()
        if sets is not None:
            self.classes = sets.classes
        for shot, split in training_and_testing(self.root):
            name = SHOT.fullmatch(shot.name)
            if name is None:
                raise InputError(f"{shot} is not named actionclip<part><video>_<shot>, as Hollywood-2's shots are")
            clips = self.clips(**frame_folder(shot), name=shot.name, stimulus=name[1], split=split)
            yield from clips if sets is None else sets.labelled(name[1], clips)
