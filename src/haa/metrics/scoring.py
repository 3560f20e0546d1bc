"""Scoring a map where it counts: at the stimulus' own size, against the gaze that was recorded there."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import MetricCollection

from haa.batch import Batch, human_maps, image_size, maps_of_stills, stills, where_human
from haa.gaze import Size, in_full
from haa.geometry.extent import WHOLE, Extent, on_picture
from haa.geometry.to_device import to_device


def score(
    metrics: MetricCollection,
    maps: Float[Tensor, "b *t i j"],
    batch: Batch,
    sigma: float,
    log: bool = False,
    extent: Extent = WHOLE,
    human: dict[Size, dict[str, Tensor]] | None = None,
) -> dict[str, Float[Tensor, " b"]]:
    """Update map metrics with a batch of machine maps, each scored at the size of its stimulus.

    Every metric is given what its `update` asks for by name: ``prediction`` and either ``fixations`` or ``density``.
    A sample without gaze is NaN to all of them, so that each counts it as undefined. To a metric, each frame of a clip
    is a sample.

    Args:
        metrics: Metrics of `haa.metrics` that have a value per sample.
        maps: Machine maps at any resolution; they are resized bilinearly to ``batch["native_size"]`` where it is there,
            else to the image.
        batch: Batch with ``fixations`` and, in evaluation splits, ``native_fixations``; or with ``density``.
        sigma: Standard deviation of the human density, as a share of the stimulus' longer side.
        log: Whether the maps are log densities, which are resized as such and normalised again afterwards.
        extent: Where the cells of the maps lie in the picture.
        human: Fixations and human maps of the batch by size of the stimuli, filled here: whoever scores several maps of
            one batch gives the same dict, so that they are made once.

    Returns:
        The metrics' values per sample, by name; a clip's is the mean over the frames for which it is defined.
    """
    human = {} if human is None else human
    leading = maps.shape[:-2]
    maps, batch = maps_of_stills(maps, batch), stills(batch)
    sizes = [(int(h), int(w)) for h, w in batch.get("native_size", [image_size(batch)] * len(maps))]
    columns = {str(name): maps.new_full((len(maps),), torch.nan, dtype=in_full(maps).dtype) for name in metrics}
    for size in sorted(set(sizes)):
        rows = to_device(torch.tensor([i for i, s in enumerate(sizes) if s == size]), maps.device)
        prediction = on_picture(maps[rows].float(), size, extent)
        if log:
            prediction = prediction.flatten(1).softmax(1).view_as(prediction)
        if size not in human:
            human[size] = _human(batch, rows, size, sigma)
        inputs = {"prediction": prediction.detach(), **human[size]}
        for name, metric in metrics.items():
            wanted = inspect.signature(metric.update).parameters
            metric.update(**{key: value for key, value in inputs.items() if key in wanted})
            values: Tensor = metric.values  # type: ignore[assignment]
            columns[str(name)][rows] = values.to(in_full(maps).dtype)
    return {name: values.view(*leading, -1).flatten(1).nanmean(1) for name, values in columns.items()}


def _human(batch: Batch, rows: Tensor, size: Size, sigma: float) -> dict[str, Tensor]:
    """Return fixations and human maps of some pictures at the size of their stimulus; NaN for who has none."""
    native: Any = {"image": batch["image"].new_empty(()).expand(len(rows), 1, *size)}
    if "has_human" in batch:
        native["has_human"] = batch["has_human"][rows]
    if "fixations" in batch:
        start = "native_" if "native_fixations" in batch else ""
        for key in ("fixations", "weights"):
            if start + key in batch:
                native[key] = batch[start + key][rows]  # type: ignore[literal-required]
    elif "density" in batch:
        native["density"] = batch["density"][rows]
    maps, has_human = human_maps(native, None, sigma)
    points = native.get("fixations", maps.new_full((len(rows), 1, 2), torch.nan))
    return {
        "fixations": where_human(has_human, points, torch.nan),
        "density": where_human(has_human, maps, torch.nan),
    }
