"""Figures of one run: its learning curves, and where people and the model looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from haa.printing.plain import short
from haa.reporting.gallery import opened
from haa.reporting.style import COLOURS, STYLE
from haa.run_folder import Maps

NAME = 40
"""Characters of the longest name above a panel."""
TEXT = 60
"""Characters of the longest text beside a picture."""


def curves(values_by_epoch: Mapping[str, Mapping[int, float]]) -> Figure:
    """Draw curves over the epochs, a panel for each.

    Args:
        values_by_epoch: For each name the value by epoch.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.4 * len(values_by_epoch), 1.9), layout="constrained")
        axes = figure.subplots(1, len(values_by_epoch), squeeze=False)[0]
        for axis, (name, values) in zip(axes, values_by_epoch.items(), strict=True):
            epochs = sorted(values)
            axis.plot(epochs, [values[epoch] for epoch in epochs], ".-", color=COLOURS[1], linewidth=1.6, markersize=4)
            axis.set_title(short(name, NAME), fontsize=9)
            axis.set_xlabel("epoch")
            axis.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
            axis.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    return figure


def attention(maps: Maps, rows: Sequence[int]) -> Figure:
    """Draw a row for each sample: the image, the human map over it, and the model's.

    Args:
        maps: What a run kept.
        rows: Places of the samples in it.
    """
    images = [np.asarray(opened(maps.image[row])) for row in rows]
    heights = [image.shape[0] / image.shape[1] for image in images]
    size = (6.4, max(1.5, 1.55 * sum(heights)) + 0.3)
    with matplotlib.rc_context({"text.parse_math": False, "font.family": "sans-serif"}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(rows), 3, squeeze=False, gridspec_kw={"height_ratios": heights})
        for line, row, image in zip(axes, rows, images, strict=True):
            for axis in line:
                axis.imshow(image, interpolation="nearest")
                axis.set_xticks([])
                axis.set_yticks([])
            if np.isnan(maps.human[row]).any():
                line[1].set_xlabel("no gaze recorded", fontsize=8)
            else:
                _overlay(line[1], image, maps.human[row])
            _overlay(line[2], image, maps.machine[row])
            said = f"\nsaid: {short(maps.said[row], TEXT)}" if maps.said[row] else ""
            text = short(str(maps.text[row] or maps.id[row]), TEXT) + said
            line[0].set_ylabel(text, fontsize=8, rotation=0, ha="right", va="center")
        human = "simulated human map" if maps.simulated else "human map"
        for axis, heading in zip(axes[0], ("image", human, "the model's map"), strict=True):
            axis.set_title(heading, fontsize=9)
    return figure


def _overlay(axis: Axes, image: NDArray[np.uint8], values: NDArray[np.float16]) -> None:
    """Lay a map over the image of an axis; the map's largest value is the brightest."""
    height, width = image.shape[:2]
    share = values.astype(np.float32) / max(float(values.max()), 1e-6)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axis.imshow(
        share, cmap="inferno", alpha=0.25 + 0.6 * share, vmin=0, vmax=1, extent=extent, interpolation="bilinear"
    )
