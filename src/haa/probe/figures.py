"""Figures of a probe: scores by stage, and where each stage looks."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from haa.batch import Batch, human_maps, image_size, in_unit_range, middle
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.evaluation.reference import evenly
from haa.geometry.extent import on_picture
from haa.pictures.show import Column, figure
from haa.printing.plain import short
from haa.probe.scores import Probe, Row
from haa.probe.stages import Stages
from haa.probe.table import NAMES
from haa.reporting.figures import COLOURS, STYLE

GREY, BLUE, ORANGE, GREEN = COLOURS[:4]
COLUMNS = 8
"""Most stages that are drawn beside each other."""
LABEL = 24
"""Characters of the longest name of a stage."""


def scores(found: Probe) -> Figure:
    """Draw every metric by stage, with 95 % intervals, and the centre prior and the human ceiling as lines.

    Args:
        found: What the probe found.
    """
    metrics = [name for name in found.higher_is_better if any(row.estimate(name) is not None for row in found.stages)]
    names = [row.name for row in found.stages]
    columns = 2 if metrics else 1
    lines = -(-(len(metrics) + 1) // columns)
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(max(7.2, 0.62 * len(names) * columns), 2.5 * lines), layout="constrained")
        axes = drawn.subplots(lines, columns, squeeze=False).flatten()
        for axis, metric in zip(axes, metrics, strict=False):
            for name, colour, style in (("centre prior", ORANGE, "--"), ("human ceiling", GREEN, "-.")):
                _line(axis, found.reference(name), metric, colour, style)
            _points(axis, found.untrained, metric, GREY, "s", "random weights")
            _points(axis, found.stages, metric, BLUE, "o", "stage")
            better = "" if found.higher_is_better[metric] else " (less is better)"
            axis.set_ylabel(f"{NAMES.get(metric, metric)}{better}")
            turned = max(map(len, names)) * len(names) > 50
            axis.set_xticks(range(len(names)), [short(name, LABEL) for name in names], rotation=90 if turned else 0)
            axis.tick_params("x", labelsize=8)
            axis.set_xlim(-0.4, len(names) - 0.6)
        for axis in axes[len(metrics) :]:
            axis.set_axis_off()
        if metrics:
            handles, labels = axes[0].get_legend_handles_labels()
            axes[len(metrics)].legend(handles, labels, loc="center", fontsize=9)
    return drawn


def looks(stages: Stages, data: DataModule, split: Split, found: Probe, most: int) -> Figure:
    """Draw some stimuli with their fixations and human map, and where each stage looks at them.

    A map is drawn from its least value, which is clear, to its largest.

    Args:
        stages: Stages of the network.
        data: Data that were probed.
        split: Split that was probed.
        found: What the probe found.
        most: Greatest number of stimuli, evenly spaced among those that were scored.
    """
    names = [row.name for row in found.stages]
    chosen = [names[place] for place in sorted({round(x) for x in np.linspace(0, len(names) - 1, COLUMNS)})]
    human = "simulated human map" if data.dataset(split).simulated else "human map"
    batches = [next(data.some(split, [index])) for index in evenly(found.indices, most)]
    return figure([_row(stages, batch, chosen, found.sigma, human) for batch in batches])


def _row(stages: Stages, batch: Batch, names: Sequence[str], sigma: float, heading: str) -> tuple[Batch, list[Column]]:
    batch, _ = middle(in_unit_range(batch), None)
    size = image_size(batch)
    human, has_human = human_maps(batch, size, sigma)
    points = batch["fixations"][0] if "fixations" in batch else None
    columns: list[Column] = [
        ("image" if points is None else "image, fixations", None if points is None else points.cpu(), None),
        (heading, None, human[0] if bool(has_human[0]) else None),
    ]
    device = next((x.device for x in stages.model.parameters()), batch["image"].device)
    seen = stages(batch["image"].to(device))
    for name in names:
        drawn = on_picture(seen[name].maps, size, seen[name].extent)[0].cpu()
        columns.append((short(name, LABEL), None, drawn - drawn.amin()))
    return batch, columns


def _line(axis: Axes, row: Row | None, metric: str, colour: str, style: str) -> None:
    estimate = None if row is None else row.estimate(metric)
    if row is None or estimate is None:
        return
    axis.axhline(estimate.mean, color=colour, linestyle=style, linewidth=1.4, label=row.name)
    if estimate.low is not None and estimate.high is not None:
        axis.axhspan(estimate.low, estimate.high, color=colour, alpha=0.14, linewidth=0)


def _points(axis: Axes, rows: Sequence[Row], metric: str, colour: str, marker: str, label: str) -> None:
    """Draw a row of the probe at each place: features are joined by a line, attention is not."""
    known = [(place, row.kind, estimate) for place, row in enumerate(rows) if (estimate := row.estimate(metric))]
    for place, _, estimate in known:
        if estimate.low is not None and estimate.high is not None:
            axis.plot([place] * 2, [estimate.low, estimate.high], color=colour, linewidth=2, alpha=0.5)
    joined = [(place, estimate.mean) for place, kind, estimate in known if kind == "features"]
    alone = [(place, estimate.mean) for place, kind, estimate in known if kind != "features"]
    for points, line in ((joined, "-"), (alone, "")):
        if points:
            x, y = zip(*points, strict=True)
            axis.plot(x, y, f"{line}{marker}", color=colour, markersize=5, label=label if points is joined else "_")
