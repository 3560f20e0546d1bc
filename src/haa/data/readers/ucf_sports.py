"""UCF Sports with gaze: 150 clips of sports with the fixations of 16 people (Mathe and Sminchisescu 2015)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.listing import matching
from haa.data.index import Missing
from haa.data.readers.clips import ClipDataset, frame_folder, training_and_testing
from haa.data.splits import chosen_folds
from haa.errors import InputError

NAME = re.compile(r"(.+)-(\d+)")
VIEWS = re.compile(r"-(Front|Back|Side)$")


class UCFSports(ClipDataset):
    """Clips as redistributed with DHF1K: ``{training,testing}/<Class>-<number>/{images,fixation}/*.png``.

    ``fixation/<frame>.png`` is black but for fixated pixels: row and column are y and x. It does not say who looked;
    several people on one pixel count once. The sample's ``label`` is the class: the folder's name without its number
    and without the camera's side (``Golf-Swing-Back`` and ``Golf-Swing-Front`` are one class).

    The set itself has no official split. ``training`` and ``testing`` are the redistribution's, which work on saliency
    reports: 103 and 47 clips, as many as in the split of Lan, Wang and Mori (ICCV 2011) that work on actions uses
    (whether they are the same clips was not checked). ``folds=150`` with each ``fold`` in turn leaves one clip out, as
    the older papers on actions do; fewer folds are a cross-validation. Clips of one scene may then be in two splits.

    The authors' blur of fixation maps is 20 pixels, of videos whose sizes differ: there is no one share of the frame,
    and maps are scored at `haa.data.dataset.SIGMA`.

    Args:
        root: The folder that holds ``training`` and ``testing``.
        split: ``train``, ``val`` (taken from ``training``) or ``test`` (``testing``).
        frames, stride, missing, cache: See `haa.data.readers.clips.ClipDataset`.
        folds: Number of folds of a cross-validation over all clips, in the place of the two folders' split.
        fold: The fold that is the test split, from 0. The next one is validation.

    Raises:
        InputError: If a folder is missing or is not named so.

    Reference:
        S. Mathe, C. Sminchisescu. Actions in the Eye. PAMI 37(7), 2015. M. D. Rodriguez, J. Ahmed, M. Shah. Action
        MACH. CVPR 2008.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        frames: int = 16,
        stride: int = 4,
        missing: Missing = "raise",
        cache: str | Path | None = None,
        folds: int | None = None,
        fold: int = 0,
    ) -> None:
        self.folds = chosen_folds(folds, fold)
        super().__init__(root, split, frames, stride, missing, cache)

    def sources(self) -> Sequence[Path]:
        return matching(self.root, "*ing/*/*/")

    def scan(self) -> Iterable[dict[str, Any]]:
        videos = [
            (video, None if self.folds else split, _action(video)) for video, split in training_and_testing(self.root)
        ]
        self.classes = sorted({action for _, _, action in videos})
        for video, split, action in videos:
            label = self.classes.index(action)
            yield from self.clips(**frame_folder(video), name=video.name, split=split, label=label)


def _action(video: Path) -> str:
    name = NAME.fullmatch(video.name)
    if name is None:
        raise InputError(f"{video} is not named <Class>-<number>, as UCF Sports' videos are")
    return VIEWS.sub("", name[1])
