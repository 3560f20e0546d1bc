"""Finished runs by condition, in one table on the console."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from haa.report.collect import Run, collect
from haa.run_folder import class_name


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
        console.print(f"\n[bold]{title}[/]: mean ± standard deviation over seeds, test split", highlight=False)
        defined = {name: any(run.summary["metrics"].get(name) is not None for run in runs) for name in _metrics(runs)}
        for table in _tables(runs, [name for name, known in defined.items() if known], console.width):
            console.print(table)
        if not all(defined.values()):
            never = ", ".join(name for name, known in defined.items() if not known)
            console.print(f"[dim]undefined in every run, mostly for want of recorded gaze: {never}[/]", highlight=False)
        if any(run.summary.get("gaze") == "predicted" for run in runs):
            console.print("[dim]predicted gaze: a saliency model's, where nobody's was recorded[/]", highlight=False)


def _title(run: Run) -> str:
    data = run.config["data"]
    world = f", world={data['world']}" if "world" in data else ""
    gaze = ", simulated gaze" if run.summary["simulated_gaze"] else ""
    return f"{run.config['task']['name']} on {class_name(data).lower()}{world}{gaze}"


def _metrics(runs: list[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.summary["metrics"] if name != "loss"))


def _tables(runs: list[Run], names: list[str], width: int) -> Iterator[Table]:
    """As many tables as the console's width asks for, the baseline first in each."""
    arms: dict[tuple[float, str], dict[int, Run]] = {}
    for run in runs:
        # without alignment the condition changes nothing: a baseline swept over conditions is one run per seed
        # and an oracle, which has nothing left to align, comes last
        weight = math.inf if run.oracle else run.weight
        arms.setdefault((weight, run.condition), {})[run.seed] = run
    first = [key for key in sorted(arms) if key[0] == 0]
    rest = [key for key in sorted(arms) if key[0] != 0]
    cells = (
        _spread([run.summary["metrics"].get(name) for run in arm.values()]) for arm in arms.values() for name in names
    )
    room = (width - max(map(len, ["metric", *names])) - 2) // (max(map(len, cells)) + 3)
    step = max(1, room - len(first))
    for start in range(0, max(1, len(rest)), step):
        yield _table({key: list(arms[key].values()) for key in [*first, *rest[start : start + step]]}, names)


def _table(arms: dict[tuple[float, str], list[Run]], names: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", no_wrap=True)
    for weight, condition in arms:
        # a word a line: a column is as wide as its numbers
        heading = condition if weight in (0, math.inf) else f"{condition},\nweight {weight:g}"
        table.add_column(heading.replace(" ", "\n", heading.count(" predicted")), justify="right", no_wrap=True)
    for name in names:
        table.add_row(name, *(_spread([run.summary["metrics"].get(name) for run in arm]) for arm in arms.values()))
    table.add_row("seeds", *(str(len(arm)) for arm in arms.values()))
    return table


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "undefined"
    mean = f"{statistics.fmean(known):.3f}"
    return f"{mean} ± {statistics.stdev(known):.3f}" if len(known) > 1 else mean
