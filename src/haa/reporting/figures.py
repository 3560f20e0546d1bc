"""Figures of a study, at the width of a paper's column or page; conditions are named where they are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from haa.reporting import names, statistics
from haa.reporting.arms import Arm, Study
from haa.reporting.compare import Row
from haa.reporting.labels import LINE, SIZE, Label, beside, in_lines, room
from haa.reporting.pays.relation import runs, two_way
from haa.reporting.style import COLOURS, COLUMN, FAINT, INK, LINES, MARKERS, PAGE, STYLE, legend


def differences(study: Study, rows: Sequence[Row], width: float = COLUMN) -> Figure | None:
    """Draw every arm's paired difference to the baseline with its intervals, in the task's metric.

    An upper bound that lies far off would press the other arms together: words give its value instead.

    Args:
        study: Study of the rows.
        rows: Its rows in one metric.
        width: Width in inches.
    """
    compared = [row for row in rows if row.comparison is not None]
    if not compared:
        return None
    texts = [in_lines(row.arm.name, round(7 * width)) for row in compared]
    with matplotlib.rc_context(STYLE):
        height = (max(text.count("\n") + 1 for text in texts) * LINE + 6) / 72
        figure = Figure(figsize=(width, 0.65 + height * len(texts)), layout="constrained")
        axis = figure.subplots()
        reach = max((_reach(row) for row in compared if not row.arm.oracle), default=math.inf)
        for y, row in enumerate(compared):
            assert row.comparison is not None
            d, colour = row.comparison.difference, _colour(study, row.arm)
            if row.arm.oracle and _reach(row) > 2 * reach:
                note = f"{d.mean:+.3g}, off the axis".replace("-", "\N{MINUS SIGN}")
                axis.text(0.98, y, note, ha="right", va="center", fontsize=SIZE, transform=axis.get_yaxis_transform())
                continue
            if d.low is not None and d.high is not None:
                axis.plot([d.low, d.high], [y, y], color=colour, linewidth=1.8, solid_capstyle="butt")
            axis.plot(d.mean, y, _marker(study, row.arm), color=colour, markersize=5)
        axis.axvline(0, color=INK, linewidth=0.8)
        axis.set_yticks(range(len(compared)), texts)
        axis.set_ylim(len(compared) - 0.4, -0.6)
        axis.xaxis.set_major_locator(MaxNLocator(round(1.2 * width)))
        axis.set_xlabel(in_lines(f"{names.metric(study.metric)}, difference to no alignment", round(10 * width)))
    return figure


def _reach(row: Row) -> float:
    """Return the largest distance from zero of a difference and of the ends of its interval."""
    assert row.comparison is not None
    d = row.comparison.difference
    return max(abs(value) for value in (d.mean, d.low, d.high) if value is not None)


def dose(
    study: Study, metrics: Sequence[str], references: dict[str, dict[str, float]], width: float = COLUMN
) -> Figure | None:
    """Draw metrics against the weight of alignment: a line for each condition, with its intervals upright."""
    weights = sorted({arm.weight for arm in study.arms})
    if len(weights) < 2:
        return None
    x_of_weight = {weight: x for x, weight in enumerate(weights)}
    named = [_in_margin(_name(arms[-1]), width) for arms in _lines(study).values()]
    most = [*named, *(_in_margin(name, width) for name in references)]
    with matplotlib.rc_context(STYLE):
        height = max(1.55, room(most)) + 0.15
        figure = Figure(figsize=(width, height * len(metrics) + 0.4), layout="constrained")
        axes = figure.subplots(len(metrics), squeeze=False)[:, 0]
        labels: list[tuple[Axes, list[Label]]] = []
        for axis, metric in zip(axes, metrics, strict=True):
            own: list[Label] = []
            for place, (text, arms) in enumerate(zip(named, _lines(study).values(), strict=True)):
                estimates = [(arm, statistics.mean(list(v.values()))) for arm in arms if (v := arm.values(metric))]
                if not estimates:
                    continue
                aside = 0.06 * (place - (len(named) - 1) / 2)
                x = np.array([x_of_weight[arm.weight] + aside * (arm.weight > 0) for arm, _ in estimates])
                y = np.array([estimate.mean for _, estimate in estimates])
                colour, marker = _colour(study, arms[-1]), _marker(study, arms[-1])
                axis.plot(x, y, marker=marker, linestyle=_line_of(study, arms[-1]), color=colour, markersize=4)
                for at, (arm, estimate) in zip(x, estimates, strict=True):
                    if estimate.low is not None and estimate.high is not None:
                        axis.plot([at, at], [estimate.low, estimate.high], color=_colour(study, arm), linewidth=0.9)
                own.append(Label(x[-1], y[-1], text, colour))
            axis.set_xlim(-0.2, len(weights) - 0.8)
            own += _references(axis, metric, references, width)
            own += _bounds(axis, study, metric, width)
            axis.set_xticks(range(len(weights)), [f"{weight:g}" for weight in weights])
            axis.yaxis.set_major_locator(MaxNLocator(5))
            axis.set_ylabel(in_lines(names.metric(metric), round(18 * height)))
            labels.append((axis, own))
        axes[-1].set_xlabel("weight of the alignment loss")
        beside(figure, labels)
    return figure


def consistency(study: Study, width: float = COLUMN) -> Figure | None:
    """Draw task performance against attention consistency: a dot for each run, as it is and within conditions."""
    if study.attention is None:
        return None
    arms, seeds, x, y = runs(study)
    if len(x) < 3:
        return None
    left = two_way(np.array([x, y]), arms, seeds).left
    panels = [(x, y, "over conditions"), (*left, "within conditions and seeds")]
    with matplotlib.rc_context(STYLE):
        narrow = width < (COLUMN + PAGE) / 2
        figure = Figure(figsize=(width, 4.4 if narrow else 2.6), layout="constrained")
        axes = figure.subplots(*((2, 1) if narrow else (1, 2)))
        for axis, (across, up, heading) in zip(axes, panels, strict=True):
            if np.ptp(up) < 1e-9 * max(1.0, float(np.abs(y).max())):
                up = np.round(up, 9)  # what is left of equal scores is noise of the arithmetic
            named: set[str] = set()
            for place in np.unique(arms):
                arm = study.arms[place]
                name = "_" if _name(arm) in named else _told(_name(arm))  # all weights share one line of the legend
                named.add(_name(arm))
                own, colour, marker = arms == place, _colour(study, arm), _marker(study, arm)
                axis.plot(across[own], up[own], marker, ls="none", color=colour, label=name, markersize=4, alpha=0.85)
            axis.set_title(heading, loc="left")
            axis.set_ylabel(in_lines(names.metric(study.metric), 26))
            axis.xaxis.set_major_locator(MaxNLocator(5))
            axis.yaxis.set_major_locator(MaxNLocator(5))
        for axis in axes[-1:] if narrow else axes:
            axis.set_xlabel(in_lines(names.metric(study.attention), 30))
        legend(figure, axes[0])
    return figure


def curves(study: Study, arms: Sequence[Arm], width: float = COLUMN) -> Figure | None:
    """Draw both metrics on the validation split and the task's loss in training, by epoch.

    A line is the mean over seeds; its band is the range over them.
    """
    columns = {f"val/{study.metric}": f"{names.metric(study.metric)}, validation"}
    if study.attention:
        columns[f"val/{study.attention}"] = f"{names.metric(study.attention)}, validation"
    columns["train/task_loss"] = "task loss, training"
    columns = {
        name: text
        for name, text in columns.items()
        if any(name in run.history for arm in arms for run in arm.runs.values())
    }
    if not columns:
        return None
    texts = [_in_margin(arm.name, width) for arm in arms]
    with matplotlib.rc_context(STYLE):
        height = max(1.35, room(texts)) + 0.1
        figure = Figure(figsize=(width, height * len(columns) + 0.35), layout="constrained")
        axes = figure.subplots(len(columns), squeeze=False, sharex=True)[:, 0]
        labels: list[tuple[Axes, list[Label]]] = []
        for axis, (name, heading) in zip(axes, columns.items(), strict=True):
            ends: list[Label] = []
            for arm, text in zip(arms, texts, strict=True):
                by_seed = [run.history[name] for run in arm.runs.values() if name in run.history]
                epochs = sorted(set.intersection(*map(set, by_seed))) if by_seed else []
                if not epochs:
                    continue
                values = np.array([[curve[epoch] for epoch in epochs] for curve in by_seed])
                colour = _colour(study, arm)
                axis.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.1, linewidth=0)
                axis.plot(epochs, values.mean(0), color=colour, linestyle=_line_of(study, arm))
                ends.append(Label(epochs[-1], float(values.mean(0)[-1]), text, colour))
            axis.margins(x=0.02)
            axis.yaxis.set_major_locator(MaxNLocator(4))
            axis.set_ylabel(in_lines(heading, round(13 * height)))
            labels.append((axis, ends))
        axes[-1].set_xlabel("epoch")
        axes[-1].xaxis.set_major_locator(MaxNLocator(round(1.5 * width), integer=True))
        beside(figure, labels)
    return figure


def _told(name: str) -> str:
    """Return a name as the legend takes it, which leaves out those that begin with an underscore."""
    return in_lines(f" {name}" if name.startswith("_") else name, 40)


def _in_margin(name: str, width: float) -> str:
    """Return a name in lines that leave room for the axis to its left."""
    return in_lines(name, 17 if width < (COLUMN + PAGE) / 2 else 26)


def _lines(study: Study) -> dict[str, list[Arm]]:
    """Return the arms by condition, in the order of their weight; each line starts at the baseline."""
    start = [study.baseline] if study.baseline is not None else []
    lines: dict[str, list[Arm]] = {}
    for arm in study.arms:
        if arm.role not in ("baseline", "oracle"):
            lines.setdefault(_name(arm), [*start]).append(arm)
    return lines


def _name(arm: Arm) -> str:
    return arm.name.replace(f", weight {arm.weight:g}", "")


def _place(study: Study, arm: Arm) -> int:
    return list(dict.fromkeys(each.condition + each.loss for each in study.arms)).index(arm.condition + arm.loss)


def _colour(study: Study, arm: Arm) -> str:
    return COLOURS[_place(study, arm) % len(COLOURS)]


def _marker(study: Study, arm: Arm) -> str:
    return MARKERS[_place(study, arm) % len(MARKERS)]


def _line_of(study: Study, arm: Arm) -> Any:
    return LINES[_place(study, arm) % len(LINES)]


def _references(axis: Axes, metric: str, references: dict[str, dict[str, float]], width: float) -> list[Label]:
    """Draw what needs no model as lines across, and return their labels."""
    labels = []
    for name, row in references.items():
        if name != "another image" and metric in row:
            axis.axhline(row[metric], color=FAINT, linewidth=0.8, linestyle="--" if "ceiling" in name else ":")
            labels.append(Label(axis.get_xlim()[1], row[metric], _in_margin(name, width), FAINT))
    return labels


def _bounds(axis: Axes, study: Study, metric: str, width: float) -> list[Label]:
    """Draw upper bounds as lines across, and return their labels; one that lies far off is told in words."""
    labels = []
    for arm in [arm for arm in study.arms if arm.oracle and arm.values(metric)]:
        bound = statistics.mean(list(arm.values(metric).values())).mean
        low, high = axis.get_ylim()
        if low - (high - low) < bound < high + (high - low):
            axis.axhline(bound, color=FAINT, linewidth=0.8, linestyle="-.")
            labels.append(Label(axis.get_xlim()[1], bound, _in_margin(arm.name, width), FAINT))
        else:
            axis.set_title(in_lines(f"{arm.name}: {bound:.3g}, off the axis", 40), fontsize=SIZE, loc="right")
    return labels
