"""Finished runs by condition, in one table on the console."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from haa.report.collect import Run, collect


def show(folders: Sequence[Path], console: Console | None = None) -> None:
    """Print mean and standard deviation over seeds for every data set, condition and weight.

    Args:
        folders: run folders, or folders that hold some.
        console: where to print.
    """
    console = console or Console()
    groups: dict[str, list[Run]] = {}
    for run in collect(folders):
        groups.setdefault(_title(run), []).append(run)
    for title, runs in groups.items():
        console.print(_table(title, runs))


def _title(run: Run) -> str:
    data = run.config["data"]
    world = f", world={data['world']}" if "world" in data else ""
    gaze = ", simulated gaze" if run.summary["simulated_gaze"] else ""
    return f"{run.config['task']['name']} on {data['_target_'].rsplit('.', 1)[-1].lower()}{world}{gaze}"


def _table(title: str, runs: list[Run]) -> Table:
    arms: dict[tuple[float, str], list[Run]] = {}
    for run in runs:
        arms.setdefault((run.config["align_weight"], run.condition), []).append(run)
    names = [name for name in runs[0].summary["metrics"] if name != "loss"]
    table = Table(title=f"{title}: mean ± standard deviation over seeds, test split", title_justify="left")
    for heading in ("condition", "align_weight"):
        table.add_column(heading)
    for heading in ("runs", *names):
        table.add_column(heading, justify="right")
    for (weight, condition), members in sorted(arms.items()):
        cells = [_spread([run.summary["metrics"].get(name) for run in members]) for name in names]
        table.add_row(condition, f"{weight:g}", str(len(members)), *cells)
    return table


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "undefined"
    mean = f"{statistics.fmean(known):.3f}"
    return f"{mean} ± {statistics.stdev(known):.3f}" if len(known) > 1 else mean
