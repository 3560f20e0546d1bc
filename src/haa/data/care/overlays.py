"""A page of samples with their records laid over: the quickest way to see that a reader reads right."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from haa.data.dataset import GazeDataset
from haa.printing.plain import plain, short

COLUMNS = 4


@matplotlib.rc_context({"text.parse_math": False})
def overlay_page(datasets: Sequence[GazeDataset], indices: Sequence[Sequence[int]], title: str) -> Figure:
    """Draw one field per sample: its picture, fixations (numbered in order, one colour a person), mask and texts.

    Args:
        datasets: The splits.
        indices: For each split, the indices of the samples to draw.
        title: Title of the page.
    """
    samples = [data[index] for data, chosen in zip(datasets, indices, strict=True) for index in chosen]
    rows = max(1, -(-len(samples) // COLUMNS))
    figure = Figure(figsize=(3.4 * COLUMNS, 3.1 * rows + 0.5), layout="constrained")
    figure.suptitle(short(title, 100), fontsize=11)
    for axis in figure.subplots(rows, COLUMNS, squeeze=False).ravel()[len(samples) :]:
        axis.axis("off")
    for axis, sample in zip(figure.axes, samples, strict=False):
        _draw(axis, sample)
    return figure


def _draw(axis: Any, sample: dict[str, Any]) -> None:
    image = sample["image"] if "image" in sample else sample["clip"][len(sample["clip"]) // 2]
    height, width = image.shape[-2:]
    axis.imshow(image.permute(1, 2, 0).numpy())
    axis.set_xticks([0, width - 1])
    axis.set_yticks([0, height - 1])
    axis.tick_params(labelsize=6)
    axis.set_title(short(sample["id"], 40), fontsize=7)
    if "mask" in sample:
        axis.contour(np.asarray(sample["mask"]) > 127, levels=[0.5], colors="cyan", linewidths=0.8)
    if "density" in sample and sample["density"].any():
        share = (sample["density"] / sample["density"].max()).numpy()
        axis.imshow(share, cmap="inferno", alpha=0.2 + 0.6 * share)
    gaze = sample.get("gaze")
    if gaze is not None:
        x, y = gaze.points.T.numpy()
        colour = "white" if gaze.subject is None else np.unique(gaze.subject, return_inverse=True)[1] % 10
        axis.scatter(
            x,
            y,
            s=8 if len(x) < 1000 else 1,
            c=colour,
            cmap=None if gaze.subject is None else "tab10",
            edgecolors="black",
            linewidths=0.3,
        )
        for order, (column, row) in enumerate(zip(x[:5], y[:5], strict=True), 1):
            axis.annotate(str(order), (column, row), fontsize=6, color="yellow")
        axis.set_xlim(-0.5, width - 0.5)
        axis.set_ylim(height - 0.5, -0.5)
    axis.set_xlabel(_text(sample), fontsize=6)


def _text(sample: dict[str, Any]) -> str:
    gaze = sample.get("gaze")
    gaze_text = "no gaze" if gaze is None else f"{len(gaze.points)} fixations"
    if "density" in sample:
        gaze_text = "a map of gaze" if sample["density"].any() else "no gaze"
    label = f", label {sample['label']}" if "label" in sample else ""
    if "labels" in sample:
        label = ", labels " + " ".join("01?"[value] for value in sample["labels"].tolist())  # -1 is the last: unknown
    lines = [gaze_text + label]
    if "question" in sample:
        lines.append(f"{sample['question']} {sample['answers'][0]}")
    lines += sample.get("captions", [])[:1]
    return "\n".join(textwrap.shorten(plain(line), 60) for line in lines)
