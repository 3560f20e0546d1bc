"""Gaze that a saliency model predicts for a data set's pictures: once, then read from disk."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from haa import exported
from haa.data.dataset import GazeDataset
from haa.data.files.picture import RULES
from haa.disk import built_once
from haa.disk.stored import Rows, RowWriter
from haa.errors import InputError, reading, writing
from haa.gaze import Size
from haa.predict.predictor import Predictor, at_size
from haa.printing.progress import progress

FORMAT = 2
"""Raised whenever the files of a cache are laid out anew, so that an old one is not read."""

CELLS = 64
"""Height and width of a map that is kept as gaze, whatever the picture's shape."""


class PredictedMaps:
    """Densities of a saliency model for the pictures of a dataset, mapped from a folder of `predicted_maps`.

    Args:
        folder: Folder that holds ``maps.npy`` (n, cells, cells) and ``sizes.npy`` (n, 2).
        rows: Row of each sample.

    Raises:
        InputError: If a file is damaged, or where a row is read that has changed since it was written.
    """

    def __init__(self, folder: Path, rows: list[int]) -> None:
        self.folder, self.rows = folder, rows
        self._maps, self._sizes = Rows(folder / "maps.npy"), Rows(folder / "sizes.npy")

    def map(self, index: int) -> Float[Tensor, "p q"]:
        """Return the density of sample ``index``, stretched to a square of `CELLS`."""
        return torch.from_numpy(self._maps[self.rows[index]])

    def size(self, index: int) -> Size:
        """Return (height, width) of the picture of sample ``index``."""
        height, width = self._sizes[self.rows[index]].tolist()
        return height, width

    def __reduce__(self) -> Any:
        # a worker maps the file itself: a pickled memory map would be a copy of the whole
        return PredictedMaps, (self.folder, self.rows)


def predicted_maps(
    path: str | Path, dataset: GazeDataset, directory: str | Path | None, batch_size: int = 16
) -> PredictedMaps:
    """Return what a saliency checkpoint predicts for every picture of a dataset.

    The maps are predicted once and then read from disk. The cache is named by a hash of the checkpoint's bytes, the
    dataset's fingerprint and which pictures these are. Samples that share a picture share a row.

    Args:
        path: A checkpoint of task=saliency.
        dataset: One split.
        directory: Folder that holds one folder per cache; None keeps the maps for this process alone.
        batch_size: Number of pictures in memory at a time.

    Raises:
        InputError: If the checkpoint cannot be read or is of another task, the disk refuses the maps, or those that are
            there are damaged.
    """
    if len(dataset) and "clip" in dataset[0]:
        raise InputError(
            f"{type(dataset).__name__} has clips, and gaze is predicted for pictures: give condition=human, or a "
            "folder of frames as pictures"
        )
    first_samples, rows = dataset.stimuli()
    key = [FORMAT, RULES, file_hash(path), dataset.fingerprint(), first_samples, CELLS]
    name = "gaze-" + hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]
    directory = _own_folder() if directory is None else Path(directory).expanduser()
    with built_once(directory / name) as partial:
        if partial is not None:
            predictor = Predictor(path, question="?")
            if not predictor.predicts_gaze:
                raise InputError(
                    f"checkpoint={path} is of task={predictor.task}: gaze is predicted by a checkpoint of task=saliency"
                )
            _predict_all(predictor, dataset, first_samples, partial, batch_size)
    return PredictedMaps(directory / name, rows)


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a checkpoint's file; of an export that of its note, which has the model's.

    Raises:
        InputError: If it is not there, or cannot be read.
    """
    path = Path(path) / exported.NOTE if exported.is_export(path) else path
    if not Path(path).is_file():
        raise InputError(f"checkpoint={path} is not a file: give the path of a .ckpt that haa train wrote")
    with reading(path), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of up to ``size`` items.

    Example:
        >>> list(batches("abc", 2))
        [['a', 'b'], ['c']]
    """
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


def _own_folder() -> Path:
    with writing(tempfile.gettempdir()):
        return Path(tempfile.mkdtemp(prefix="haa-"))


def _predict_all(predictor: Predictor, dataset: GazeDataset, indices: list[int], folder: Path, size: int) -> None:
    with (
        RowWriter(folder / "maps.npy", len(indices), (CELLS, CELLS), np.float32) as maps,
        RowWriter(folder / "sizes.npy", len(indices), (2,), np.int64) as sizes,
        progress() as bar,
    ):
        task = bar.add_task("predicting gaze", total=len(indices))
        for part in batches(indices, size):
            images = [dataset[index]["image"] for index in part]
            found = [at_size("saliency", one["saliency"], (CELLS, CELLS)) for one in predictor(images)]
            maps.append(torch.stack(found).numpy())
            sizes.append(np.array([image.shape[-2:] for image in images]))
            bar.update(task, advance=len(part))
