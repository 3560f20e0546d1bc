"""Command ``haa study-plan``: the number of seeds that a study needs, as a pilot tells it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from haa.errors import InputError
from haa.report import power
from haa.report.arms import Arm, Study, studies
from haa.report.collect import collect


def show(
    folders: Sequence[Path],
    difference: float,
    wanted: float = 0.8,
    alpha: float = 0.05,
    metric: str | None = None,
    console: Console | None = None,
) -> None:
    """Print, for each treatment of a pilot, how many seeds a study needs to see a difference.

    There is a row for each comparison that the verdict ``helps`` rests on, and one for all of them together. ``alpha``
    is divided by the number of treatments, which is the worst case of Holm's correction. A pilot knows the standard
    deviation only as well as its few seeds allow: the seeds are given for the upper bound of it as well.

    Args:
        folders: Run folders, or folders that hold some.
        difference: Smallest difference that must not be missed, in units of the metric.
        wanted: Probability of seeing it (the power), between 0 and 1.
        alpha: Level of the two-sided tests, between 0 and 1.
        metric: Metric of the differences; None is the task's own.
        console: Console to print to; None is the standard output.

    Raises:
        InputError: If the runs have no baseline, no treatment, or fewer than two seeds in common.
    """
    console = console or Console()
    for study in studies(collect(folders), metric):
        treatments = study.of("treatment")
        if study.baseline is None or not treatments:
            raise InputError(
                f"{study.title}: a plan needs runs of weight 0 and runs with human or predicted gaze, of the same seeds"
            )
        goal = f"seeds to see a difference of {difference:g} in {study.metric} with a power of {wanted:g}"
        console.print(f"\n[bold]{study.title}[/]: {goal}", highlight=False)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("comparison")
        for heading in ("pilot seeds", "sd", "seeds", "sd at most", "seeds"):
            table.add_column(heading, justify="right")
        for arm in treatments:
            _rows(table, study, arm, difference, wanted, alpha / len(treatments))
        console.print(table)
        note = "sd: of paired differences over seeds. At most: what it is below with a probability of 80 %."
        if not any(study.controls(arm) for arm in treatments):
            note += " Without a control at the same weight no study can find that it helps."
        console.print(note, highlight=False)


def _rows(table: Table, study: Study, arm: Arm, difference: float, wanted: float, alpha: float) -> None:
    assert study.baseline is not None
    others = [study.baseline, *study.controls(arm)]
    differences_by_seed = []
    for other in others:
        arm_by_seed, other_by_seed = arm.values(study.metric), other.values(study.metric)
        seeds = [seed for seed in arm_by_seed if seed in other_by_seed]
        differences_by_seed.append({seed: arm_by_seed[seed] - other_by_seed[seed] for seed in seeds})
        if len(seeds) < 2:
            raise InputError(f"{arm.label} and {other.label} have {len(seeds)} seed(s) in common: a pilot needs two")
        spread = power.spread(list(differences_by_seed[-1].values()))
        _row(
            table,
            f"{arm.label.replace(', weight', '')} − {other.condition}",
            spread.n,
            [spread.sd, spread.high],
            [power.seeds_needed(difference, sd, wanted, alpha) for sd in (spread.sd, spread.high)],
        )
    common = sorted(set.intersection(*map(set, differences_by_seed)))
    if len(others) > 1 and len(common) > 1:
        covariance = np.cov([[column[seed] for seed in common] for column in differences_by_seed])
        common_spread = power.spread([differences_by_seed[0][seed] for seed in common])
        covariances = (covariance, covariance * (common_spread.high / common_spread.sd) ** 2)
        seed_counts = [power.seeds_needed_jointly(difference, matrix, wanted, alpha) for matrix in covariances]
        _row(table, "all of these, for ‘helps’", len(common), [None, None], seed_counts)


def _row(table: Table, name: str, pilot: int, sds: Sequence[float | None], needed: Sequence[int]) -> None:
    cells = [cell for sd, n in zip(sds, needed, strict=True) for cell in ("" if sd is None else f"{sd:.3f}", str(n))]
    table.add_row(name, str(pilot), *cells)
