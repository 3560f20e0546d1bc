"""`haa.report`: the answer of a study as an object, which shows itself in a notebook."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from haa.errors import InputError
from haa.interface.html import Picture, block, near, table, text_table
from haa.reporting import figures
from haa.reporting.answer import interval, number, p_value, signed
from haa.reporting.arms import Study as Compared
from haa.reporting.collect import read
from haa.reporting.compare import Row, rows
from haa.reporting.judged import judge
from haa.reporting.page import write
from haa.reporting.verdict import Claim

HEADINGS = ["arm", "runs", "mean", "difference to baseline", "95 % interval", "p (Holm)"]


@dataclass(frozen=True)
class Answer:
    """Answer of one study: runs that differ in condition, weight and seed, and in nothing else."""

    study: Compared = field(repr=False)
    """The study, as the page sees it."""
    claims: list[Claim] = field(repr=False)
    """What is claimed of each treatment, the first being the answer."""
    headline: str
    """First line of the answer."""
    sentences: list[str]
    """What has to be known of it."""

    @property
    def verdict(self) -> str:
        """Word of the answer: gaze helps, inconclusive and so on; no treatment where nothing was aligned."""
        return self.claims[0].word if self.claims else "no treatment"

    @property
    def title(self) -> str:
        """What was studied."""
        return f"{self.study.title}{', simulated gaze' if self.study.simulated else ''}"

    def table(self, metric: str | None = None) -> tuple[list[str], list[list[str]]]:
        """Return the headings and rows of a metric's table: every arm, and its difference to the baseline.

        Args:
            metric: Name of the metric; None is the one that the answer is about.

        Raises:
            InputError: If the study has no such metric.
        """
        metric = metric or self.study.metric
        if metric not in self.study.metrics:
            raise InputError(f"no metric {metric}: there are {', '.join(self.study.metrics)}")
        return HEADINGS, [_cells(row) for row in rows(self.study, metric)]

    def draw(self) -> list[Picture]:
        """Draw the differences to the baseline, and the metrics by weight, as far as there are some."""
        metrics = [self.study.metric, *([self.study.attention] if self.study.attention else [])]
        drawn: list[tuple[Figure | None, str]] = [
            (figures.differences(self.study, rows(self.study, self.study.metric)), "Differences to the baseline"),
            (figures.dose(self.study, metrics, self.study.references), "Metrics by weight"),
        ]
        return [Picture(figure, f"{what}: {self.headline}") for figure, what in drawn if figure is not None]


@dataclass(frozen=True)
class Report:
    """What ``haa report`` answers: a page, and for each study its answer, table and figures.

    Args:
        page: The page, index.html; its folder has the tables and figures for a paper.
        answers: An answer for each study.
    """

    page: Path
    answers: list[Answer]

    @property
    def verdict(self) -> str:
        """Word of the answer.

        Raises:
            InputError: If there are several studies: `answers` has the verdict of each.
        """
        return self._one().verdict

    @property
    def answer(self) -> str:
        """First line of the answer.

        Raises:
            InputError: If there are several studies: `answers` has the answer of each.
        """
        return self._one().headline

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers)

    def __repr__(self) -> str:
        parts = [
            "\n".join([one.title, one.headline, *one.sentences, "", one.study.metric, text_table(*one.table())])
            for one in self.answers
        ]
        return "\n\n".join([*parts, f"page: {near(self.page)}"])

    def _repr_html_(self) -> str:
        parts = [
            block(
                f"{one.headline}",
                f"{one.title}. {' '.join(one.sentences)}",
                f"{one.study.metric}:",
                table(*one.table()),
                *(drawn._repr_html_() for drawn in one.draw()),
            )
            for one in self.answers
        ]
        count = f"{len(self.answers)} studies" if len(self.answers) > 1 else "haa report"
        return block(count, *parts, f"page: {near(self.page)}")

    def _one(self) -> Answer:
        if len(self.answers) != 1:
            raise InputError(f"there are {len(self.answers)} studies: .answers has one for each")
        return self.answers[0]


def report(
    *folders: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    metric: str | None = None,
    difference: float | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Report:
    """Compare finished runs, by condition and weight, and write the page: ``haa report``.

    Args:
        *folders: Runs, studies or folders that hold some.
        metric: Metric that the answer is about; None is the one that the task selects checkpoints by.
        difference: Smallest difference worth having, in units of the metric.
        output: Folder that the page goes to; None is report/ in the first of the folders.

    Returns:
        The answer, which shows itself.

    Raises:
        InputError: If there is no finished run, or none has the metric.

    Example:
        >>> import haa
        >>> haa.report("studies/none")
        Traceback (most recent call last):
        haa.errors.InputError: studies/none is not a folder: give a run's folder, or a sweep's
    """
    single = (str, os.PathLike)
    paths = [Path(one).expanduser() for part in folders for one in ([part] if isinstance(part, single) else part)]
    if not paths:
        raise InputError("no folder is given: give runs, a study, or folders that hold some")
    if difference is not None and difference <= 0:
        raise InputError(f"difference={difference}: give a positive number, in units of the metric")
    judged = judge(read(paths, none_finished=True), metric, difference)
    page = write(paths, paths[0] / "report" if output is None else Path(output), judged=judged)
    parts = zip(judged.studies, judged.claims, judged.answers, strict=True)
    return Report(page, [Answer(study, own, headline, sentences) for study, own, (headline, sentences) in parts])


def _cells(row: Row) -> list[str]:
    known, lost = len(row.arm.values(row.metric)), len(row.arm.missing(row.metric))
    cells = [row.arm.label, f"{known} of {known + lost}" if lost else str(known)]
    cells.append("undefined" if row.estimate is None else number(row.estimate.mean))
    if row.comparison is None:
        return [*cells, "", "", ""]
    d = row.comparison.difference
    p = "–" if row.comparison.corrected is None else p_value(row.comparison.corrected)
    return [*cells, signed(d.mean), "–" if d.low is None else interval(d.low, d.high), p]
