"""Page of scores: the table, intervals by metric, differences, and the samples at which models do best and worst."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

import haa
from haa.disk import make_folder, write_whole
from haa.printing.pages import template
from haa.printing.plain import short
from haa.reporting.answer import interval, p_value, signed
from haa.reporting.style import COLOURS, STYLE, inline
from haa.scoring.extremes import sections
from haa.scoring.scores import Scores, shown, told
from haa.scoring.table import answer

DRAWN = 6
"""Most metrics that the figure has a panel for."""
PAIRS = 45
"""Most pairs of models that the page lists; differences.csv has all."""
NAME = 30
"""Characters of the longest name in the figure."""


def write_page(scores: Scores, folder: Path, pictures: int = 3) -> Path:
    """Write index.html, which needs no network, and return its path.

    Args:
        scores: The table.
        folder: Folder to write to.
        pictures: Number of samples of each kind that are drawn; 0 draws none.

    Raises:
        InputError: If the disk refuses the page, or a picture cannot be read.
    """
    first = next(iter(scores.metrics))
    count = f"{len(scores.ids)} samples of {len(set(scores.stimuli))} pictures"
    page = template("haa.scoring").render(
        title=f"haa score: {scores.task} on {scores.data}",
        about=f"{scores.data}, {scores.split} split, {count}" + (", simulated gaze" if scores.simulated else ""),
        answer=answer(scores),
        notes=scores.notes,
        headings=[told(metric) for metric in scores.metrics.values()],
        rows=list(_rows(scores)),
        figure=Markup(inline(_figure(scores), "scores", f"Means with 95 % intervals: {answer(scores)}")),
        metric=scores.metrics[first].label,
        pairs=list(_pairs(scores, first)),
        left_out=max(0, len(scores.models) * (len(scores.models) - 1) // 2 - PAIRS),
        sections=sections(scores, pictures) if pictures else [],
        version=haa.__version__,
    )
    make_folder(folder)
    path = folder / "index.html"
    write_whole(path, page)
    return path


def _rows(scores: Scores) -> Iterator[dict[str, Any]]:
    ranks = {metric: scores.ranks(metric) for metric in scores.metrics}
    first = next(iter(scores.metrics))
    for row in scores.sorted_rows():
        cells = []
        for metric in scores.metrics:
            place = ranks[metric].get(row.name)
            best = place is not None and place.rank == 1 and len(ranks[metric]) > 1
            cells.append({"text": shown(scores.estimate(row.name, metric)), "best": best})
        rank = str(ranks[first][row.name]) if row.name in ranks[first] else ""
        yield {"name": row.name, "told": row.told, "kind": row.kind, "rank": rank, "cells": cells}


def _pairs(scores: Scores, metric: str) -> Iterator[list[str]]:
    for pair in scores.pairs(metric)[:PAIRS]:
        d = pair.difference
        ends = "–" if d.low is None else interval(d.low, d.high)
        p = "–" if pair.corrected is None else p_value(pair.corrected).removeprefix("p = ").removeprefix("p ")
        yield [f"{pair.first} less {pair.second}", signed(d.mean), ends, p]


def _figure(scores: Scores) -> Figure:
    """Draw the mean of every row with its interval, a panel for each metric."""
    rows = scores.sorted_rows()
    metrics = list(scores.metrics)[:DRAWN]
    columns = min(3, len(metrics))
    lines = -(-len(metrics) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.6 + 2.3 * columns, lines * (0.75 + 0.26 * len(rows))), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False)
        for place, axis in enumerate(axes.flatten()):
            if place >= len(metrics):
                axis.set_axis_off()
                continue
            for y, row in enumerate(rows):
                found = scores.estimate(row.name, metrics[place])
                if found is not None:
                    colour = COLOURS[1] if row.kind == "model" else COLOURS[0]
                    if found.low is not None and found.high is not None:
                        axis.plot([found.low, found.high], [y, y], color=colour, linewidth=2)
                    axis.plot(found.mean, y, "o" if row.kind == "model" else "s", color=colour, markersize=5)
            names = [short(row.name, NAME) for row in rows] if place % columns == 0 else [""] * len(rows)
            axis.set_yticks(range(len(rows)), names)
            axis.set_ylim(len(rows) - 0.4, -0.6)
            metric = scores.metrics[metrics[place]]
            axis.set_xlabel(metric.label if metric.higher_is_better else f"{metric.label} (less is better)")
    return figure
