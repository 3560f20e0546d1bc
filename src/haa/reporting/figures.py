"""Figures of a study: matplotlib draws each once, for a file and, in the page's own colours, for the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from haa.disk import make_folder
from haa.errors import writing
from haa.printing.plain import plain, short
from haa.reporting import statistics
from haa.reporting.arms import Arm, Study
from haa.reporting.compare import Row
from haa.reporting.pays.relation import runs, two_way

COLOURS = ("#7c7c7c", "#2f7fc1", "#c8641b", "#2b8a5a", "#a35bc4", "#b8860b", "#c2476b", "#3f8f93")
"""Colours of the conditions as they appear, the baseline first; each has a contrast of 3 to light and dark paper."""
MARKERS = "osD^vP*X"
NAME = 60
"""Characters of the longest name in a figure."""
_INK, _FAINT = "#1c2026", "#8a929b"
STYLE: Any = {
    "text.parse_math": False,
    "font.size": 9.5,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.grid": True,
    "grid.color": _FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
"""How every figure looks."""


def differences(study: Study, rows: Sequence[Row]) -> Figure | None:
    """Draw every arm's paired difference to the baseline with its intervals, in the task's metric.

    An upper bound that lies far off would press the other arms together: words give its value instead.
    """
    compared = [row for row in rows if row.comparison is not None]
    if not compared:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 0.9 + 0.36 * len(compared)), layout="constrained")
        axis = figure.subplots()
        reach = max((_reach(row) for row in compared if not row.arm.oracle), default=math.inf)
        for y, row in enumerate(compared):
            assert row.comparison is not None
            d, colour = row.comparison.difference, _colour(study, row.arm)
            if row.arm.oracle and _reach(row) > 2 * reach:
                note = f"{d.mean:+.3g}, off the axis".replace("-", "\N{MINUS SIGN}")
                axis.text(0.98, y, note, ha="right", va="center", transform=axis.get_yaxis_transform())
                continue
            if d.low is not None and d.high is not None:
                axis.plot([d.low, d.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
            axis.plot(d.mean, y, _marker(study, row.arm), color=colour, markersize=6)
        axis.axvline(0, color=_INK, linewidth=1)
        axis.set_yticks(range(len(compared)), [short(row.arm.label, NAME) for row in compared])
        axis.set_ylim(len(compared) - 0.4, -0.6)
        axis.set_xlabel(f"{short(study.metric, NAME)}, difference to baseline")
    return figure


def _reach(row: Row) -> float:
    """Return the largest distance from zero of a difference and of the ends of its interval."""
    assert row.comparison is not None
    d = row.comparison.difference
    return max(abs(value) for value in (d.mean, d.low, d.high) if value is not None)


def dose(study: Study, metrics: Sequence[str], references: dict[str, dict[str, float]]) -> Figure | None:
    """Draw metrics against the weight of alignment: a line for each condition, with a band for its interval."""
    weights = sorted({arm.weight for arm in study.arms})
    if len(weights) < 2:
        return None
    x_of_weight = {weight: x for x, weight in enumerate(weights)}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 2.4 * len(metrics)), layout="constrained")
        axes = figure.subplots(len(metrics), squeeze=False)[:, 0]
        for axis, metric in zip(axes, metrics, strict=True):
            for name, arms in _lines(study).items():
                estimates = [(arm, statistics.mean(list(v.values()))) for arm in arms if (v := arm.values(metric))]
                x = np.array([x_of_weight[arm.weight] for arm, _ in estimates])
                y = np.array([estimate.mean for _, estimate in estimates])
                low = np.array([e.mean if e.low is None else e.low for _, e in estimates])
                high = np.array([e.mean if e.high is None else e.high for _, e in estimates])
                colour, marker = _colour(study, arms[-1]), _marker(study, arms[-1])
                axis.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
                axis.plot(x, y, f"-{marker}", color=colour, label=_told(name), markersize=5)
            _references(axis, metric, references)
            for arm in [arm for arm in study.arms if arm.oracle and arm.values(metric)]:
                bound = statistics.mean(list(arm.values(metric).values())).mean
                low, high = axis.get_ylim()
                if low - (high - low) < bound < high + (high - low):
                    _line(axis, bound, arm.condition, "-.")
                else:
                    note = f"{short(arm.condition, NAME)} {bound:.3g}, off the axis"
                    axis.text(0.98, 0.98, note, fontsize=8, ha="right", va="top", transform=axis.transAxes)
            axis.set_xticks(range(len(weights)), [f"{weight:g}" for weight in weights])
            axis.set_xlim(-0.15, len(weights) - 0.85)
            axis.set_ylabel(short(metric, NAME))
        axes[-1].set_xlabel("align_weight (0 is the baseline)")
        _legend(figure, axes)
    return figure


def consistency(study: Study) -> Figure | None:
    """Draw task performance against attention consistency: a dot for each run, as it is and within conditions."""
    if study.attention is None:
        return None
    arms, seeds, x, y = runs(study)
    if len(x) < 3:
        return None
    left = two_way(np.array([x, y]), arms, seeds).left
    panels = [(x, y, "over conditions"), (*left, "within conditions and seeds")]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        axes = figure.subplots(1, 2)
        for axis, (across, up, heading) in zip(axes, panels, strict=True):
            named: set[str] = set()
            for place in np.unique(arms):
                arm = study.arms[place]
                name = "_" if _name(arm) in named else _told(_name(arm))  # all weights share one line of the legend
                named.add(_name(arm))
                own, colour, marker = arms == place, _colour(study, arm), _marker(study, arm)
                axis.plot(across[own], up[own], marker, ls="none", color=colour, label=name, markersize=5, alpha=0.85)
            axis.set_title(heading, loc="left", fontsize=10)
            axis.set_xlabel(short(study.attention, NAME))
        axes[0].set_ylabel(short(study.metric, NAME))
        _legend(figure, axes)
    return figure


def curves(study: Study, arms: Sequence[Arm]) -> Figure | None:
    """Draw both metrics on the validation split and the task's loss in training, by epoch.

    A line is the mean over seeds; its band is the range over them.
    """
    names = [f"val/{study.metric}", f"val/{study.attention}", "train/task_loss"]
    names = [name for name in names if any(name in run.history for arm in arms for run in arm.runs.values())]
    if not names:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 2.0 * len(names)), layout="constrained")
        axes = figure.subplots(len(names), squeeze=False, sharex=True)[:, 0]
        for axis, name in zip(axes, names, strict=True):
            for arm in arms:
                by_seed = [run.history[name] for run in arm.runs.values() if name in run.history]
                epochs = sorted(set.intersection(*map(set, by_seed))) if by_seed else []
                if not epochs:
                    continue
                values = np.array([[curve[epoch] for epoch in epochs] for curve in by_seed])
                colour = _colour(study, arm)
                axis.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.12, linewidth=0)
                axis.plot(epochs, values.mean(0), color=colour, label=_told(arm.label), linewidth=1.6)
            axis.set_ylabel(short(name, NAME))
        axes[-1].set_xlabel("epoch")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(figure, axes)
    return figure


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write the figure as NAME.svg, NAME.png and NAME.pdf, on white."""
    make_folder(folder)
    with writing(folder), matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(folder / f"{name}.svg", facecolor="white", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", facecolor="white", dpi=150)
        figure.savefig(folder / f"{name}.pdf", facecolor="white", metadata={"CreationDate": None})


def inline(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an SVG element for the page.

    Its text takes the page's colour and font, in light and in dark mode.

    Args:
        figure: Figure that this module drew.
        name: Prefix of the figure's own ids; unique on the page.
        description: Text that a screen reader says in place of the figure.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    markup = file.getvalue()
    markup = markup[markup.index("<svg") :]
    markup = re.sub(r"<metadata>.*?</metadata>", "", markup, flags=re.S)
    markup = re.sub(r"<[^>]*>", lambda tag: _own(tag.group(), name), markup)
    opening = re.match(r"<svg[^>]*>", markup)
    assert opening is not None
    view_box = re.search(r'viewBox="[^"]*"', opening.group())
    assert view_box is not None
    new_opening = (
        f'<svg role="img" aria-labelledby="{name}-title" {view_box.group()} xmlns="http://www.w3.org/2000/svg">'
    )
    return f'{new_opening}<title id="{name}-title">{escape(plain(description))}</title>{markup[opening.end() :]}'


def _own(tag: str, name: str) -> str:
    """Return a tag with ids, colours and font of the page; what is between tags is text, and stays."""
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r"url\(#", f"url(#{name}-", tag)
    tag = re.sub(r'xlink:href="#', f'href="#{name}-', tag)
    tag = tag.replace(_INK, "var(--ink)").replace(_FAINT, "var(--faint)")
    return re.sub(r"font(-family)?: ?([\d.]+px )?[^;\"]*sans-serif[^;\"]*", _font, tag)


def _told(name: str) -> str:
    """Return a name as the legend takes it, which leaves out those that begin with an underscore."""
    return short(f" {name}" if name.startswith("_") else name, NAME)


def _font(found: re.Match[str]) -> str:
    return f"font-size: {found.group(2).strip()}" if found.group(2) else "font-family: inherit"


def _lines(study: Study) -> dict[str, list[Arm]]:
    """Return the arms by condition, in the order of their weight; each line starts at the baseline."""
    start = [study.baseline] if study.baseline is not None else []
    lines: dict[str, list[Arm]] = {}
    for arm in study.arms:
        if arm.role not in ("baseline", "oracle"):
            lines.setdefault(_name(arm), [*start]).append(arm)
    return lines


def _name(arm: Arm) -> str:
    return arm.label.replace(f", weight {arm.weight:g}", "")


def _conditions(study: Study) -> list[str]:
    return list(dict.fromkeys(arm.condition + arm.loss for arm in study.arms))


def _colour(study: Study, arm: Arm) -> str:
    return COLOURS[_conditions(study).index(arm.condition + arm.loss) % len(COLOURS)]


def _marker(study: Study, arm: Arm) -> str:
    return MARKERS[_conditions(study).index(arm.condition + arm.loss) % len(MARKERS)]


def _references(axis: Axes, metric: str, references: dict[str, dict[str, float]]) -> None:
    for name, row in references.items():
        if name != "another image" and metric in row:
            _line(axis, row[metric], name, "--" if "ceiling" in name else ":")


def _line(axis: Axes, height: float, name: str, style: str) -> None:
    axis.axhline(height, color=_FAINT, linewidth=1, linestyle=style)
    axis.annotate(
        short(name, NAME), (1, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8
    )


def _legend(figure: Figure, axes: Any) -> None:
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=8)
