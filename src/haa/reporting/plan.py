"""Command ``haa study-plan``: the number of seeds that a study needs, as a pilot tells it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from haa.errors import InputError
from haa.printing.console import Console
from haa.printing.plain import plain, short
from haa.printing.progress import progress
from haa.reporting import power
from haa.reporting.arms import Arm, Study, studies
from haa.reporting.caveats import damaged
from haa.reporting.collect import read
from haa.reporting.compare import by_stimulus
from haa.reporting.crossed import PRIOR, Floats, over_stimuli
from haa.reporting.verdict import LEVEL


@dataclass(frozen=True)
class Pilot:
    """What a pilot says of one treatment."""

    arm: Arm
    others: list[Arm]
    """What it is compared with: the baseline, and each control of its weight."""
    design: power.Design
    seeds: int
    df: int
    """Degrees of freedom of the covariance over seeds."""

    @property
    def sds(self) -> list[float]:
        """Standard deviation over seeds of the treatment less each of the others."""
        v = self.design.over_seeds
        return [math.sqrt(v[1, 1] + v[k, k] - 2 * v[1, k]) for k in (0, *range(2, 1 + len(self.others)))]

    @cached_property
    def at_worst(self) -> power.Design:
        """The design with the largest spread over seeds that the pilot allows."""
        return self.design.wider(power.at_most(self.df))


def show(
    folders: Sequence[Path],
    difference: float,
    wanted: float = 0.8,
    alpha: float = LEVEL,
    metric: str | None = None,
    console: Console | None = None,
) -> None:
    """Print, for each treatment of a pilot, how many seeds a study needs to see a difference.

    The study is taken to have the arms and the test split of the pilot, and to be judged as
    `haa.reporting.verdict.claims` does; of several weights, validation is taken to choose the one of the row. A pilot
    knows the spread over seeds only as well as its few seeds allow: powers and seeds are given for its upper bound as
    well.

    Args:
        folders: Run folders, or folders that hold some.
        difference: Smallest difference that must not be missed, in units of the metric.
        wanted: Probability of seeing it (the power), between 0 and 1.
        alpha: Level of the two-sided tests, between 0 and 1.
        metric: Metric of the differences; None is the task's own.
        console: Console to print to; None is the standard output.

    Raises:
        InputError: If the runs have no baseline, no treatment, fewer than two seeds in common, or outcomes that are all
            the same.
    """
    power.check(difference, wanted, alpha)
    difference = abs(difference)
    console = console or Console()
    runs, lost = read(folders)
    for study in studies(runs, metric, lost):
        treatments = study.of("treatment")
        if study.baseline is None or not treatments:
            raise InputError(
                f"{study.title}: a plan needs runs of weight 0 and runs with human or predicted gaze, of the same seeds"
            )
        pilots = [pilot(study, arm) for arm in treatments]
        wanted_of = f": seeds for a difference of {difference:g} in {plain(study.metric)}"
        console.print(Text.assemble((f"\n{plain(study.title)}", "bold"), wanted_of))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("to be shown", no_wrap=True)
        for name in ("sd", "seeds", "power", "power\nat worst", "seeds\nat worst"):
            table.add_column(name, justify="right", no_wrap=True)
        with progress() as bar:
            for each in bar.track(pilots, description="simulating studies"):
                _rows(table, each, difference, wanted, alpha)
        console.print(table)
        told = [text for each in pilots for text in _told(each, difference, wanted, alpha)]
        for text in [*told, *_legend(study, pilots, difference)]:
            console.print(text)
    for line in damaged(lost):
        console.print(line, soft_wrap=True)


def pilot(study: Study, arm: Arm) -> Pilot:
    """Return how the arms of a study vary, for the comparisons that a claim about one treatment rests on.

    The covariance over seeds is moderated as the verdict moderates each difference: an equal variance of all arms
    counts as `PRIOR` degrees of freedom.

    Args:
        study: Pilot study, which has a baseline.
        arm: Treatment.

    Raises:
        InputError: If it has fewer than two seeds in common with the baseline or a control, or does not vary.
    """
    assert study.baseline is not None
    others = [study.baseline, *study.controls(arm)]
    values = {id(each): each.values(study.metric) for each in study.arms}
    own = values[id(arm)]
    for other in others:
        paired = [own[seed] - value for seed, value in values[id(other)].items() if seed in own]
        if len(paired) < 2:
            raise InputError(
                f"{arm.label} and {other.label} have {len(paired)} seed(s) in common: a pilot needs two; run both with "
                "the same seeds, as seed=0,1 of one study does"
                + ("" if other is study.baseline else f", or leave the runs of {other.label} out")
            )
        power.spread(paired)
    needed = [study.baseline, arm, *others[1:]]
    seeds = sorted(set.intersection(*(set(values[id(each)]) for each in needed)))
    if len(seeds) < 2:
        names = ", ".join(each.label for each in needed)
        raise InputError(f"{names} have {len(seeds)} seed(s) in common: a pilot needs two; run the same seeds of all")
    rest = [
        each for each in study.arms if not each.oracle and each not in needed and values[id(each)].keys() >= set(seeds)
    ]
    arms = [*needed, *rest]
    covariance, df = _over_seeds(np.array([[values[id(each)][seed] for seed in seeds] for each in arms]))
    matched = tuple(each.matched for each in others[1:])
    design = power.Design(covariance, matched, _split(study, arms, seeds), len(study.of("treatment")))
    return Pilot(arm, others, design, len(seeds), df)


def _over_seeds(values: Floats) -> tuple[Floats, int]:
    """Return the covariance over seeds of means ``(k, s)``, and its degrees of freedom."""
    arms, seeds = values.shape
    covariance = np.cov(values)
    if arms < 3:
        return covariance, seeds - 1
    prior = min(PRIOR, (arms - 2) * (seeds - 1), seeds - 1)
    residuals = values - values.mean(1, keepdims=True)
    residuals = residuals - residuals.mean(0)
    equal = (residuals**2).sum() / ((arms - 1) * (seeds - 1))
    df = prior + seeds - 1
    # only differences count, in which luck that all arms share cancels
    return (prior * equal * np.eye(arms) + (seeds - 1) * covariance) / df, df


def _split(study: Study, arms: Sequence[Arm], seeds: Sequence[int]) -> power.Split | None:
    """Return what the test split does to the arms' means; None where the score is no mean over its samples."""
    columns = [study.column(arm.runs[seed], study.metric) for arm in arms for seed in seeds]
    known = [column for column in columns if column is not None]
    if len(known) < len(columns):
        return None
    samples = np.array(known)
    defined = np.isfinite(samples).all(0)
    means, weights = by_stimulus(samples[:, defined], None if study.stimuli is None else study.stimuli[defined])
    if len(weights) < 2:
        return None
    means = means.reshape(len(arms), len(seeds), -1)
    shared, sampling = np.zeros((2, len(arms), len(arms)))
    for k in range(len(arms)):
        for j in range(k):
            units = over_stimuli(means[k] - means[j], weights)
            shared[k, j] = shared[j, k] = units.stimuli - units.both
            sampling[k, j] = sampling[j, k] = len(seeds) * units.both
    return power.Split(_covariance(shared), _covariance(sampling), float(units.df), len(weights))


