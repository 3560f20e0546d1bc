"""What `haa probe` says on the console."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from haa.printing.console import Console
from haa.printing.plain import plain, short
from haa.probe.scores import Probe, Row

NAMES = {"nss": "NSS", "cc": "CC", "kl": "KL", "auc_judd": "AUC-Judd", "spearman": "Spearman"}
"""Metrics as people write them."""
LABEL = 40
"""Characters of the longest name in the table."""


def show(found: Probe, about: dict[str, Any], metric: str = "nss", console: Console | None = None) -> None:
    """Print a row for each stage and reference, and which stage looks most like people.

    Args:
        found: What the probe found.
        about: What was probed on what.
        metric: Metric that decides, with its interval.
        console: Where to print.
    """
    console = console or Console()
    gaze = "simulated gaze" if about["simulated_gaze"] else "recorded gaze"
    line = f" on {about['data']}, {about['split']} split: {_counted(found)}, {gaze}"
    console.print(Text.assemble(("\n" + plain(about["network"]), "bold"), plain(line)))
    console.print(f"weights: {about['weights']}")
    console.print(_table(found, metric))
    console.print(f"{_told(metric)}: mean over stimuli [95 % interval]; more is better but for KL", style="dim")
    console.print(_answer(found, metric))
    if found.unread is not None:
        console.print(f"its attention is not among the rows: {found.unread}", style="dim")


def _counted(found: Probe) -> str:
    count = f"{len(found.stimuli)} stimuli"
    return count if len(found.indices) == len(found.stimuli) else f"{len(found.indices)} samples of {count}"


def _table(found: Probe, metric: str) -> Table:
    others = [name for name in found.higher_is_better if name != metric]
    untrained = {row.name: row for row in found.untrained}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 0, 0, 1))  # holds in 80 columns
    table.add_column("stage", no_wrap=True)
    table.add_column("stride", justify="right", no_wrap=True)
    table.add_column(_told(metric), justify="right", no_wrap=True)
    if untrained:
        table.add_column("random\nweights", justify="right", no_wrap=True)
    for name in others:
        heading = {"auc_judd": "AUC-\nJudd", "spearman": "Spear-\nman"}.get(name, _told(name))
        table.add_column(heading, justify="right", no_wrap=True)
    best = found.closest(metric)
    for row in [*found.stages, *found.references]:
        table.add_row(
            short(row.name, LABEL),
            "" if row.stride is None else str(row.stride),
            _interval(row, metric),
            *([_mean(untrained.get(row.name), metric)] if untrained else []),
            *(_mean(row, name) for name in others),
            style="bold" if row is best else "dim" if row.kind == "reference" else None,
            end_section=row is found.stages[-1],
        )
    return table


def _answer(found: Probe, metric: str) -> str:
    best, prior, ceiling = found.closest(metric), *map(found.reference, ("centre prior", "human ceiling"))
    if best is None:
        return f"{_told(metric)} is undefined on every stimulus: give another, metric=cc say"
    said = [f"{short(best.name, LABEL)} looks most like people of all stages"]
    if prior is not None and (gain := best.over(prior, metric)) is not None:
        ends = "" if gain.low is None or gain.high is None else f" [{_signed(gain.low)}, {_signed(gain.high)}]"
        said.append(f"{_signed(gain.mean)}{ends} {_told(metric)} against the centre prior, paired by stimulus")
        way = 0.0 if ceiling is None else _between(prior, ceiling, metric)
        better = gain.sign if found.higher_is_better[metric] else -gain.sign
        if better < 0:
            said.append("the centre prior looks more like people")
        elif better == 0:
            said.append("which of the two looks more like people is not determined")
        elif way and gain.mean / way > 0:
            said.append(f"{gain.mean / way:.0%} of the way from there to the human ceiling")
    return "; ".join(said)


def _between(prior: Row, ceiling: Row, metric: str) -> float:
    low, high = prior.estimate(metric), ceiling.estimate(metric)
    return 0.0 if low is None or high is None else high.mean - low.mean


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "\N{MINUS SIGN}")


def _told(metric: str) -> str:
    return NAMES.get(metric, metric)


def _mean(row: Row | None, metric: str) -> str:
    estimate = None if row is None else row.estimate(metric)
    return "" if row is None else "undefined" if estimate is None else f"{estimate.mean:.3f}"


def _interval(row: Row, metric: str) -> str:
    estimate = row.estimate(metric)
    if estimate is None:
        return "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.3f}"
    return f"{estimate.mean:.3f} [{estimate.low:.2f}, {estimate.high:.2f}]"
