"""Numbers of a study: every arm's mean, and its paired difference to the baseline and to its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from haa.report import statistics
from haa.report.arms import Arm, Study, per_sample
from haa.report.statistics import Difference, Estimate


@dataclass(frozen=True)
class Comparison:
    """One arm less another, in one metric, over the seeds that both have."""

    arm: Arm
    other: Arm
    metric: str
    seeds: list[int]
    difference: Difference
    corrected: float | None = None
    """Holm's p-value over the arms of the same role."""

    @cached_property
    def samples(self) -> tuple[float, float] | None:
        """Bootstrap interval over test samples; None where the metric has no values per sample."""
        values = per_sample(self.arm, self.metric, self.seeds, self.other)
        return None if values is None else statistics.over_samples(values)

    @property
    def better(self) -> int:
        """Verdict of both intervals (over seeds and samples): 1 where the arm is better, -1 where worse, else 0."""
        by_seed = self.difference.sign
        if by_seed and self.samples is not None:
            low, high = self.samples
            if by_seed != int(low > 0) - int(high < 0):
                return 0
        return by_seed * self.arm.sign(self.metric)


@dataclass(frozen=True)
class Row:
    """Result of one arm in one metric."""

    arm: Arm
    metric: str
    estimate: Estimate | None
    comparison: Comparison | None
    """Comparison to the baseline; None for the baseline itself, or where the two have no seed in common."""


def compare(arm: Arm, other: Arm, metric: str) -> Comparison | None:
    """Return the paired difference of two arms, or None where they have no seed in common."""
    by_seed, other_by_seed = arm.values(metric), other.values(metric)
    seeds = [seed for seed in by_seed if seed in other_by_seed]
    if not seeds:
        return None
    difference = statistics.paired([by_seed[seed] for seed in seeds], [other_by_seed[seed] for seed in seeds])
    return Comparison(arm, other, metric, seeds, difference)


def corrected(comparisons: Sequence[Comparison | None]) -> list[Comparison | None]:
    """Return the comparisons with Holm's p-values; each role is a family of its own."""
    out = list(comparisons)
    for role in {c.arm.role for c in comparisons if c is not None}:
        family = [i for i, c in enumerate(comparisons) if c is not None and c.arm.role == role]
        p_values = statistics.holm([comparisons[i].difference.p for i in family])  # type: ignore[union-attr]
        for i, p in zip(family, p_values, strict=True):
            out[i] = replace(out[i], corrected=p)  # type: ignore[type-var]
    return out


def rows(study: Study, metric: str) -> list[Row]:
    """Return the row of every arm of a study in one metric, with its comparison to the baseline."""
    baseline = study.baseline
    comparisons = [
        None if baseline is None or arm is baseline else compare(arm, baseline, metric) for arm in study.arms
    ]
    out = []
    for arm, comparison in zip(study.arms, corrected(comparisons), strict=True):
        values = arm.values(metric)
        out.append(Row(arm, metric, statistics.mean(list(values.values())) if values else None, comparison))
    return out
