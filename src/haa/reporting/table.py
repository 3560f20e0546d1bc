"""Finished runs by arm, in one table for each study, on the console."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from haa.printing.console import Console
from haa.printing.plain import plain, short
from haa.reporting.arms import Arm, Study, studies
from haa.reporting.caveats import damaged
from haa.reporting.collect import Found, read
from haa.reporting.judged import Judged

LABEL = 80
"""Characters of the longest name in a table."""
MEANS = ": mean ± standard deviation over seeds, test split"


def show(folders: Sequence[Path], console: Console | None = None, found: Found | None = None) -> None:
    """Print mean and standard deviation over seeds for every arm of every study.

    Args:
        folders: Run folders, or folders that hold some.
        console: Where to print.
        found: What is in the folders, where it has been read already.
    """
    console = console or Console()
    runs, lost = found or read(folders, none_finished=True)
    for study in studies(runs):
        gaze = ", simulated gaze" if study.simulated else ""
        heading = Text.assemble(("\n" + plain(study.title) + gaze, "bold"), MEANS)
        console.print(heading)
        for table in _tables(study, console.width):
            console.print(table)
        never = [name for name in _all_metrics(study) if name not in study.metrics]
        if never:
            names = ", ".join(never)
            console.print(f"undefined in every run, mostly for want of recorded gaze: {names}", style="dim")
        if any(arm.predicted for arm in study.arms):
            console.print("predicted gaze: a saliency model's, where nobody's was recorded", style="dim")
    for line in damaged(lost):
        console.print(line, soft_wrap=True)


def show_answers(judged: Judged, console: Console | None = None) -> None:
    """Print the answer of every study: in a few words, and the sentence with its interval.

    Args:
        judged: Studies and their claims.
        console: Where to print.
    """
    console = console or Console()
    for study, (headline, sentences) in zip(judged.studies, judged.answers, strict=True):
        about = f"{plain(study.title)}: " if len(judged.studies) > 1 else ""
        console.print(Text.assemble(("\n" + about + plain(headline), "bold")), soft_wrap=True)
        console.print(Text(plain(" ".join(sentences[:2]))), soft_wrap=True)


def _all_metrics(study: Study) -> list[str]:
    return list(dict.fromkeys(name for run in study.runs for name in run.summary["metrics"] if name != "loss"))


def _tables(study: Study, width: int) -> Iterator[Table]:
    """Yield as many tables as the console's width asks for, the baseline first in each, an oracle at the end."""
    names = [name for name in _all_metrics(study) if name in study.metrics]
    first = study.of("baseline")
    others = [arm for arm in study.arms if arm.role != "baseline"]
    others.sort(key=lambda arm: (arm.oracle, arm.weight, arm.condition, arm.loss))
    cells = [spread(arm, name) for arm in study.arms for name in names]
    room = (width - max(map(len, ["metric", *names])) - 2) // (max(map(len, cells), default=1) + 3)
    step = max(1, room - len(first))
    for start in range(0, max(1, len(others)), step):
        yield _table([*first, *others[start : start + step]], names)


def _table(arms: list[Arm], names: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    for arm in arms:
        # a word a line: a column is as wide as its numbers
        heading = short(arm.label, LABEL).replace(", ", ",\n")
        table.add_column(heading.replace(" ", "\n", heading.count(" predicted")), justify="right", no_wrap=True)
    for name in names:
        table.add_row(short(name, LABEL), *(spread(arm, name) for arm in arms))
    table.add_row("seeds", *(str(len(arm.runs)) for arm in arms))
    return table


def spread(arm: Arm, metric: str) -> str:
    """Return mean ± standard deviation over seeds; the mean alone of one seed."""
    values = list(arm.values(metric).values())
    if not values:
        return "undefined"
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean
