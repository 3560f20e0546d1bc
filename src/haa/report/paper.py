"""Tables and figures as a paper prints them, over all studies of a report: csv and LaTeX, PDF.

The questions are those of Lai et al. (Understanding more about human and machine attention in deep neural networks,
arXiv 1906.08764): how close is machine attention to human attention, is the better network the one that looks more as
people do, what does alignment add, and does it make the map more faithful to the model?
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure

from haa.disk import make_folder, write_whole
from haa.printing.plain import cell, plain, short
from haa.report import figures, statistics
from haa.report.arms import FAITHFULNESS, Arm, Study
from haa.report.compare import Comparison, compare
from haa.report.pays.standard import Effect, Standardised
from haa.report.verdict import Claim

CONSISTENCY = ("attention_nss", "attention_cc", "attention_kl", "attention_auc_judd")
"""Metrics of attention against human gaze that papers print; those that no run has are left out."""


class Number(NamedTuple):
    """A number with the ends of its 95 % interval, where there are any."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of a paper: words and numbers."""

    name: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str | Number]]

    def csv(self) -> str:
        """Return it as csv: a number has three columns, for itself and the ends of its interval."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        numbers = [any(isinstance(row[place], Number) for row in self.rows) for place in range(len(self.headings))]
        head: list[str] = []
        for heading, number in zip(self.headings, numbers, strict=True):
            head += [heading, f"{heading} low", f"{heading} high"] if number else [heading]
        writer.writerow(head)
        for row in self.rows:
            line: list[object] = []
            for value, number in zip(row, numbers, strict=True):
                values: tuple[float | str | None, ...] = value if isinstance(value, Number) else (value,)
                if number and not isinstance(value, Number):
                    values = (value, None, None)
                line += [f"{each:.9g}" if isinstance(each, float) else cell(each) for each in values]
            writer.writerow(line)
        return file.getvalue()

    def tex(self) -> str:
        """Return it as a LaTeX table, which needs the package booktabs."""
        columns = "".join(
            "r" if any(isinstance(row[place], Number) for row in self.rows) else "l"
            for place in range(len(self.headings))
        )
        lines = [" & ".join(map(escaped, self.headings)), *(" & ".join(map(_printed, row)) for row in self.rows)]
        return "\n".join(
            [
                f"% {plain(self.caption)}",
                "\\begin{table}",
                f"\\caption{{{escaped(self.caption)}}}",
                f"\\label{{tab:{self.name}}}",
                f"\\begin{{tabular}}{{{columns}}}",
                "\\toprule",
                lines[0] + " \\\\",
                "\\midrule",
                *(f"{line} \\\\" for line in lines[1:]),
                "\\bottomrule",
                "\\end{tabular}",
                "\\end{table}",
                "",
            ]
        )


def write(
    studies: Sequence[Study], claims: Sequence[Sequence[Claim]], standard: Sequence[Standardised], output: Path
) -> list[str]:
    """Write the tables and the figures over studies, and return the files' names within ``output``.

    Args:
        studies: All studies of the report.
        claims: The claims of each, as `haa.report.verdict.family` returns them.
        standard: What `haa.report.pays.standard.standardise` returns for them.
        output: The report's folder: ``tables/`` has ``NAME.csv`` and ``NAME.tex``, ``figures/`` has ``NAME.pdf``.
    """
    written = []
    firsts = [each[0] if each else None for each in claims]
    for table in (
        _consistency(studies),
        _alignment(studies, firsts),
        _explainability(studies, firsts),
        _standard(standard),
    ):
        if not table.rows:
            continue
        make_folder(output / "tables")
        for ending, text in (("csv", table.csv()), ("tex", table.tex())):
            write_whole(output / "tables" / f"{table.name}.{ending}", text)
            written.append(f"tables/{table.name}.{ending}")
    for name, figure in (("backbones", backbones(studies, firsts)), ("gains", gains(standard))):
        if figure is not None:
            figures.save(figure, output / "figures", name)
            written.append(f"figures/{name}.pdf")
    return written


def escaped(text: str) -> str:
    r"""Return a text as LaTeX prints it.

    Example:
        >>> print(escaped("top_1 & 5 %"))
        top\_1 \& 5 \%
    """
    special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}
    special |= {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"−": "$-$", "δ": "$\\delta$", "±": "$\\pm$", "→": "$\\to$"}
    return "".join(special.get(letter, letter) for letter in plain(text))


def _printed(value: str | Number) -> str:
    if isinstance(value, str):
        return escaped(value)
    if value.value is None or not math.isfinite(value.value):
        return "--"
    number = f"${value.value:.3f}$"
    if value.low is None or value.high is None:
        return number
    return f"{number} (${value.low:.3f}$ to ${value.high:.3f}$)"


def _mean(arm: Arm, metric: str) -> Number:
    values = list(arm.values(metric).values())
    if not values:
        return Number(None)
    estimate = statistics.mean(values)
    return Number(estimate.mean, estimate.low, estimate.high)


def _difference(found: Comparison | None) -> Number:
    if found is None:
        return Number(None)
    return Number(found.difference.mean, found.difference.low, found.difference.high)


def _gaze(study: Study) -> str:
    return "simulated" if study.simulated else "predicted" if any(arm.predicted for arm in study.arms) else "recorded"


def _consistency(studies: Sequence[Study]) -> Table:
    """Return how close machine attention is to human attention."""
    names = [name for name in CONSISTENCY if any(name in study.metrics for study in studies)]
    rows: list[list[str | Number]] = []
    for study in studies:
        if not set(names) & set(study.metrics):
            continue
        rows += [
            [study.title, _gaze(study), arm.label, str(len(arm.runs)), *(_mean(arm, name) for name in names)]
            for arm in study.arms
        ]
        known = (run.summary["references"] for run in study.runs if "references" in run.summary)
        references: dict[str, dict[str, float]] = next(known, {})
        rows += [
            [study.title, _gaze(study), name, "", *(Number(row.get(metric)) for metric in names)]
            for name, row in references.items()
        ]
    return Table(
        "consistency",
        "Attention against human gaze of the test split: mean over seeds (95 % interval), and what needs no model",
        ["study", "gaze", "attention of", "seeds", *names],
        rows,
    )


def _alignment(studies: Sequence[Study], claims: Sequence[Claim | None]) -> Table:
    """Return what alignment adds."""
    rows: list[list[str | Number]] = []
    for study, claim in zip(studies, claims, strict=True):
        if claim is None:
            continue
        baseline = study.baseline
        rows.append(
            [
                study.title,
                _gaze(study),
                study.metric,
                Number(None) if baseline is None else _mean(baseline, study.metric),
                claim.arm.label,
                _mean(claim.arm, study.metric),
                _difference(claim.baseline),
                ", ".join(c.other.label for c in claim.controls) or "none",
                _difference(_hardest(study, claim)),
                claim.word,
            ]
        )
    return Table(
        "alignment",
        "What alignment adds to the score: differences with 95 % intervals over seeds and test stimuli together; of "
        "several controls, the one that did best",
        [
            "study",
            "gaze",
            "metric",
            "no alignment",
            "aligned",
            "score",
            "less no alignment",
            "controls",
            "less the control",
            "verdict",
        ],
        rows,
    )


def _hardest(study: Study, claim: Claim) -> Comparison | None:
    return min(claim.controls, key=lambda c: study.sign(study.metric) * c.difference.mean, default=None)


def _explainability(studies: Sequence[Study], claims: Sequence[Claim | None]) -> Table:
    """Return whether alignment makes the map more faithful to its model."""
    rows: list[list[str | Number]] = []
    for study, claim in zip(studies, claims, strict=True):
        baseline = study.baseline
        if claim is None or baseline is None:
            continue
        for metric in FAITHFULNESS:
            if metric in study.metrics:
                found = compare(study, claim.arm, baseline, metric)
                better = "less" if study.sign(metric) < 0 else "more"
                before, after = _mean(baseline, metric), _mean(claim.arm, metric)
                rows.append([study.title, metric, better, before, claim.arm.label, after, _difference(found)])
    return Table(
        "explainability",
        "Faithfulness of the map to its model, less that of random maps, before and after alignment (95 % intervals)",
        ["study", "metric", "better is", "no alignment", "aligned", "with alignment", "difference"],
        rows,
    )


def _standard(found: Sequence[Standardised]) -> Table:
    """Return every study in one unit, in which tasks and backbones can be compared."""

    def number(effect: Effect | None) -> Number:
        return Number(None) if effect is None else Number(effect.value, effect.low, effect.high)

    rows: list[list[str | Number]] = []
    for row in found:
        effects = (row.to_baseline, row.to_control, row.attention_to_baseline, row.attention_to_control)
        rows.append([row.study.title, _gaze(row.study), str(row.seeds), *map(number, effects)])
    return Table(
        "standard",
        "Human gaze against no alignment and against another picture's gaze, in standard deviations of a run (95 % "
        "intervals)",
        [
            "study",
            "gaze",
            "seeds",
            "score less no alignment",
            "score less control",
            "attention less no alignment",
            "attention less control",
        ],
        rows,
    )


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
    x, y = _mean(arm, across).value, _mean(arm, up).value
    return None if x is None or y is None else (x, y)


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


def shown(files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each file with what it is called on the page."""
    for file in files:
        path = Path(file)
        yield file, f"{path.stem} ({path.suffix[1:]})"
