"""Tables as a paper prints them, over all studies of a report, as csv and as LaTeX; the figures are in `across`.

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

from haa.disk import make_folder, write_whole
from haa.disk.bounded import read_object
from haa.errors import reading
from haa.printing.plain import cell, plain
from haa.reporting import across, figures, statistics
from haa.reporting.arms import FAITHFULNESS, Arm, Study
from haa.reporting.compare import Comparison, compare
from haa.reporting.pays.standard import Effect, Standardised
from haa.reporting.verdict import Claim
from haa.run_folder import PROBE

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
    studies: Sequence[Study],
    claims: Sequence[Sequence[Claim]],
    standard: Sequence[Standardised],
    folders: Sequence[Path],
    output: Path,
) -> list[str]:
    """Write the tables and the figures over studies, and return the files' names within ``output``.

    Args:
        studies: All studies of the report.
        claims: The claims of each, as `haa.reporting.verdict.family` returns them.
        standard: What `haa.reporting.pays.standard.standardise` returns for them.
        folders: Where runs were looked for; what ``haa probe`` wrote there makes the table of layers.
        output: The report's folder: ``tables/`` has ``NAME.csv`` and ``NAME.tex``, ``figures/`` has ``NAME.pdf``.
    """
    written = []
    firsts = [each[0] if each else None for each in claims]
    for table in (
        _consistency(studies),
        _alignment(studies, firsts),
        _explainability(studies, firsts),
        _standard(standard),
        layers(folders),
    ):
        if not table.rows:
            continue
        make_folder(output / "tables")
        for ending, text in (("csv", table.csv()), ("tex", table.tex())):
            write_whole(output / "tables" / f"{table.name}.{ending}", text)
            written.append(f"tables/{table.name}.{ending}")
    for name, figure in (("backbones", across.backbones(studies, firsts)), ("gains", across.gains(standard))):
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
        rows += [
            [study.title, _gaze(study), name, "", *(Number(row.get(metric)) for metric in names)]
            for name, row in study.references.items()
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


def layers(folders: Sequence[Path]) -> Table:
    """Return how close every stage of the networks is to human attention that ``haa probe`` looked at in some folders.

    Raises:
        InputError: If a probe.json is none that haa writes.
    """
    again = "probe again, or take the folder away"
    rows: list[list[str | Number]] = []
    metrics: dict[str, None] = {}
    found = dict.fromkeys(path for folder in folders for path in sorted(folder.glob(f"**/{PROBE}")))
    probes = {path: read_object(path, again) for path in found}
    for path, probe in probes.items():
        with reading(path, again):
            metrics |= dict.fromkeys(map(plain, probe["higher_is_better"]))
    for path, probe in probes.items():
        with reading(path, again):
            gaze = "simulated" if probe["simulated_gaze"] else "recorded"
            about = [plain(str(probe[key])) for key in ("network", "weights", "data")]
            for row in probe["rows"]:
                values = [row["metrics"].get(name) or {} for name in metrics]
                numbers = [Number(*(_number(value.get(key)) for key in ("mean", "low", "high"))) for value in values]
                words = [plain(str(row["name"])), plain(str(row["of"])), str(row["stride"] or "")]
                rows.append([*about, gaze, *words, str(int(probe["stimuli"])), *numbers])
    return Table(
        "layers",
        "Consistency of every stage of a network with human gaze, as it is: mean over stimuli (95 % interval)",
        ["network", "weights", "data", "gaze", "stage", "of", "stride", "stimuli", *metrics],
        rows,
    )


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def shown(files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each file with what it is called on the page."""
    for file in files:
        path = Path(file)
        yield file, f"{path.stem} ({path.suffix[1:]})"
