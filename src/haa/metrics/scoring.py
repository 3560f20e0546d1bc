"""Scoring a map where it counts: at the stimulus' own size, against the gaze that was recorded there."""

from __future__ import annotations

import inspect

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate
from torchmetrics import MetricCollection

from haa.batch import Batch, maps_of_stills, stills
from haa.gaze import Size, density, valid


def score(
    metrics: MetricCollection, maps: Float[Tensor, "b *t i j"], batch: Batch, sigma: float, log: bool = False
) -> dict[str, Float[Tensor, " b"]]:
    """Update map metrics with a batch of machine maps, each scored at the size of its stimulus.

    Every metric is given what its `update` asks for by name: ``prediction`` and either ``fixations`` or ``density``.
    A sample without gaze is NaN to all of them, so that each counts it as undefined. To a metric, each frame of a clip
    is a sample.

    Args:
        metrics: of `haa.metrics`.
        maps: at any resolution; resized bilinearly to ``batch["native_size"]`` where it is there, else to the image.
        batch: with ``fixations`` and, in evaluation splits, ``native_fixations``; or with ``density``.
        sigma: of the human density, as a share of the stimulus' longer side.
        log: the maps are log densities, which are resized as such and normalised again afterwards.

    Returns:
        The metrics' values per sample, by name; a clip's is the mean over the frames for which it is defined.
    """
    leading = maps.shape[:-2]
    maps, batch = maps_of_stills(maps, batch), stills(batch)
    sizes = _sizes(batch)
    columns = {str(name): maps.new_full((len(maps),), torch.nan) for name in metrics}
    for size in sorted(set(sizes)):
        rows = torch.tensor([i for i, s in enumerate(sizes) if s == size], device=maps.device)
        prediction = interpolate(maps[rows][:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]
        if log:
            prediction = prediction.flatten(1).softmax(1).view_as(prediction)
        given = {"prediction": prediction.detach(), **_human(batch, rows, size, sigma)}
        for name, metric in metrics.items():
            wanted = inspect.signature(metric.update).parameters
            metric.update(**{key: value for key, value in given.items() if key in wanted})
            values: Tensor = metric.values  # type: ignore[assignment]
            columns[name][rows] = values.to(maps.dtype)
    for name, metric in metrics.items():
        columns[str(name)] = columns[str(name)].view(*leading, -1).flatten(1).nanmean(1)
        metric.values = columns[str(name)]
    return columns


def _sizes(batch: Batch) -> list[Size]:
    height, width = batch["image"].shape[-2:]
    return [(int(h), int(w)) for h, w in batch.get("native_size", [(height, width)] * len(batch["image"]))]


def _human(batch: Batch, rows: Tensor, size: Size, sigma: float) -> dict[str, Tensor]:
    if "fixations" in batch:
        points = batch["native_fixations" if "native_fixations" in batch else "fixations"][rows]
        if "has_human" in batch:
            points = torch.where(batch["has_human"][rows][:, None, None], points, torch.nan)
        seen = valid(points, size).any(1)
        human = density(points, size, sigma * max(size))
        return {"fixations": points, "density": torch.where(seen[:, None, None], human, torch.nan)}
    human = interpolate(batch["density"][rows][:, None], size, mode="bilinear", align_corners=False)[:, 0]
    if "has_human" in batch:
        human = torch.where(batch["has_human"][rows][:, None, None], human, torch.nan)
    return {"density": human, "fixations": human.new_full((len(rows), 1, 2), torch.nan)}
