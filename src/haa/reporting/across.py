"""Figures over all studies of a report: score against consistency, and what alignment adds to both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from haa.reporting import names
from haa.reporting.arms import Arm, Study
from haa.reporting.labels import Label, around, in_lines
from haa.reporting.pays.standard import Effect, Standardised
from haa.reporting.style import COLOURS, COLUMN, INK, MARKERS, STYLE, legend
from haa.reporting.title import apart
from haa.reporting.verdict import Claim

Line = list[tuple[float, float]]
_Drawn = tuple[Axes, list[Label], list[Line]]


def backbones(studies: Sequence[Study], claims: Sequence[Claim | None], width: float = COLUMN) -> Figure | None:
    """Draw performance against consistency: a dot for each study's baseline, and a hollow one with alignment.

    Studies of one task and metric share a panel. There is no figure where no panel has two.

    Args:
        studies: All studies of the report.
        claims: The first claim of each, which says which arm is the aligned one.
        width: Width in inches.
    """
    panels: dict[tuple[str, str, str], list[tuple[Study, Arm | None]]] = {}
    for study, claim in zip(studies, claims, strict=True):
        if study.attention is not None and study.attention != study.metric and study.baseline is not None:
            task = study.title.split(",")[0]
            arm = None if claim is None else claim.arm
            panels.setdefault((task, study.metric, study.attention), []).append((study, arm))
    panels = {key: members for key, members in panels.items() if len(members) > 1}
    if not panels:
        return None
    across = min(max(1, int(width / 2.2)), len(panels))

    def draw(figure: Figure) -> list[_Drawn]:
        grid = figure.subplots(-(-len(panels) // across), across, squeeze=False).flatten()
        drawn = [_panel(axis, *item) for axis, item in zip(grid, panels.items(), strict=False)]
        for axis in grid[len(panels) :]:
            axis.remove()
        return drawn

    return _named(draw, width, 0.85 * width / across * -(-len(panels) // across))


def _panel(axis: Axes, key: tuple[str, str, str], members: Sequence[tuple[Study, Arm | None]]) -> _Drawn:
    task, metric, attention = key
    labels: list[Label] = []
    lines: list[Line] = []
    texts = apart([study.title for study, _ in members])[1]
    for place, (study, arm) in enumerate(members):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        points = [point for each in (study.baseline, arm) if (point := _point(each, attention, metric))]
        if not points:
            continue
        text = in_lines(texts[place], 22)
        axis.plot(*points[0], marker, color=colour, label=text.replace("\n", " "))
        labels.append(Label(*points[0], text, colour))
        if len(points) > 1:
            axis.plot(*points[1], marker, color=colour, markerfacecolor="white")
            axis.annotate("", points[1], points[0], arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 0.8})
            lines.append(points)
    axis.set_title(in_lines(task, 40), loc="left")
    axis.set_xlabel(in_lines(names.metric(attention), 30))
    axis.set_ylabel(in_lines(names.metric(metric), 26))
    _room(axis)
    return axis, labels, lines


def _point(arm: Arm | None, across: str, up: str) -> tuple[float, float] | None:
    if arm is None:
        return None
    x, y = list(arm.values(across).values()), list(arm.values(up).values())
    return (fmean(x), fmean(y)) if x and y else None


def gains(found: Sequence[Standardised], width: float = COLUMN) -> Figure | None:
    """Draw what alignment adds to the score against what it adds to attention, in standard deviations of a run.

    Args:
        found: What `haa.reporting.pays.standard.standardise` returns.
        width: Width in inches.
    """
    known = [(row, row.to_baseline, row.attention_to_baseline) for row in found]
    drawn = [(row, score, look) for row, score, look in known if score is not None and look is not None]
    if len(drawn) < 2:
        return None

    shared, texts = apart([row.study.title for row, *_ in drawn])

    def draw(figure: Figure) -> list[_Drawn]:
        axis = figure.subplots()
        axis.set_title(in_lines(shared, 40) if shared else "", loc="left")
        labels: list[Label] = []
        lines: list[Line] = []
        for place, (_, score, look) in enumerate(drawn):
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
            across, up = _ends(look), _ends(score)
            axis.errorbar(
                *(look.value, score.value),
                xerr=across,
                yerr=up,
                fmt=marker,
                color=colour,
                label=in_lines(texts[place], 46),
                linewidth=0.8,
            )
            labels.append(Label(look.value, score.value, in_lines(texts[place], 24), colour))
            if across is not None:
                lines.append([(look.value - across[0][0], score.value), (look.value + across[1][0], score.value)])
            if up is not None:
                lines.append([(look.value, score.value - up[0][0]), (look.value, score.value + up[1][0])])
        for line in (axis.axhline, axis.axvline):
            line(0, color=INK, linewidth=0.6)
        axis.set_xlabel("attention gains (standard deviations of a run)")
        axis.set_ylabel("score gains (standard\ndeviations of a run)")
        _room(axis)
        return [(axis, labels, lines)]

    return _named(draw, width, min(0.8 * width, 3.4))


def _ends(effect: Effect) -> list[list[float]] | None:
    if effect.low is None or effect.high is None:
        return None
    return [[max(0.0, effect.value - effect.low)], [max(0.0, effect.high - effect.value)]]


def _room(axis: Axes) -> None:
    axis.margins(0.18)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_locator(MaxNLocator(5))


def _named(draw: Callable[[Figure], list[_Drawn]], width: float, height: float) -> Figure:
    """Return a figure whose points have their names beside them; where there is no room, in legends below."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        if all([around(figure, *each) for each in draw(figure)]):
            return figure
        figure = Figure(figsize=(width, height), layout="constrained")
        for axis, labels, _ in draw(figure):
            lines = sum(label.text.count("\n") + 1 for label in labels)
            figure.set_figheight(figure.get_figheight() + 0.15 * lines)
            legend(figure, axis, "outside lower left")
    return figure
