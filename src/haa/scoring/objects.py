"""Scores of masks of salient objects, ``task=sos``: the measures that a run has, of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.metrics.functional import dice, iou, salient_objects
from haa.metrics.functional.object_sums import LEVELS
from haa.scoring.files import MapFile, resized
from haa.scoring.saliency import Scored, note_faults
from haa.scoring.scores import Metric
from haa.scoring.work import worked

MEASURES = {
    "s_measure": Metric("S", True),
    "f_max": Metric("F max", True),
    "e_max": Metric("E max", True),
    "f_weighted": Metric("F weighted", True),
    "mae": Metric("MAE", False),
    "f_mean": Metric("F mean", True),
    "f_adaptive": Metric("F adaptive", True),
    "e_mean": Metric("E mean", True),
    "e_adaptive": Metric("E adaptive", True),
    "dice": Metric("Dice", True),
    "iou": Metric("IoU", True),
}
"""Metrics by name, as it is in metrics.json."""
_CURVES = {"f_max": "f_curve", "e_max": "e_curve"}


def score_masks(
    dataset: GazeDataset,
    indices: Sequence[int],
    models: Mapping[str, Mapping[int, MapFile]],
    metrics: Sequence[str] = tuple(MEASURES),
    num_workers: int | None = None,
    skip: bool = False,
) -> Scored:
    """Score every model's masks against those of a data set.

    ``f_max`` and ``e_max`` are the greatest values of the set's mean curve, as the field reports them. The value of a
    sample is that of its own curve at the threshold that is best for the set: these are means over samples, too.

    Args:
        dataset: Data with masks.
        indices: Samples that are scored.
        models: For each model, its mask of each of these samples.
        metrics: Names of the metrics, of `MEASURES`.
        num_workers: Number of processes; see `haa.scoring.work.worked`.
        skip: Whether to go on where a mask is faulty.

    Raises:
        InputError: If the data have no masks, or a model's mask is faulty.
    """
    values = {name: np.full((len(indices), len(metrics)), np.nan) for name in models}
    curves = {name: np.full((len(indices), 2, LEVELS), np.nan) for name in models}
    scored = Scored(values, [], dict.fromkeys(models, 0))
    for place, found in enumerate(worked(_Work(dataset, indices, models), num_workers)):
        note_faults(scored, found.faults, skip)
        for name, (numbers, curve) in found.rows.items():
            values[name][place] = [numbers.get(metric, np.nan) for metric in metrics]
            curves[name][place] = curve
        for name in found.resized:
            scored.resized[name] += 1
    known = ~np.isnan(np.stack([curve[:, 0, 0] for curve in curves.values()])).any(0)
    for name in models if known.any() else ():
        for number, metric in enumerate(_CURVES):
            if metric in metrics:
                best = int(curves[name][known, number].mean(0).argmax())
                values[name][:, list(metrics).index(metric)] = curves[name][:, number, best]
    return scored


class _Found(NamedTuple):
    rows: dict[str, tuple[dict[str, float], NDArray[np.float64]]]
    faults: dict[str, str]
    resized: list[str]


class _Work(Dataset[_Found]):
    """Samples, each with the scores of all its masks."""

    def __init__(
        self, dataset: GazeDataset, indices: Sequence[int], models: Mapping[str, Mapping[int, MapFile]]
    ) -> None:
        self.dataset, self.indices, self.models = dataset, indices, models

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> _Found:
        index = self.indices[place]
        mask = self.dataset.record(index).get("mask")
        if mask is None:
            raise InputError(f"task=sos scores masks, and {type(self.dataset).__name__} has none: give data with masks")
        truth = torch.as_tensor(np.asarray(mask))[None]
        found = _Found({}, {}, [])
        for name, files in self.models.items():
            try:
                prediction, was_resized = read_mask_values(files[index], (truth.shape[1], truth.shape[2]))
            except InputError as error:
                found.faults[name] = str(error)
                continue
            found.rows[name] = _scores(prediction, truth)
            if was_resized:
                found.resized.append(name)
        return found


def read_mask_values(file: MapFile, size: tuple[int, int]) -> tuple[Tensor, bool]:
    """Return how salient each pixel is said to be ``(1, h, w)``, at the mask's size, and whether it had another.

    A picture of 8 bits of the mask's size stays as it is, as the field's evaluation code reads it. All else is in
    [0, 1].

    Raises:
        InputError: If it cannot be read, holds NaN, infinity or numbers outside [0, 1], or has another shape.
    """
    values = file.numbers()
    if values.shape == size and values.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(values))[None], False
    white = {"uint8": 255, "uint16": 65535}.get(values.dtype.name, 1)
    numbers = values.astype(np.float64) / white
    if not np.isfinite(numbers).all():
        raise InputError(f"{file} has values that are not finite: save numbers")
    if numbers.min() < 0 or numbers.max() > 1:
        raise InputError(
            f"{file} holds {numbers.min():g} to {numbers.max():g}: save 8 or 16 bits, or numbers in [0, 1]"
        )
    return resized(numbers, file, size), values.shape != size


def _scores(prediction: Tensor, truth: Tensor) -> tuple[dict[str, float], NDArray[np.float64]]:
    found = salient_objects(prediction, truth)
    numbers = {name: float(value) for name, value in found.items() if value.ndim == 1 and name not in _CURVES}
    probability = prediction.double() / 255 if prediction.dtype == torch.uint8 else prediction
    numbers |= {"dice": float(dice(probability, truth)), "iou": float(iou(probability, truth))}
    return numbers, torch.cat([found[name] for name in _CURVES.values()]).double().numpy()
