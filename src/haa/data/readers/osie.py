"""OSIE: 700 photos with the fixations of 15 people each (Xu et al. 2014)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from haa.data import splits
from haa.data.dataset import GazeDataset, Split
from haa.data.files.image import image_size, read_image
from haa.data.files.matlab import elements, read_mat
from haa.errors import InputError
from haa.gaze import Gaze, Size, valid

SHARES: Mapping[Split, float] = {"train": 9, "val": 1, "test": 4}

TWINS = {"1374.jpg": "1279.jpg"}
"""The same photo twice: it goes where the other goes."""


class OSIE(GazeDataset):
    """Object and Semantic Images and Eye-tracking: free viewing of 800 x 600 photos for three seconds.

    The files are read as they are published (github.com/NUS-VIP/predicting-human-gaze-beyond-pixels, MIT licence):
    ``eye/fixations.mat`` and ``stimuli/*.jpg``. Published coordinates count from 1, as Matlab does, and are turned into
    haa's pixels, which count from 0. Fixations keep their order, subject (1 to 15) and duration in milliseconds.

    The authors published no split. This one is fixed: file names are put in the order of the SHA-256 of the name; the
    first 2/7 are the test split (200 of 700), the next 1/14 validation (50), the others training (450). The photo that
    occurs twice counts once there, and its twin follows it.

    Args:
        root: the folder that holds ``eye`` and ``stimuli`` (the repository's ``data``).
        split: ``train``, ``val`` or ``test``.

    Raises:
        InputError: if a file is missing or is not what its name says, or a fixation lies outside its image.

    Reference:
        J. Xu, M. Jiang, S. Wang, M. S. Kankanhalli, Q. Zhao. Predicting human gaze beyond pixels. Journal of Vision
        14(1):28, 2014.
    """

    sigma = 24.0
    """Standard deviation in pixels of the Gaussian with which the authors blur fixation maps."""

    def __init__(self, root: str | Path, split: Split = "train") -> None:
        if split not in get_args(Split):
            raise InputError(f"OSIE has no split {split!r}: choose one of {', '.join(get_args(Split))}")
        self.root = Path(root).expanduser()
        self.split = split
        scanpaths = _read_fixations(self.root)
        self._names = [name for name, part in sorted(assign_splits(list(scanpaths)).items()) if part == split]
        self._gaze = [_gaze(self._path(n), scanpaths[n], image_size(self._path(n))) for n in self._names]

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.record(index), "image": read_image(self._path(self._names[index]))}

    def record(self, index: int) -> dict[str, Any]:
        return {"id": Path(self._names[index]).stem, "gaze": self.gaze(index)}

    def gaze(self, index: int) -> Gaze | None:
        return self._gaze[index]

    def stimulus(self, index: int) -> str:
        name = self._names[index]
        return Path(TWINS.get(name, name)).stem

    def fingerprint(self) -> str:
        # names, sizes and times, not 60 MB of bytes: enough to notice a replaced file
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in map(self._path, self._names)]
        return hashlib.sha256(json.dumps([type(self).__qualname__, stats]).encode()).hexdigest()

    def _path(self, name: str) -> Path:
        return self.root / "stimuli" / name


def assign_splits(names: Sequence[str]) -> dict[str, Split]:
    """The split of each image by the rule that `OSIE` states.

    Example:
        >>> by_name = assign_splits([f"{n}.jpg" for n in range(1001, 1701)])
        >>> [sum(split == part for split in by_name.values()) for part in ("train", "val", "test")]
        [450, 50, 200]
        >>> by_name["1279.jpg"] == by_name["1374.jpg"]
        True
    """
    present = set(names)
    pictures = [TWINS[name] if TWINS.get(name) in present else name for name in names]
    return dict(zip(names, splits.assign_splits(pictures, [None] * len(names), shares=SHARES), strict=True))


Scanpath = tuple[np.ndarray, np.ndarray, np.ndarray]
"""One person's fixations as published: x, y, duration."""


def _read_fixations(root: Path) -> dict[str, list[Scanpath]]:
    if not root.is_dir():
        raise InputError(f"data.root={root} does not exist: give the folder that holds eye/ and stimuli/")
    path = root / "eye" / "fixations.mat"
    if not path.is_file():
        raise InputError(f"{path} is missing: data.root must be the folder that holds eye/fixations.mat and stimuli/")
    fixations = read_mat(path, "fixations", "OSIE's")
    try:
        return {str(entry["img"]): [_scanpath(s) for s in elements(entry["subjects"])] for entry in elements(fixations)}
    except (KeyError, IndexError, TypeError, ValueError):
        raise InputError(
            f"{path} is not laid out as OSIE's, fixations{{i}}.img and .subjects{{j}}.fix_x, fix_y, fix_duration: "
            "fetch OSIE's own file"
        ) from None


def _scanpath(subject: dict[str, Any]) -> Scanpath:
    # a single fixation loads as a scalar
    x, y, duration = (np.atleast_1d(subject[key]).astype(np.float32) for key in ("fix_x", "fix_y", "fix_duration"))
    if not x.shape == y.shape == duration.shape or x.ndim != 1:
        raise ValueError
    return x, y, duration


def _gaze(path: Path, scanpaths: list[Scanpath], size: Size) -> Gaze | None:
    if not sum(len(x) for x, _, _ in scanpaths):
        return None
    x, y, duration = (torch.from_numpy(np.concatenate(column)) for column in zip(*scanpaths, strict=True))
    subject = torch.repeat_interleave(
        torch.arange(1, len(scanpaths) + 1), torch.tensor([len(path[0]) for path in scanpaths])
    )
    points = torch.stack([x, y], dim=1) - 1
    outside = (~valid(points, size)).nonzero()
    if len(outside):
        first = int(outside[0])
        raise InputError(
            f"eye/fixations.mat: subject {int(subject[first])} looks at x={x[first]:g}, y={y[first]:g} (from 1), "
            f"outside {path} of {size[1]} x {size[0]} pixels ({len(outside)} such fixations): fetch both again"
        )
    return Gaze(points, size, subject, duration)
