"""MIT1003: free viewing of 1,003 photos by 15 people, three seconds each (Judd et al. 2009), without Matlab."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from haa.data.dataset import Split
from haa.data.files.image import read_map
from haa.data.files.matlab import elements, read_mat
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.eye_movements import detect_fixations
from haa.errors import InputError

RATE = 240.0
"""Samples a second of the eye tracker."""

PIXELS_PER_DEGREE = 35.0
"""Of visual angle, as the MIT saliency benchmark has it for this screen and distance."""

NAME = 63
"""Characters of a Matlab variable's name: longer ones are cut."""

Source = Literal["traces", "points"]


class MIT1003(IndexedDataset):
    """The recordings are raw samples of gaze, from which fixations have to be found; the authors' Matlab does it.

    ``source=traces`` reads ``DATA/<subject>/<image>.mat`` (240 samples a second; the variable is named as the file, cut
    at 63 characters) and finds fixations by `haa.data.readers.eye_movements.detect_fixations`: it has order, subject
    and duration, and is not the authors' ``checkFixations``, so numbers differ a little from those found with that. The
    first fixation, which is where the cross before the picture was, is dropped, as the authors do; where it lies
    outside the picture, only that one is missing. Samples with a negative coordinate are blinks.

    ``source=points`` reads ``ALLFIXATIONMAPS/<image>_fixPts.jpg``, the authors' own fixations as white pixels of a
    JPEG: bright pixels that no neighbour exceeds. No subject, order or duration, and pixels fixated twice count once.

    Coordinates of traces are Matlab's, which count from 1, since the authors' code indexes the picture with them.
    Fixations outside the picture are left out and counted. There is no published split: `haa.data.splits`.

    Args:
        root: the folder that holds ``ALLSTIMULI`` and ``DATA`` or ``ALLFIXATIONMAPS``.
        split: ``train``, ``val`` or ``test``.
        source: ``traces`` or ``points``.
        first_fixation: keep the first fixation of a trace.
        missing, cache: see `haa.data.index.IndexedDataset`.

    Raises:
        InputError: if a file is missing or is not laid out so.

    Reference:
        T. Judd, K. Ehinger, F. Durand, A. Torralba. Learning to Predict Where Humans Look. ICCV 2009.
    """

    outside = "drop"

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        source: Source = "traces",
        first_fixation: bool = False,
        missing: Missing = "raise",
        cache: str | Path | None = None,
    ) -> None:
        if source not in get_args(Source):
            raise InputError(f"data.source={source}: choose traces or points")
        self.source, self.first_fixation = source, first_fixation
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        folders = self._subjects() if self.source == "traces" else [self._maps()]
        return [self.root / "ALLSTIMULI", *(path for folder in folders for path in folder.glob("*.*"))]

    def scan(self) -> Iterable[dict[str, Any]]:
        images = sorted((self.root / "ALLSTIMULI").glob("*.jpeg"))
        if not images:
            raise InputError(f"{self.root}/ALLSTIMULI holds no *.jpeg: data.root must be the folder that holds it")
        for image in images:
            gaze = self._traces(image.stem) if self.source == "traces" else self._points(image.stem)
            yield {"id": image.stem, "image": f"ALLSTIMULI/{image.name}", **gaze}

    def _subjects(self) -> list[Path]:
        folders = sorted(path for path in self.root.glob("DATA/*") if path.is_dir())
        if not folders:
            raise InputError(
                f"{self.root}/DATA has no subjects' folders: fetch DATA.zip, or take the published points with "
                "data.source=points"
            )
        return folders

    def _maps(self) -> Path:
        folder = self.root / "ALLFIXATIONMAPS"
        if not folder.is_dir():
            raise InputError(f"{folder} is missing: fetch ALLFIXATIONMAPS.zip, or set data.source=traces")
        return folder

    def _traces(self, stem: str) -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {key: [] for key in ("x", "y", "duration", "subject")}
        for number, folder in enumerate(self._subjects(), start=1):
            trace = _trace(folder / f"{stem}.mat", stem[:NAME])
            found = detect_fixations(trace, RATE, PIXELS_PER_DEGREE)[0 if self.first_fixation else 1 :]
            out["x"] += [f.x - 1 for f in found]
            out["y"] += [f.y - 1 for f in found]
            out["duration"] += [f.duration for f in found]
            out["subject"] += [number] * len(found)
        return out

    def _points(self, stem: str) -> dict[str, list[Any]]:
        rows, columns = np.nonzero(peaks(read_map(self._maps() / f"{stem}_fixPts.jpg").numpy()))
        return {"x": columns.tolist(), "y": rows.tolist()}


def peaks(points: np.ndarray, threshold: int = 128) -> np.ndarray:
    """The white pixels of a binary image that was saved as JPEG: bright, and no neighbour is brighter.

    JPEG rings around a lone white pixel and dims it, so that a threshold alone finds none of it, or several. Two
    adjacent fixations may come out as one.

    Args:
        points: ``(h, w)`` uint8.
        threshold: the least brightness.

    Example:
        >>> peaks(np.array([[0, 90, 250], [10, 130, 140]]))
        array([[False, False,  True],
               [False, False, False]])
    """
    padded = np.pad(points.astype(np.int32), 1, constant_values=-1)
    h, w = points.shape
    around = [padded[i : i + h, j : j + w] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return (points >= threshold) & (points >= np.max(around, axis=0))


def _trace(path: Path, name: str) -> np.ndarray:
    struct = read_mat(path, name, "MIT1003's")
    try:
        trace = np.asarray(elements(struct["DATA"])[0]["eyeData"], dtype=np.float64)
        trace = trace.reshape(len(trace), -1) if trace.ndim > 1 else trace.reshape(1, -1)
        trace = trace[:, :2]
        if trace.shape[1] != 2:
            raise ValueError
    except (KeyError, IndexError, TypeError, ValueError):
        raise InputError(f"{path} is not laid out as MIT1003's, {name}.DATA(1).eyeData: fetch it again") from None
    # the authors mark blinks by negative coordinates
    return np.where((trace < 0).any(1, keepdims=True), np.nan, trace)
