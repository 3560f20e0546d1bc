"""One page that answers a study: self-contained HTML, beside it summary.csv and the figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

import haa
from haa.report import figures, statistics
from haa.report.answer import answer, interval, number, p_value, signed
from haa.report.arms import Arm, Study, sign, studies
from haa.report.caveats import caveats, overall
from haa.report.collect import collect, unfinished
from haa.report.compare import Row, rows
from haa.report.gallery import gallery
from haa.report.statistics import Correlation
from haa.report.verdict import claims

COLUMNS = [
    "study",
    "metric",
    "arm",
    "condition",
    "weight",
    "runs",
    "mean",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "samples_low",
    "samples_high",
    "p",
    "p_holm",
    "g_z",
    "paired_seeds",
    "verdict",
]
MANY = 5
"""Arms above which curves and gallery show only those that the answer is about."""


@dataclass(frozen=True)
class Drawing:
    """A figure as the page shows it."""

    heading: str
    svg: Markup
    caption: str
    file: str
    first: bool = False


def write(folders: Sequence[Path], output: Path, metric: str | None = None) -> Path:
    """Write index.html, summary.csv and figures/ for the runs in some folders.

    Args:
        folders: run folders, or folders that hold some.
        output: where to; what it holds of an earlier report is replaced.
        metric: what the verdict is about; None is what each task selects its checkpoint by.

    Returns:
        The page.

    Raises:
        InputError: if there is no finished run, or none has the metric.
    """
    found = studies(collect(folders), metric)
    output.mkdir(parents=True, exist_ok=True)
    shown, table = [], []
    for k, study in enumerate(found):
        prefix = "" if len(found) == 1 else f"study{k + 1}_"
        view, lines = _study(study, output, f"study{k + 1}", prefix)
        shown.append(view)
        table += lines
    page = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=f"haa report: {found[0].title}" if len(found) == 1 else f"haa report: {len(found)} studies",
            heading="haa report" if len(found) == 1 else f"haa report: {len(found)} studies",
            runs=_count(found),
            caveats=overall(found, unfinished(folders)),
            studies=shown,
            across=_across(found, output),
            version=haa.__version__,
        )
    )
    (output / "summary.csv").write_text(_csv(table))
    path = output / "index.html"
    path.write_text(page)
    return path


def _study(study: Study, output: Path, name: str, prefix: str) -> tuple[dict[str, Any], list[list[Any]]]:
    found = claims(study)
    by_metric = {metric: rows(study, metric) for metric in study.metrics}
    short, sentences = answer(study, found)
    first = found[0].arm if found else None
    told = _told(study, first)
    words = {claim.arm.label: str(claim.word) for claim in found}
    view = {
        "id": name,
        "title": study.title,
        "word": found[0].word.replace(" ", "-") if found else "none",
        "short": short,
        "sentences": sentences,
        "caveats": caveats(study),
        "table": [
            {"metric": metric, "lower": sign(metric) < 0, "rows": [_cells(row) for row in lines]}
            for metric, lines in by_metric.items()
        ],
        "figures": _figures(study, by_metric[study.metric], told, output, name, prefix),
        "gallery": gallery(study, told, first),
    }
    return view, [_line(study, row, words) for lines in by_metric.values() for row in lines]


def _told(study: Study, treatment: Arm | None) -> list[Arm]:
    """The arms that pictures show: what the answer is about and what it is compared with, or all where they are few."""
    if treatment is None or len(study.arms) <= MANY:
        return study.arms
    beside = [treatment, *study.controls(treatment)]
    return [arm for arm in study.arms if arm.kind == "baseline" or arm in beside]


def _figures(study: Study, lines: list[Row], told: list[Arm], output: Path, name: str, prefix: str) -> list[Drawing]:
    references = _references(study)
    shown = [study.metric] + ([study.attention] if study.attention else [])
    beside = [row for key, row in references.items() if key != "another image" and study.attention in row]
    made = [
        (
            "differences",
            "",
            figures.differences(study, lines),
            f"Difference to the baseline in {study.metric}. Thin lines: intervals over seeds; thick: over samples.",
            ", ".join(f"{row.arm.label} {signed(row.comparison.difference.mean)}" for row in lines if row.comparison),
        ),
        (
            "weights",
            "By weight",
            figures.dose(study, shown, references),
            "Mean over seeds with its interval as a band."
            + (" Horizontal lines: what the centre prior and other people's gaze score." if beside else ""),
            "; ".join(f"{row.arm.label} {number(row.estimate.mean)}" for row in lines if row.estimate),
        ),
        (
            "curves",
            "Learning curves",
            figures.curves(study, told),
            "Mean over seeds, from the lowest to the highest as a band.",
            f"validation {study.metric} by epoch for each condition",
        ),
    ]
    out = []
    for key, heading, figure, caption, description in made:
        if figure is not None:
            alt = f"{heading or 'Differences'}: {description}"
            out.append(_drawing(figure, output, f"{prefix}{key}", f"{name}-{key}", heading, caption, alt, not heading))
    return out


def _drawing(
    figure: Figure, output: Path, file: str, name: str, heading: str, caption: str, alt: str, first: bool = False
) -> Drawing:
    figures.save(figure, output / "figures", file)
    return Drawing(heading, Markup(figures.inline(figure, name, alt)), caption, f"figures/{file}.svg", first)


def _across(found: Sequence[Study], output: Path) -> dict[str, Any] | None:
    """Task performance against attention consistency: over all runs of a study, and within its conditions."""
    correlations = [_correlation(study) for study in found]
    sentences = []
    for study, (overall_, within) in zip(found, correlations, strict=True):
        if overall_ is None:
            continue
        where = f"{study.title}: " if len(found) > 1 else ""
        said = f"{where}over {overall_.n} runs, {study.metric} and {study.attention} correlate with r = {_r(overall_)}"
        said += f"; Spearman's ρ is {number(overall_.rank, 2)}."
        if within is not None:
            said += f" Within conditions, each taken less its own mean, r is {_r(within)}."
        sentences.append(said[0].upper() + said[1:])
    if not sentences:
        return None
    sentences.append(
        "A correlation over conditions is not a cause: the conditions set both. Its interval takes runs as independent."
    )
    figure = figures.consistency(found, [pair[0] for pair in correlations])
    if figure is None:
        return None
    caption = "Each dot is a run: how well it did against how human its attention is."
    drawing = _drawing(figure, output, "consistency", "across", "", caption, " ".join(sentences))
    return {"sentences": sentences, **vars(drawing)}


def _correlation(study: Study) -> tuple[Correlation | None, Correlation | None]:
    x: list[float] = []
    y: list[float] = []
    centred: list[tuple[float, float]] = []
    for arm in study.arms:
        if arm.oracle:  # its attention is the human's, so that it says nothing of machines
            continue
        own_x, own_y = figures.points(study, arm)
        x, y = x + own_x, y + own_y
        if len(own_x) > 1:
            mean_x, mean_y = sum(own_x) / len(own_x), sum(own_y) / len(own_y)
            centred += [(a - mean_x, b - mean_y) for a, b in zip(own_x, own_y, strict=True)]
    within = statistics.correlation([a for a, _ in centred], [b for _, b in centred])
    return statistics.correlation(x, y), within


def _r(found: Correlation) -> str:
    spread = "" if found.low is None else f" ({number(found.low, 2)} to {number(found.high, 2)})"
    return f"{number(found.r, 2)}{spread}"


def _references(study: Study) -> dict[str, dict[str, float]]:
    return next((run.summary["references"] for run in study.runs if "references" in run.summary), {})


def _cells(row: Row) -> list[str]:
    estimate, c = row.estimate, row.comparison
    cells = [row.arm.label, str(len(row.arm.runs))]
    cells += ["undefined", "–"] if estimate is None else [number(estimate.mean), _spread(estimate.low, estimate.high)]
    if c is None:
        return [*cells, "", "", "", "", ""]
    samples = "–" if c.samples is None else _spread(*c.samples)
    d = c.difference
    p = "–" if c.corrected is None else p_value(c.corrected).removeprefix("p = ").removeprefix("p ")
    return [*cells, signed(d.mean), _spread(d.low, d.high), samples, p, number(d.effect, 2)]


def _spread(low: float | None, high: float | None) -> str:
    return "–" if low is None else interval(low, high)


def _line(study: Study, row: Row, words: dict[str, str]) -> list[Any]:
    e, c = row.estimate, row.comparison
    own = [e.mean, e.low, e.high] if e else [None] * 3
    verdict = words.get(row.arm.label) if row.metric == study.metric else None
    start = [study.title, row.metric, row.arm.label, row.arm.condition, f"{row.arm.weight:g}", len(row.arm.runs), *own]
    if c is None:
        return [*start, *[None] * 9, verdict]
    d, samples = c.difference, c.samples or (None, None)
    return [*start, d.mean, d.low, d.high, *samples, d.p, c.corrected, d.effect, d.n, verdict]


def _csv(table: list[list[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([f"{cell:.9g}" if isinstance(cell, float) else cell for cell in line] for line in table)
    return file.getvalue()


def _count(found: Sequence[Study]) -> str:
    runs = sum(len(study.runs) for study in found)
    seeds = {seed for study in found for arm in study.arms for seed in arm.runs}
    return f"{runs} runs, {len(seeds)} seeds" if len(seeds) > 1 else f"{runs} runs, 1 seed"


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("haa.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
