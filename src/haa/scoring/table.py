"""The table on the console, as csv and as LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from haa.printing.console import Console
from haa.printing.plain import cell, plain, short
from haa.reporting.paper import escaped
from haa.scoring.scores import Row, Scores, shown, told

LABEL = 40
"""Characters of the longest name in the table."""
NARROW, WIDE = 9, 16
"""Width of a column of means, and of one with its interval."""


def show(scores: Scores, console: Console | None = None) -> None:
    """Print a row for each model and reference, the notes, and which model is first.

    Args:
        scores: The table.
        console: Where to print.
    """
    console = console or Console()
    gaze = ", simulated gaze" if scores.simulated else ""
    pictures = len(set(scores.stimuli))
    count = (
        f"{pictures} pictures" if pictures == len(scores.ids) else f"{len(scores.ids)} samples of {pictures} pictures"
    )
    line = f" on {scores.data}, {scores.split} split: {count}{gaze}"
    console.print(Text.assemble(("\n" + plain(scores.task), "bold"), plain(line)))
    names = list(scores.metrics)
    longest = max(len(short(row.name, LABEL)) for row in scores.rows)
    room = max(1, (console.width - longest - 2 - WIDE - NARROW) // NARROW)
    console.print(_table(scores, names[: room + 1]))
    if names[room + 1 :]:
        console.print(f"in score.csv also {', '.join(names[room + 1 :])}", style="dim")
    arrow = "" if all(scores.metrics[name].higher_is_better for name in names[: room + 1]) else "; ↓ less is better"
    console.print(f"mean over samples, ± half of the 95 % interval over pictures{arrow}", style="dim")
    for note in scores.notes:
        console.print(note, style="dim")
    console.print(answer(scores))
    console.print(
        f"{scores.seconds:.1f} s, {1000 * scores.seconds / max(1, len(scores.ids)):.0f} ms a picture", style="dim"
    )


def _table(scores: Scores, names: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 0, 0, 1))
    table.add_column("", no_wrap=True)
    table.add_column("rank", justify="right", no_wrap=True)
    for name in names:
        table.add_column(told(scores.metrics[name]), justify="right", no_wrap=True)
    ranks = scores.ranks(names[0])
    rows = scores.sorted_rows()
    for row in rows:
        place = str(ranks[row.name]) if row.name in ranks else ""
        cells = [_cell(scores, row, name, first=name == names[0]) for name in names]
        is_reference = row.kind == "reference"
        last = row is scores.models[-1] if not is_reference else False
        table.add_row(short(row.name, LABEL), place, *cells, style="dim" if is_reference else None, end_section=last)
    return table


def _cell(scores: Scores, row: Row, metric: str, first: bool) -> str:
    found = scores.estimate(row.name, metric)
    if found is None:
        return "–"
    return shown(found) if first else f"{found.mean:.3f}".replace("-", "\N{MINUS SIGN}")


def answer(scores: Scores) -> str:
    """Return which model is first, in a sentence."""
    metric = next(iter(scores.metrics))
    label = scores.metrics[metric].label
    ranks = scores.ranks(metric)
    if len(ranks) < 2:
        return f"rows that need no model stand below the models; {label} ranks"
    first = next(name for name, rank in ranks.items() if rank.rank == 1)
    level = [name for name, rank in ranks.items() if rank.best == 1 and name != first]
    beside = f", not told apart from {', '.join(short(name, LABEL) for name in level)}" if level else ""
    return f"{short(first, LABEL)} is first by {label}{beside} (paired by picture, corrected for all pairs of models)"


def table_csv(scores: Scores) -> str:
    """Return the table as csv, a line for each row, as `haa.scoring.scores.Scores.table` has it."""
    lines = scores.table()
    return _csv(list(lines[0]), (line.values() for line in lines))


def samples_csv(scores: Scores) -> str:
    """Return the value of every metric for every row and sample, as csv."""
    names = list(scores.metrics)
    body = (
        [name, stimulus, row.name, *(row.values[metric][place] for metric in names)]
        for place, (name, stimulus) in enumerate(zip(scores.ids, scores.stimuli, strict=True))
        for row in scores.rows
    )
    return _csv(["sample", "picture", "row", *names], body)


def differences_csv(scores: Scores) -> str:
    """Return the paired differences of all pairs of models by every metric, as csv."""
    body = (
        [metric, pair.first, pair.second, d.mean, d.low, d.high, d.p, pair.corrected, d.effect, d.n]
        for metric in scores.metrics
        for pair in scores.pairs(metric)
        for d in [pair.difference]
    )
    head = ["metric", "model", "less", "difference", "low", "high", "p", "p_holm", "g_z", "pictures"]
    return _csv(head, body)


def _csv(head: Sequence[str], body: Iterable[Iterable[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_shown(value) for value in line] for line in body)
    return file.getvalue()


def _shown(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else ""
    return cell(value)


def latex(scores: Scores) -> str:
    """Return the table in LaTeX, which needs the package booktabs; the best model is bold by each metric.

    Args:
        scores: The table.
    """
    names = list(scores.metrics)
    best = {name: {row for row, rank in scores.ranks(name).items() if rank.rank == 1} for name in names}
    kinds = [scores.models, scores.references] if scores.references else [scores.models]
    rows = {row.name for row in scores.models}
    body = []
    for number, _ in enumerate(kinds):
        if number:
            body.append("\\midrule")
        for row in scores.sorted_rows():
            if (row.name in rows) == (number == 0):
                cells = [_tex(scores, row, name, row.name in best[name] and len(rows) > 1) for name in names]
                body.append(" & ".join([escaped(row.name), *cells]) + " \\\\")
    heads = [
        escaped(scores.metrics[name].label) + ("$\\downarrow$" if not scores.metrics[name].higher_is_better else "")
        for name in names
    ]
    count = f"{len(scores.ids)} samples of {len(set(scores.stimuli))} pictures"
    means = "mean over samples ± half of the 95 % interval over pictures"
    caption = f"{scores.task} on {scores.data} ({scores.split} split, {count}): {means}."
    simulated = " Gaze is simulated." if scores.simulated else ""
    notes = " ".join(f"{note[0].upper()}{note[1:]}." for note in scores.notes)
    return "\n".join(
        [
            "\\begin{table}",
            f"\\caption{{{escaped(f'{caption}{simulated} {notes}'.strip())}}}",
            "\\label{tab:score}",
            f"\\begin{{tabular}}{{l{'r' * len(names)}}}",
            "\\toprule",
            " & ".join(["", *heads]) + " \\\\",
            "\\midrule",
            *body,
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
            "",
        ]
    )


def _tex(scores: Scores, row: Row, metric: str, bold: bool) -> str:
    found = scores.estimate(row.name, metric)
    if found is None:
        return "--"
    mean = f"{found.mean:.3f}"
    mean = f"\\mathbf{{{mean}}}" if bold else mean
    return f"${mean}$" if found.high is None else f"${mean} \\pm {found.high - found.mean:.3f}$"
