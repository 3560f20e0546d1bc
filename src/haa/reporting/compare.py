"""Numbers of a study: every arm's mean, and its paired difference to the baseline and to its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from haa.reporting import statistics
from haa.reporting.arms import Arm, Study
from haa.reporting.crossed import Contrast, Floats, Rest, Units, contrast, over_stimuli, rest
from haa.reporting.statistics import Difference, Estimate


@dataclass(frozen=True)
class Comparison:
    """One arm less another, in one metric, over the seeds that both have."""

    arm: Arm
    other: Arm
    metric: str
    seeds: list[int]
    difference: Difference
    """Over seeds and test stimuli."""
    contrast: Contrast
    """The same, as arrays of no dimension."""
    stimuli: int | None
    """Number of pictures or videos that the difference is also over; None where the score is no mean over samples."""
    corrected: float | None = None
    """Holm's p-value over the arms of the same role."""

    @property
    def sign(self) -> int:
        """Return 1 where the arm is better, -1 where worse, 0 where the interval holds zero."""
        return self.difference.sign * self.arm.sign(self.metric)


@dataclass(frozen=True)
class Row:
    """Result of one arm in one metric."""

    arm: Arm
    metric: str
    estimate: Estimate | None
    comparison: Comparison | None
    """Comparison to the baseline; None for the baseline itself, or where the two have no seed in common."""


def compare(study: Study, arm: Arm, other: Arm, metric: str) -> Comparison | None:
    """Return the paired difference of two arms, or None where they have no seed in common.

    Its interval is over seeds and over the test split's pictures or videos at once, see `haa.reporting.crossed`.
    """
    by_seed, other_by_seed = arm.values(metric), other.values(metric)
    seeds = [seed for seed in by_seed if seed in other_by_seed]
    if not seeds:
        return None
    differences = [by_seed[seed] - other_by_seed[seed] for seed in seeds]
    units, count = _units(study, arm, other, metric, seeds)
    found = contrast(differences, others_on_seeds(study, arm, other, metric, seeds), units)
    return Comparison(arm, other, metric, seeds, statistics.difference(found, differences), found, count)


def rows(study: Study, metric: str) -> list[Row]:
    """Return the row of every arm of a study in one metric, with its comparison to the baseline.

    The p-values are Holm's; each role is a family of its own.
    """
    baseline = study.baseline
    comparisons = [
        None if baseline is None or arm is baseline else compare(study, arm, baseline, metric) for arm in study.arms
    ]
    out = []
    for arm, comparison, p in zip(study.arms, comparisons, _corrected(comparisons), strict=True):
        values = arm.values(metric)
        if comparison is not None:
            comparison = replace(comparison, corrected=p)
        out.append(Row(arm, metric, statistics.mean(list(values.values())) if values else None, comparison))
    return out


def _corrected(comparisons: Sequence[Comparison | None]) -> list[float | None]:
    out: list[float | None] = [None] * len(comparisons)
    for role in {c.arm.role for c in comparisons if c is not None}:
        family = {i: c.difference.p for i, c in enumerate(comparisons) if c is not None and c.arm.role == role}
        for i, p in zip(family, statistics.holm(list(family.values())), strict=True):
            out[i] = p
    return out


def others_on_seeds(study: Study, arm: Arm, other: Arm, metric: str, seeds: Sequence[int]) -> Rest | None:
    """Return what the study's other arms say of the variance over seeds: those that have all of these seeds."""
    values = {id(each): each.values(metric) for each in study.arms if not each.oracle or each is arm or each is other}
    table = {name: [own[s] for s in seeds] for name, own in values.items() if all(s in own for s in seeds)}
    places = list(table)
    return rest(list(table.values()), places.index(id(arm)), places.index(id(other)))


def _units(study: Study, arm: Arm, other: Arm, metric: str, seeds: Sequence[int]) -> tuple[Units | None, int | None]:
    """Return what the test split says of a difference, and the number of its pictures or videos."""
    differences = []
    for seed in seeds:
        own, theirs = study.column(arm.runs[seed], metric), study.column(other.runs[seed], metric)
        if own is None or theirs is None:
            return None, None
        differences.append(own - theirs)
    values = np.array(differences)
    defined = np.isfinite(values).all(0)
    means, weights = by_stimulus(values[:, defined], None if study.stimuli is None else study.stimuli[defined])
    if len(weights) < 2:
        return None, None
    return over_stimuli(means, weights), len(weights)


def by_stimulus(values: Floats, stimuli: np.ndarray | None) -> tuple[Floats, Floats]:
    """Return the mean of each picture's or video's samples, and their number.

    Args:
        values: Values ``(s, n)`` of n test samples.
        stimuli: Place ``(n,)`` of each sample's stimulus; None is one for each sample.

    Returns:
        Means ``(s, u)`` and numbers ``(u,)``.

    Example:
        >>> by_stimulus(np.array([[1.0, 2.0, 6.0]]), np.array([3, 0, 0]))
        (array([[4., 1.]]), array([2., 1.]))
    """
    if stimuli is None:
        return values, np.ones(values.shape[-1])
    order = np.argsort(stimuli, kind="stable")
    _, starts, counts = np.unique(stimuli[order], return_index=True, return_counts=True)
    if len(starts) == values.shape[-1]:
        return values[:, order], np.ones(len(starts))
    return np.add.reduceat(values[:, order], starts, axis=1) / counts, counts.astype(float)
