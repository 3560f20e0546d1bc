"""Page that answers a study: self-contained HTML, with summary.csv and the figures beside it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

import haa
from haa.disk import make_folder, write_whole
from haa.printing.pages import template
from haa.printing.plain import cell
from haa.reporting import figures, names, style
from haa.reporting.answer import interval, number, p_value, signed
from haa.reporting.arms import Arm, Study
from haa.reporting.caveats import caveats, overall
from haa.reporting.collect import nothing, read
from haa.reporting.compare import Row, rows
from haa.reporting.gallery import gallery
from haa.reporting.judged import Judged, judge
from haa.reporting.paper import captions
from haa.reporting.paper.write import write as write_paper
from haa.reporting.pays.answer import CAPTION, HEADINGS, SAMPLE_HEADINGS, cells, pays, sample_cells, sentences
from haa.reporting.pays.standard import standardise
from haa.reporting.settings import HARMLESS
from haa.reporting.verdict import Claim

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
    "p",
    "p_holm",
    "g_z",
    "paired_seeds",
    "stimuli",
    "test_split_share",
    "lost_runs",
    "align_loss_at_start",
    "verdict",
    "verdict_p",
]
_COLOUR = {"gaze helps": "helps", "gaze harms": "harms"}
MANY = 5
"""Number of arms above which curves and gallery show only the arms that the answer is about."""


@dataclass(frozen=True)
class Drawing:
    """A figure as the page shows it."""

    heading: str
    svg: Markup
    caption: str
    name: str
    """Name of its files, without their endings."""
    first: bool = False


def write(
    folders: Sequence[Path],
    output: Path,
    metric: str | None = None,
    difference: float | None = None,
    judged: Judged | None = None,
) -> Path:
    """Write index.html, summary.csv, and a paper's figures/, tables/ and text/ for the runs in some folders.

    Args:
        folders: Run folders, or folders that hold some.
        output: Folder to write to; the files of an earlier report in it are replaced.
        metric: Metric that the verdict is about; None is the one by which each task selects its checkpoint.
        difference: Smallest difference worth having, in units of the metric; None is what the runs were given.
        judged: What is claimed of the runs, where they have been read and judged already, by this metric.

    Returns:
        Path of the page.

    Raises:
        InputError: If there is no finished run, in which case a page tells of damaged ones; if none has the metric; or
            if the disk refuses the page.
    """
    judged = judged or judge(read(folders, none_finished=True), metric, difference)
    study_list, claim_lists, lost = judged.studies, judged.claims, judged.lost
    if not study_list and not any(run.damaged for run in lost):
        raise nothing(folders, lost)
    make_folder(output)
    views, csv_lines = [], []
    for k, (study, study_claims, told) in enumerate(zip(study_list, claim_lists, judged.answers, strict=True)):
        prefix = "" if len(study_list) == 1 else f"study{k + 1}_"
        view, study_lines = _study(study, study_claims, told, output, f"study{k + 1}", prefix)
        views.append(view)
        csv_lines += study_lines
    standard = standardise(study_list, claim_lists)
    drawn = [(drawing.name, drawing.caption) for view in views for drawing in _drawings(view)]
    paper = write_paper(study_list, claim_lists, standard, folders, output, drawn)
    heading = "haa report" if len(study_list) <= 1 else f"haa report: {len(study_list)} studies"
    title = f"haa report: {study_list[0].title}" if len(study_list) == 1 else heading
    page = template("haa.reporting").render(
        title=title,
        heading=heading,
        runs=_count(study_list),
        caveats=overall(study_list, lost),
        studies=views,
        standard=[cells(row) for row in standard],
        paper=paper,
        colours=[*enumerate(zip(style.COLOURS, style.DARK, strict=True))],
        headings=HEADINGS,
        caption=CAPTION,
        version=haa.__version__,
        harmless=", ".join(HARMLESS),
    )
    write_whole(output / "summary.csv", _csv(csv_lines))
    path = output / "index.html"
    write_whole(path, page)
    if not study_list:
        raise nothing(folders, lost)
    return path


def _study(
    study: Study, study_claims: list[Claim], told: tuple[str, list[str]], output: Path, name: str, prefix: str
) -> tuple[dict[str, Any], list[list[Any]]]:
    by_metric = {metric: rows(study, metric) for metric in study.metrics}
    headline, sentences = told
    treatment = study_claims[0].arm if study_claims else None
    drawn_arms = _told(study, treatment)
    claim_by_label = {claim.arm.label: claim for claim in study_claims}
    sections, left_out = gallery(study, drawn_arms, treatment)
    view = {
        "id": name,
        "title": study.title,
        "word": _COLOUR.get(study_claims[0].word, "open") if study_claims else "open",
        "short": headline,
        "sentences": sentences,
        "caveats": caveats(study),
        "table": [
            {
                "metric": names.metric(metric),
                "key": metric,
                "lower": study.sign(metric) < 0,
                "rows": [_cells(row) for row in lines],
            }
            for metric, lines in by_metric.items()
        ],
        "figures": _figures(study, by_metric[study.metric], drawn_arms, output, name, prefix),
        "pays": _pays(study, study_claims, output, name, prefix),
        "gallery": sections,
        "pictures": left_out,
    }
    return view, [_line(study, row, claim_by_label) for lines in by_metric.values() for row in lines]


def _told(study: Study, treatment: Arm | None) -> list[Arm]:
    """Return the arms that pictures show: the treatment and what it is compared with, or all where they are few."""
    if treatment is None or len(study.arms) <= MANY:
        return study.arms
    compared = [treatment, *study.controls(treatment)]
    return [arm for arm in study.arms if arm.role == "baseline" or arm in compared]


def _drawings(view: dict[str, Any]) -> list[Drawing]:
    own = view["pays"]["figure"] if view["pays"] else None
    return [*view["figures"], *([] if own is None else [own])]


def _figures(study: Study, lines: list[Row], told: list[Arm], output: Path, name: str, prefix: str) -> list[Drawing]:
    references = study.references
    metrics = [study.metric] + ([study.attention] if study.attention else [])
    drawn_references = [row for key, row in references.items() if key != "another image" and study.attention in row]
    score, n = names.metric(study.metric), f"{captions.n([study])}."
    candidates: list[tuple[str, str, Callable[[float], Figure | None], str, str]] = [
        (
            "differences",
            "",
            lambda width: figures.differences(study, lines, width),
            f"Difference to no alignment in {score}. Dots: means; {captions.paired([study])}, not corrected for the "
            f"number of conditions. {n}",
            ", ".join(f"{row.arm.name} {signed(row.comparison.difference.mean)}" for row in lines if row.comparison),
        ),
        (
            "weights",
            "By weight",
            lambda width: figures.dose(study, metrics, references, width),
            f"By weight of the alignment loss: {captions.MEAN[0].lower()}{captions.MEAN[1:]}, upright."
            + (" Horizontal lines: what the centre prior and other people's gaze score." if drawn_references else "")
            + f" {n}",
            "; ".join(f"{row.arm.name} {number(row.estimate.mean)}" for row in lines if row.estimate),
        ),
        (
            "curves",
            "Learning curves",
            lambda width: figures.curves(study, told, width),
            f"Learning curves: mean over seeds, from the lowest to the highest as a band, which is no interval. {n}",
            f"validation {score} by epoch for each condition",
        ),
    ]
    drawings = []
    for key, heading, draw, caption, description in candidates:
        alt = f"{heading or 'Differences'}: {description}"
        drawing = _drawing(draw, output, f"{prefix}{key}", f"{name}-{key}", heading, caption, alt, not heading)
        drawings += [] if drawing is None else [drawing]
    return drawings


def _drawing(
    draw: Callable[[float], Figure | None],
    output: Path,
    file: str,
    name: str,
    heading: str,
    caption: str,
    alt: str,
    first: bool = False,
) -> Drawing | None:
    figure = style.save(draw, output / "figures", file)
    return None if figure is None else Drawing(heading, Markup(style.inline(figure, name, alt)), caption, file, first)


def _pays(study: Study, study_claims: list[Claim], output: Path, name: str, prefix: str) -> dict[str, Any] | None:
    """Return what is said of human attention and performance; None where attention is not scored, or is the task."""
    found = pays(study, study_claims)
    if found is None:
        return None
    caption = (
        "Score against attention's consistency with human gaze. Each dot is a run: above (or left) as it is, below (or "
        f"right) less what its condition and its seed do to both. {captions.n([study])}."
    )
    alt = f"{names.metric(study.metric)} against {names.metric(study.attention or '')}: " + " ".join(sentences(found))
    return {
        "sentences": sentences(found),
        "headings": SAMPLE_HEADINGS,
        "rows": sample_cells(found.samples) if found.samples else [],
        "figure": _drawing(
            lambda width: figures.consistency(study, width),
            *(output, f"{prefix}consistency", f"{name}-consistency", "", caption, alt),
        ),
    }


def _cells(row: Row) -> list[str]:
    estimate, c = row.estimate, row.comparison
    known, lost = len(row.arm.values(row.metric)), len(row.arm.missing(row.metric))
    cells = [row.arm.name, f"{known} of {known + lost}" if lost else str(known)]
    cells += ["undefined", "–"] if estimate is None else [number(estimate.mean), _spread(estimate.low, estimate.high)]
    if c is None:
        return [*cells, "", "", "", "", ""]
    d = c.difference
    p = "–" if c.corrected is None else p_value(c.corrected).removeprefix("p = ").removeprefix("p ")
    split = "–" if d.split is None or c.stimuli is None else f"{100 * d.split:.0f} %"
    return [*cells, signed(d.mean), _spread(d.low, d.high), split, p, number(d.effect, 2)]


def _spread(low: float | None, high: float | None) -> str:
    return "–" if low is None else interval(low, high)


def _line(study: Study, row: Row, claim_by_label: dict[str, Claim]) -> list[Any]:
    estimate, c = row.estimate, row.comparison
    mean_and_interval = [None] * 3 if estimate is None else [estimate.mean, estimate.low, estimate.high]
    claim = claim_by_label.get(row.arm.label) if row.metric == study.metric else None
    first_cells = [
        study.title,
        row.metric,
        row.arm.label,
        row.arm.condition,
        f"{row.arm.weight:g}",
        len(row.arm.runs),
        *mean_and_interval,
    ]
    last_cells = [
        len(row.arm.missing(row.metric)),
        row.arm.align_loss_at_start,
        None if claim is None else claim.word,
        None if claim is None else claim.p,
    ]
    if c is None:
        return [*first_cells, *[None] * 9, *last_cells]
    d = c.difference
    return [
        *first_cells,
        *(d.mean, d.low, d.high, d.p, c.corrected, d.effect, d.n, c.stimuli, d.split),
        *last_cells,
    ]


def _csv(table: list[list[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_shown(value) for value in line] for line in table)
    return file.getvalue()


def _shown(value: Any) -> Any:
    return f"{value:.9g}" if isinstance(value, float) and math.isfinite(value) else cell(value)


def _count(found: Sequence[Study]) -> str:
    runs = sum(len(study.runs) for study in found)
    seeds = {seed for study in found for arm in study.arms for seed in arm.runs}
    return f"{runs} runs, 1 seed" if len(seeds) == 1 else f"{runs} runs, {len(seeds)} seeds"
