"""OSIE: 700 photos with the fixations of 15 people each (Xu et al. 2014)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from haa.data.dataset import Split
from haa.data.files.matlab import elements, read_mat, vector
from haa.data.index import IndexedDataset
from haa.errors import InputError

TWINS = {"1374.jpg": "1279.jpg"}
"""The same photo twice, in two files that differ: it goes where the other goes."""


class OSIE(IndexedDataset):
    """Object and Semantic Images and Eye-tracking: free viewing of 800 x 600 photos for three seconds.

    The files are read as they are published (github.com/NUS-VIP/predicting-human-gaze-beyond-pixels, MIT licence):
    ``eye/fixations.mat`` and ``stimuli/*.jpg``. Published coordinates count from 1, as Matlab does, and are turned into
    haa's pixels, which count from 0. Fixations keep their order, subject (1 to 15) and duration in milliseconds.

    The authors published no split. This one is fixed: file names are put in the order of the SHA-256 of the name. The
    first 2/7 are the test split (200 of 700), the next 1/14 validation (50), the others training (450). The photo that
    occurs twice counts once there, and its twin follows it.

    Args:
        root: The folder that holds ``eye`` and ``stimuli`` (the repository's ``data``).
        split: ``train``, ``val`` or ``test``.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If a file is missing or is not what its name says, or a fixation lies outside its image.

    Reference:
        J. Xu, M. Jiang, S. Wang, M. S. Kankanhalli, Q. Zhao. Predicting human gaze beyond pixels. Journal of Vision
        14(1):28, 2014.
    """

    shares: ClassVar[Mapping[Split, float]] = {"train": 9, "val": 1, "test": 4}

    sigma = 24 / 800
    """The Gaussian with which the authors blur fixation maps: 24 of 800 pixels."""

    def sources(self) -> Sequence[Path]:
        return [self._fixations()]

    def scan(self) -> Iterable[dict[str, Any]]:
        path = self._fixations()
        fixations = read_mat(path, "fixations", "OSIE's")
        try:
            entries = [(entry["img"], _gaze(elements(entry["subjects"]))) for entry in elements(fixations)]
            if any(type(name) is not str for name, _ in entries):
                raise TypeError
        except (KeyError, IndexError, TypeError, ValueError):
            raise InputError(
                f"{path} is not laid out as OSIE's, fixations{{i}}.img and .subjects{{j}}.fix_x, fix_y, fix_duration: "
                "fetch OSIE's own file"
            ) from None
        gaze = dict(entries)
        if len(gaze) < len(entries):
            twice = Counter(name for name, _ in entries).most_common(1)[0][0]
            raise InputError(f"{path} has {twice} twice: fetch OSIE's own file")
        for name in sorted(gaze):
            # the rule of the split takes the SHA-256 of this name, suffix and all
            stimulus = TWINS.get(name, name)
            yield {"id": Path(name).stem, "image": f"stimuli/{name}", "stimulus": stimulus, **gaze[name]}

    def stimulus(self, index: int) -> str:
        return Path(super().stimulus(index)).stem

    def _fixations(self) -> Path:
        return self.root / "eye" / "fixations.mat"


def _gaze(subjects: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return everybody's fixations on one image, person after person, counted from 0."""
    gaze: dict[str, list[Any]] = {key: [] for key in ("x", "y", "duration", "subject")}
    for number, subject in enumerate(subjects, start=1):
        # a single fixation loads as a scalar
        x, y, duration = (vector(subject[key]).astype(np.float32) for key in ("fix_x", "fix_y", "fix_duration"))
        if not len(x) == len(y) == len(duration):
            raise ValueError
        gaze["x"] += (x - 1).tolist()
        gaze["y"] += (y - 1).tolist()
        gaze["duration"] += duration.tolist()
        gaze["subject"] += [number] * len(x)
    return gaze