def _covariance(of_differences: Floats) -> Floats:
    """Return a covariance ``(k, k)`` whose differences have these variances ``(k, k)``, as in classical scaling."""
    centred = of_differences - of_differences.mean(0)
    return power.positive(-(centred - centred.mean(1, keepdims=True)) / 2)


def _rows(table: Table, pilot: Pilot, difference: float, wanted: float, alpha: float) -> None:
    """Add the rows of one treatment."""
    design, worst = pilot.design, pilot.at_worst
    needed, needed_at_worst = (power.seeds_needed_jointly(difference, d, wanted, alpha) for d in (design, worst))
    labels = {"baseline": "better than baseline"}
    labels |= {f"control {k}": f"better than {other.condition}" for k, other in enumerate(pilot.others[1:], start=1)}
    if any(design.matched):
        labels[power.HELPS] = f"‘{power.HELPS}’: all of these"
    labels[power.SAME] = f"‘no difference above {difference:g}’"
    table.add_row(_name(pilot.arm))
    for (key, label), sd in zip_longest(labels.items(), pilot.sds):
        cells = ["" if sd is None else f"{sd:#.3g}"]
        seeds, most = needed[key], needed_at_worst[key]
        if seeds is None:
            best = power.joint_power(difference, design, math.inf, alpha)[key]
            cells += ["none", f"≤ {best:.2f}"] if best < wanted else [f"> {power.MOST}"]
        else:
            powers = (power.joint_power(difference, d, seeds, alpha)[key] for d in (design, worst))
            cells += [str(seeds), *(f"{value:.2f}" for value in powers), str(most or f"> {power.MOST}")]
        table.add_row(f"  {label}", *cells)


def _told(pilot: Pilot, difference: float, wanted: float, alpha: float) -> list[str]:
    """Return what the rows of one treatment come to, in sentences."""
    name, design, split = _name(pilot.arm), pilot.design, pilot.design.split
    controlled = any(design.matched)
    key = power.HELPS if controlled else "baseline"
    seeds = power.seeds_needed_jointly(difference, design, wanted, alpha)[key]
    best = power.joint_power(difference, design, math.inf, alpha)[key]
    if seeds is not None:
        reached, then = (power.joint_power(difference, d, seeds, alpha)[key] for d in (design, pilot.at_worst))
        goal = f"find ‘{power.HELPS}’" if controlled else "show a gain over the baseline"
        text = (
            f"{name}: {seeds} seeds {goal} with a power of {reached:.2f} ({then:.2f} if the spread is as large as this "
            f"pilot of {pilot.seeds} seeds allows)."
        )
    elif split is None or best >= wanted:
        text = f"{name}: more than {power.MOST:,} seeds would be needed; look for a larger difference."
    else:
        text = f"{name}: no number of seeds: the test split of {split.pictures:,} pictures is the limit, at best power "
        found = power.pictures_needed(difference, design, key, wanted, alpha)
        more = "" if found is None else f"; about {found[0]:,} pictures would do with {found[1]} seeds"
        text += f"{best:.2f}{more}."
    if controlled:
        return [text]
    return [
        text,
        f"{name}: ‘{power.HELPS}’ cannot be said without a control that has another picture's gaze: run "
        f"condition=shuffled at weight {pilot.arm.weight:g}, too.",
    ]


def _legend(study: Study, pilots: Sequence[Pilot], difference: float) -> list[str]:
    split, tests = pilots[0].design.split, pilots[0].design.tests
    given = (
        f"{study.metric} is no mean over test samples: the test split is taken as given"
        if split is None
        else f"Seeds and the {split.pictures:,} test pictures count together"
    )
    corrected = f"; p-values are multiplied by the {tests} treatments" if tests > 1 else ""
    return [
        "Seeds are those of every arm; sd is that of paired differences over seeds. At worst: with the largest spread "
        "that the pilot allows (in truth it is smaller with a probability of 80 %). "
        f"‘No difference above {difference:g}’ is for where there is none. {given}{corrected}, as in haa report."
    ]


def _name(arm: Arm) -> str:
    return short(arm.label.replace(", weight", ""), 80)
