"""Page that answers a study: self-contained HTML, with summary.csv and the figures beside it."""

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
from haa.report.arms import Arm, Study, studies
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
"""Number of arms above which curves and gallery show only the arms that the answer is about."""


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
        folders: Run folders, or folders that hold some.
        output: Folder to write to; the files of an earlier report in it are replaced.
        metric: Metric that the verdict is about; None is the one by which each task selects its checkpoint.

    Returns:
        Path of the page.

    Raises:
        InputError: If there is no finished run, or none has the metric.
    """
    study_list = studies(collect(folders), metric)
    output.mkdir(parents=True, exist_ok=True)
    views, csv_lines = [], []
    for k, study in enumerate(study_list):
        prefix = "" if len(study_list) == 1 else f"study{k + 1}_"
        view, study_lines = _study(study, output, f"study{k + 1}", prefix)
        views.append(view)
        csv_lines += study_lines
    heading = "haa report" if len(study_list) == 1 else f"haa report: {len(study_list)} studies"
    title = f"haa report: {study_list[0].title}" if len(study_list) == 1 else heading
    page = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=title,
            heading=heading,
            runs=_count(study_list),
            caveats=overall(study_list, unfinished(folders)),
            studies=views,
            across=_across(study_list, output),
            version=haa.__version__,
        )
    )
    (output / "summary.csv").write_text(_csv(csv_lines))
    path = output / "index.html"
    path.write_text(page)
    return path


def _study(study: Study, output: Path, name: str, prefix: str) -> tuple[dict[str, Any], list[list[Any]]]:
    study_claims = claims(study)
    by_metric = {metric: rows(study, metric) for metric in study.metrics}
    headline, sentences = answer(study, study_claims)
    treatment = study_claims[0].arm if study_claims else None
    drawn_arms = _told(study, treatment)
    verdict_by_label = {claim.arm.label: str(claim.word) for claim in study_claims}
    view = {
        "id": name,
        "title": study.title,
        "word": study_claims[0].word.replace(" ", "-") if study_claims else "none",
        "short": headline,
        "sentences": sentences,
        "caveats": caveats(study),
        "table": [
            {"metric": metric, "lower": study.sign(metric) < 0, "rows": [_cells(row) for row in lines]}
            for metric, lines in by_metric.items()
        ],
        "figures": _figures(study, by_metric[study.metric], drawn_arms, output, name, prefix),
        "gallery": gallery(study, drawn_arms, treatment),
    }
    return view, [_line(study, row, verdict_by_label) for lines in by_metric.values() for row in lines]


def _told(study: Study, treatment: Arm | None) -> list[Arm]:
    """Return the arms that pictures show: the treatment and what it is compared with, or all where they are few."""
    if treatment is None or len(study.arms) <= MANY:
        return study.arms
    compared = [treatment, *study.controls(treatment)]
    return [arm for arm in study.arms if arm.role == "baseline" or arm in compared]


def _figures(study: Study, lines: list[Row], told: list[Arm], output: Path, name: str, prefix: str) -> list[Drawing]:
    references = _references(study)
    metrics = [study.metric] + ([study.attention] if study.attention else [])
    drawn_references = [row for key, row in references.items() if key != "another image" and study.attention in row]
    candidates = [
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
            figures.dose(study, metrics, references),
            "Mean over seeds with its interval as a band."
            + (" Horizontal lines: what the centre prior and other people's gaze score." if drawn_references else ""),
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
    drawings = []
    for key, heading, figure, caption, description in candidates:
        if figure is not None:
            alt = f"{heading or 'Differences'}: {description}"
            drawings.append(
                _drawing(figure, output, f"{prefix}{key}", f"{name}-{key}", heading, caption, alt, not heading)
            )
    return drawings


def _drawing(
    figure: Figure, output: Path, file: str, name: str, heading: str, caption: str, alt: str, first: bool = False
) -> Drawing:
    figures.save(figure, output / "figures", file)
    return Drawing(heading, Markup(figures.inline(figure, name, alt)), caption, f"figures/{file}.svg", first)


def _across(found: Sequence[Study], output: Path) -> dict[str, Any] | None:
    """Correlate task performance with attention consistency, over all runs of a study and within its conditions."""
    correlations = [_correlation(study) for study in found]
    sentences = []
    for study, (overall_, within) in zip(found, correlations, strict=True):
        if overall_ is None:
            continue
        prefix = f"{study.title}: " if len(found) > 1 else ""
        sentence = (
            f"{prefix}over {overall_.n} runs, {study.metric} and {study.attention} correlate with r = {_r(overall_)}"
        )
        sentence += f"; Spearman's ρ is {number(overall_.rank, 2)}."
        if within is not None:
            sentence += f" Within conditions, each taken less its own mean, r is {_r(within)}."
        sentences.append(sentence[0].upper() + sentence[1:])
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
        if arm.oracle:  # its attention is the human map: it says nothing about models
            continue
        arm_x, arm_y = figures.points(study, arm)
        x, y = x + arm_x, y + arm_y
        if len(arm_x) > 1:
            mean_x, mean_y = sum(arm_x) / len(arm_x), sum(arm_y) / len(arm_y)
            centred += [(a - mean_x, b - mean_y) for a, b in zip(arm_x, arm_y, strict=True)]
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
    mean_and_interval = [e.mean, e.low, e.high] if e else [None] * 3
    verdict = words.get(row.arm.label) if row.metric == study.metric else None
    first_cells = [
        study.title,
        row.metric,
        row.arm.label,
        row.arm.condition,
        f"{row.arm.weight:g}",
        len(row.arm.runs),
        *mean_and_interval,
    ]
    if c is None:
        return [*first_cells, *[None] * 9, verdict]
    d, samples = c.difference, c.samples or (None, None)
    return [*first_cells, d.mean, d.low, d.high, *samples, d.p, c.corrected, d.effect, d.n, verdict]


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
