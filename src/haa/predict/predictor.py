"""Maps for pictures from a checkpoint: for a folder of images, and as gaze for data that have none."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float, UInt8
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.functional import interpolate

from haa import build, checkpoint
from haa.batch import in_unit_range
from haa.data.dataset import GazeDataset
from haa.data.loading.transforms import Transform
from haa.errors import InputError
from haa.gaze import Size
from haa.tasks.saliency import Saliency
from haa.tasks.vqa import VQA

CELLS = 64
"""Height and width of a map that is kept as gaze, whatever the picture's shape."""


class Predictor:
    """Where the model of a checkpoint looks at pictures and, of a saliency model, where it predicts people to look.

    Args:
        path: a checkpoint that `haa train` wrote; pictures are brought to the size at which it was trained.
        question: asked of every picture, which a VQA model cannot do without.
        device: to run on; None takes an accelerator where there is one.
        trust: further packages whose targets the checkpoint's config may call.

    Raises:
        InputError: if the checkpoint cannot be read, or its model cannot look at a picture alone.
    """

    def __init__(
        self, path: str | Path, question: str | None = None, device: str | None = None, trust: Sequence[str] = ()
    ) -> None:
        with torch.random.fork_rng(
            devices=[]
        ):  # weights are drawn before they are read: a training run does not notice
            self.module, cfg = checkpoint.load(path, trust)
        if self.module.oracle:
            raise InputError(
                f"checkpoint={path} is an oracle, which is told where people look and has no map of its own"
            )
        if isinstance(self.module, VQA) and not question:
            raise InputError(
                f"checkpoint={path} answers questions and looks where the question is about: give question='what ...?'"
            )
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        self.device = torch.device(device) if device else accelerator or torch.device("cpu")
        self.module.to(self.device).eval()
        self.transform: Transform = build.make(cfg.loader.transform)
        self.question = question
        self.predicts_gaze = isinstance(self.module, Saliency)
        self.task: str = cfg.task.name

    def __call__(self, images: Sequence[UInt8[Tensor, "3 _ _"]]) -> list[dict[str, Tensor]]:
        """The maps of some pictures, each on the model's own grid.

        Returns:
            For each picture ``attention`` (i, j), where the model has one, and ``saliency`` (p, q), a log-density in
            nats, where it is a saliency model.
        """
        small = [self.transform({"image": image})["image"] for image in images]
        found: list[dict[str, Tensor]] = [{} for _ in images]
        for shape in dict.fromkeys(tuple(image.shape) for image in small):
            rows = [row for row, image in enumerate(small) if tuple(image.shape) == shape]
            for row, maps in zip(rows, self._look(torch.stack([small[row] for row in rows])), strict=True):
                found[row] = maps
        return found

    @torch.inference_mode()
    def _look(self, images: Tensor) -> list[dict[str, Tensor]]:
        count = len(images)
        batch: Any = {"image": images.to(self.device), "id": [str(i) for i in range(count)]}
        # nobody looked and nothing is asked for; a step that computes a loss finds a target that means nothing
        batch |= {"question": [self.question or ""] * count, "answers": [[""]] * count, "captions": [[""]] * count}
        batch["label"] = torch.zeros(count, dtype=torch.long, device=self.device)
        batch["mask"] = torch.zeros(count, *images.shape[2:], dtype=torch.uint8, device=self.device)
        output = self.module.look(in_unit_range(batch))
        maps: list[dict[str, Tensor]] = [{} for _ in range(count)]
        for row, into in enumerate(maps):
            if self.predicts_gaze:
                into["saliency"] = output.prediction[row].float().cpu()
            if output.attention is not None:
                into["attention"] = output.attention[row].float().cpu()
        if not any(maps):
            raise InputError(f"the model of this {self.task} checkpoint has neither a saliency map nor attention")
        return maps


def at_size(kind: str, values: Float[Tensor, "p q"], size: Size) -> Float[Tensor, "h w"]:
    """A map of `Predictor` as a density at another size; a log-density is resized as such, as in `haa.metrics.scoring`.

    Example:
        >>> at_size("saliency", torch.tensor([[0.25, 0.75]]).log(), (1, 2))
        tensor([[0.2500, 0.7500]])
        >>> at_size("attention", torch.tensor([[2.0, 6.0]]), (1, 2))
        tensor([[0.2500, 0.7500]])
    """
    resized = interpolate(values[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    if kind == "saliency":
        return resized.flatten().softmax(0).view(size)
    return resized / resized.sum().clamp_min(torch.finfo(resized.dtype).tiny)


class PredictedMaps:
    """A saliency model's densities for the pictures of a dataset, mapped from a folder of `predicted_maps`.

    Args:
        folder: holds ``maps.npy`` (n, cells, cells) and ``sizes.npy`` (n, 2).
        rows: the row of each sample.
    """

    def __init__(self, folder: Path, rows: list[int]) -> None:
        self.folder, self.rows = folder, rows
        self._maps = np.load(folder / "maps.npy", mmap_mode="r", allow_pickle=False)
        self._sizes = np.load(folder / "sizes.npy", allow_pickle=False)

    def map(self, index: int) -> Float[Tensor, "p q"]:
        """The density of sample ``index``, stretched to a square of `CELLS`."""
        return torch.from_numpy(self._maps[self.rows[index]].copy())

    def size(self, index: int) -> Size:
        """(height, width) of its picture."""
        height, width = self._sizes[self.rows[index]].tolist()
        return height, width

    def __reduce__(self) -> Any:
        # a worker maps the file itself: a pickled memory map would be a copy of the whole
        return PredictedMaps, (self.folder, self.rows)


def predicted_maps(
    path: str | Path, dataset: GazeDataset, directory: str | Path | None, batch_size: int = 16
) -> PredictedMaps:
    """What a saliency checkpoint predicts for every picture of a dataset: once, then read from disk.

    The cache is named by a hash of the checkpoint's bytes, the dataset's fingerprint and which pictures these are; it
    is written beside and renamed when it is complete. Samples that share a picture share a row.

    Args:
        path: a checkpoint of task=saliency.
        dataset: one split.
        directory: holds one folder per cache; None keeps the maps for this process alone.
        batch_size: pictures in memory at a time.

    Raises:
        InputError: if the checkpoint cannot be read or is of another task.
    """
    first: dict[str, int] = {}
    for index in range(len(dataset)):
        first.setdefault(dataset.stimulus(index), index)
    numbers = {name: row for row, name in enumerate(first)}
    rows = [numbers[dataset.stimulus(index)] for index in range(len(dataset))]
    key = [file_hash(path), dataset.fingerprint(), list(first.values()), CELLS]
    name = "gaze-" + hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]
    place = Path(tempfile.mkdtemp(prefix="haa-")) if directory is None else Path(directory).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    folder = place / name
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            predictor = Predictor(path, question="?")
            if not predictor.predicts_gaze:
                raise InputError(
                    f"checkpoint={path} is of task={predictor.task}: gaze is predicted by a checkpoint of task=saliency"
                )
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            _predict_all(predictor, dataset, list(first.values()), partial, batch_size)
            partial.rename(folder)
    return PredictedMaps(folder, rows)


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file.

    Raises:
        InputError: if it is not there.
    """
    if not Path(path).is_file():
        raise InputError(f"checkpoint={path} is not a file: give the path of a .ckpt that haa train wrote")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def progress() -> Progress:
    """The bar that is shown while pictures are looked at."""
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of up to ``size`` items.

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
