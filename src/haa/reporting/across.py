"""Figures over all studies of a report: score against consistency, and what alignment adds to both."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import matplotlib
from matplotlib.figure import Figure

from haa.printing.plain import short
from haa.reporting import figures
from haa.reporting.arms import Arm, Study
from haa.reporting.pays.standard import Effect, Standardised
from haa.reporting.verdict import Claim


def backbones(studies: Sequence[Study], claims: Sequence[Claim | None]) -> Figure | None:
    """Draw performance against consistency: a dot for each study's baseline, and a hollow one with alignment.

    Studies of one task and metric share a panel. There is no figure where no panel has two.
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
    with matplotlib.rc_context(figures.STYLE):
        figure = Figure(figsize=(4.2 * min(3, len(panels)), 3.6 * -(-len(panels) // 3)), layout="constrained")
        axes = figure.subplots(-(-len(panels) // 3), min(3, len(panels)), squeeze=False).flatten()
        for axis, ((task, metric, attention), members) in zip(axes, panels.items(), strict=False):
            shared = set.intersection(*(set(study.title.split(", ")) for study, _ in members))
            for place, (study, arm) in enumerate(members):
                colour, marker = figures.COLOURS[1 + place % 7], figures.MARKERS[place % len(figures.MARKERS)]
                points = [point for each in (study.baseline, arm) if (point := _point(each, attention, metric))]
                if not points:
                    continue
                parts = [part for part in study.title.split(", ") if part not in shared]
                rest = ", ".join(parts) or f"study {place + 1}"
                axis.plot(*points[0], marker, color=colour, label=short(rest, figures.NAME), markersize=6)
                if len(points) > 1:
                    axis.plot(*points[1], marker, color=colour, markerfacecolor="white", markersize=6)
                    axis.annotate("", points[1], points[0], arrowprops={"arrowstyle": "->", "color": colour})
            axis.set_title(short(task, figures.NAME), loc="left", fontsize=10)
            axis.set_xlabel(short(attention, figures.NAME))
            axis.set_ylabel(short(metric, figures.NAME))
            axis.margins(0.15)
            axis.legend(fontsize=7)
        for axis in axes[len(panels) :]:
            axis.remove()
    return figure


def _point(arm: Arm | None, across: str, up: str) -> tuple[float, float] | None:
    if arm is None:
        return None
    x, y = list(arm.values(across).values()), list(arm.values(up).values())
    return (fmean(x), fmean(y)) if x and y else None


def gains(found: Sequence[Standardised]) -> Figure | None:
    """Draw what alignment adds to the score against what it adds to attention, in standard deviations of a run."""
    known = [(row, row.to_baseline, row.attention_to_baseline) for row in found]
    drawn = [(row, score, look) for row, score, look in known if score is not None and look is not None]
    if len(drawn) < 2:
        return None
    with matplotlib.rc_context(figures.STYLE):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        axis = figure.subplots()
        for place, (row, score, look) in enumerate(drawn):
            colour, marker = figures.COLOURS[1 + place % 7], figures.MARKERS[place % len(figures.MARKERS)]
            axis.errorbar(
                look.value,
                score.value,
                xerr=_ends(look),
                yerr=_ends(score),
                fmt=marker,
                color=colour,
                label=short(row.study.title, figures.NAME),
                linewidth=1,
            )
        for line in (axis.axhline, axis.axvline):
            line(0, color=figures.COLOURS[0], linewidth=0.8)
        axis.set_xlabel("attention gains (standard deviations of a run)")
        axis.set_ylabel("score gains (standard deviations of a run)")
        figure.legend(loc="outside lower center", fontsize=7, ncols=1)
    return figure


def _ends(effect: Effect) -> list[list[float]] | None:
    if effect.low is None or effect.high is None:
        return None
    return [[max(0.0, effect.value - effect.low)], [max(0.0, effect.high - effect.value)]]
