"""MIT1003: free viewing of 1,003 photos by 15 people, three seconds each (Judd et al. 2009), without Matlab."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from haa.data.dataset import Split
from haa.data.files.image import read_map
from haa.data.files.listing import matching
from haa.data.files.matlab import elements, matrix, read_mat
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.eye_movements import detect_fixations
from haa.errors import InputError

RATE = 240.0
"""Samples a second of the eye tracker."""

PIXELS_PER_DEGREE = 35.0
"""Pixels in a degree of visual angle, as the MIT saliency benchmark has it for this screen and distance."""

NAME = 63
"""Greatest length of a Matlab variable's name, in characters: longer names are cut."""

Source = Literal["traces", "points"]


class MIT1003(IndexedDataset):
    """Photos with raw samples of gaze, in which fixations are detected, or with the authors' own fixations.

    ``source=traces`` reads ``DATA/<subject>/<image>.mat``: 240 samples a second, in a variable that is named as the
    file, cut at 63 characters. `haa.data.readers.eye_movements.detect_fixations` finds the fixations, with order,
    subject and duration. It is not the authors' ``checkFixations`` (in Matlab), so numbers differ a little from theirs.
    The first fixation is dropped, as the authors do, because it is where the cross before the picture was; where it
    lies outside the picture, it alone is missing. Samples with a negative coordinate are blinks.

    ``source=points`` reads ``ALLFIXATIONMAPS/<image>_fixPts.jpg``, which holds the authors' own fixations as white
    pixels of a JPEG: bright pixels that no neighbour exceeds. They have no subject, order or duration, and a pixel that
    was fixated twice counts once.

    Coordinates of traces are Matlab's and count from 1, because the authors' code indexes the picture with them.
    Fixations outside the picture are left out and counted. There is no published split: `haa.data.splits` divides the
    photos.

    Args:
        root: The folder that holds ``ALLSTIMULI`` and ``DATA`` or ``ALLFIXATIONMAPS``.
        split: ``train``, ``val`` or ``test``.
        source: What to read, ``traces`` or ``points``.
        first_fixation: Whether to keep the first fixation of a trace.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If a file is missing or is not laid out so.

    Reference:
        T. Judd, K. Ehinger, F. Durand, A. Torralba. Learning to Predict Where Humans Look. ICCV 2009.
    """

    outside = "drop"

    sigma = PIXELS_PER_DEGREE / 1024
    """A degree of visual angle: 35 pixels, of pictures whose longer side has 1,024."""

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
        return [self.root / "ALLSTIMULI", *(path for folder in folders for path in matching(folder, "*.*"))]

    def scan(self) -> Iterable[dict[str, Any]]:
        images = matching(self.root / "ALLSTIMULI", "*.jpeg")
        if not images:
            raise InputError(f"{self.root}/ALLSTIMULI holds no *.jpeg: data.root must be the folder that holds it")
        for image in images:
            gaze = self._traces(image.stem) if self.source == "traces" else self._points(image.stem)
            yield {"id": image.stem, "image": f"ALLSTIMULI/{image.name}", **gaze}

    def _subjects(self) -> list[Path]:
        folders = [path for path in matching(self.root, "DATA/*") if path.is_dir()]
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
        gaze: dict[str, list[Any]] = {key: [] for key in ("x", "y", "duration", "subject")}
        for number, folder in enumerate(self._subjects(), start=1):
            trace = _trace(folder / f"{stem}.mat", stem[:NAME])
            fixations = detect_fixations(trace, RATE, PIXELS_PER_DEGREE)[0 if self.first_fixation else 1 :]
            gaze["x"] += [fixation.x - 1 for fixation in fixations]
            gaze["y"] += [fixation.y - 1 for fixation in fixations]
            gaze["duration"] += [fixation.duration for fixation in fixations]
            gaze["subject"] += [number] * len(fixations)
        return gaze

    def _points(self, stem: str) -> dict[str, list[Any]]:
        rows, columns = np.nonzero(peaks(read_map(self._maps() / f"{stem}_fixPts.jpg").numpy()))
        return {"x": columns.tolist(), "y": rows.tolist()}


def peaks(points: np.ndarray, threshold: int = 128) -> np.ndarray:
    """Return where a binary image that was saved as JPEG is white: bright pixels without a brighter neighbour.

    JPEG dims a lone white pixel and makes rings around it, so that a threshold alone finds no pixel for it, or several.
    Two adjacent fixations may come out as one.

    Args:
        points: Grey values of the image, ``(h, w)``, uint8.
        threshold: Least brightness of a white pixel.

    Example:
        >>> peaks(np.array([[0, 90, 250], [10, 130, 140]]))
        array([[False, False,  True],
               [False, False, False]])
    """
    padded = np.pad(points.astype(np.int32), 1, constant_values=-1)
    h, w = points.shape
    neighbours = [padded[i : i + h, j : j + w] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return (points >= threshold) & (points >= np.max(neighbours, axis=0))


def _trace(path: Path, name: str) -> np.ndarray:
    struct = read_mat(path, name, "MIT1003's")
    try:
        trace = np.asarray(elements(struct["DATA"])[0]["eyeData"])
        trace = matrix(trace, trace.shape[-1])[:, :2]
        if trace.shape[1] != 2:
            raise ValueError
    except (KeyError, IndexError, TypeError, ValueError):
        raise InputError(f"{path} is not laid out as MIT1003's, {name}.DATA(1).eyeData: fetch it again") from None
    # the authors mark blinks by negative coordinates
    return np.where((trace < 0).any(1, keepdims=True), np.nan, trace)
