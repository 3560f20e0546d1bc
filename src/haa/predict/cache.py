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

from haa.data.dataset import GazeDataset
from haa.disk import built_once
from haa.errors import InputError
from haa.gaze import Size
from haa.predict.predictor import Predictor, at_size
from haa.progress import progress

CELLS = 64
"""Height and width of a map that is kept as gaze, whatever the picture's shape."""


class PredictedMaps:
    """Densities of a saliency model for the pictures of a dataset, mapped from a folder of `predicted_maps`.

    Args:
        folder: Folder that holds ``maps.npy`` (n, cells, cells) and ``sizes.npy`` (n, 2).
        rows: Row of each sample.
    """

    def __init__(self, folder: Path, rows: list[int]) -> None:
        self.folder, self.rows = folder, rows
        self._maps = np.load(folder / "maps.npy", mmap_mode="r", allow_pickle=False)
        self._sizes = np.load(folder / "sizes.npy", allow_pickle=False)

    def map(self, index: int) -> Float[Tensor, "p q"]:
        """Return the density of sample ``index``, stretched to a square of `CELLS`."""
        return torch.from_numpy(self._maps[self.rows[index]].copy())

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
        InputError: If the checkpoint cannot be read or is of another task.
    """
    first_samples, rows = dataset.stimuli()
    key = [file_hash(path), dataset.fingerprint(), first_samples, CELLS]
    name = "gaze-" + hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]
    directory = Path(tempfile.mkdtemp(prefix="haa-") if directory is None else directory).expanduser()
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
    """Return the SHA-256 of a file.

    Raises:
        InputError: If it is not there.
    """
    if not Path(path).is_file():
        raise InputError(f"checkpoint={path} is not a file: give the path of a .ckpt that haa train wrote")
    with Path(path).open("rb") as file:
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


def _predict_all(predictor: Predictor, dataset: GazeDataset, indices: list[int], folder: Path, size: int) -> None:
    maps = np.lib.format.open_memmap(
        folder / "maps.npy", mode="w+", dtype=np.float32, shape=(len(indices), CELLS, CELLS)
    )
    sizes = np.zeros((len(indices), 2), dtype=np.int64)
    with progress() as bar:
        task = bar.add_task("predicting gaze", total=len(indices))
        for part in batches(enumerate(indices), size):
            images = [dataset[index]["image"] for _, index in part]
            for (row, _), image, found in zip(part, images, predictor(images), strict=True):
                maps[row] = at_size("saliency", found["saliency"], (CELLS, CELLS)).numpy()
                sizes[row] = image.shape[-2:]
            bar.update(task, advance=len(part))
    maps.flush()
    np.save(folder / "sizes.npy", sizes)
