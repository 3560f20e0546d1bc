"""Contrasts in standard deviations of a run, so that studies of several tasks can share a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from haa.reporting.arms import Arm, Study
from haa.reporting.compare import Comparison, compare
from haa.reporting.crossed import Contrast, Floats
from haa.reporting.pays.relation import constant, two_way
from haa.reporting.statistics import LEVEL
from haa.reporting.verdict import Claim

DRAWS = 50_000
"""Draws of a Monte Carlo interval."""
LEAST_DF = 2.0
"""Degrees of freedom below which nothing is said in standard deviations of a run."""


@dataclass(frozen=True)
class Effect:
    """Difference in standard deviations of a run; more is better."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Standardised:
    """Contrasts of one study in standard deviations of a run; None where there is nothing to compare."""

    study: Study
    arm: Arm
    control: Arm | None
    """The matched control that did best."""
    seeds: int
    stimuli: int | None
    to_baseline: Effect | None
    to_control: Effect | None
    attention_to_baseline: Effect | None
    attention_to_control: Effect | None


def standardise(found: Sequence[Study], claims: Sequence[Sequence[Claim]]) -> list[Standardised]:
    r"""Return every study's contrasts in standard deviations of a run, in which tasks can be compared.

    The unit is the standard deviation of a run's score over seeds, within conditions, pooled over the arms that are
    compared (`spread`): how far training once more, from another seed, moves the score. Seeds' effects are left in it.
    Taken out, the unit would hang on how strongly runs of one seed resemble each other, which differs between tasks and
    backbones, and equal gains would look unequal (Morris and DeShon, Combining effect size estimates in meta-analysis
    with repeated measures and independent-groups designs, Psychological Methods 2002). The difference itself is
    paired by seed, as everywhere.

    There is no mean over studies: those of one page often share pictures, gaze or backbone, so that they do not err
    independently, and a handful of them hardly knows how far settings differ.

    Args:
        found: Studies.
        claims: The claims of each; the first says which arm and controls it is about.
    """
    return [_standardised(study, claim[0]) for study, claim in zip(found, claims, strict=True) if claim]


def _standardised(study: Study, claim: Claim) -> Standardised:
    sign = study.sign(study.metric)
    matched = [c for c in claim.controls if c.other.matched]
    control = min(matched, key=lambda c: sign * c.difference.mean, default=None)
    compared = [claim.arm, *(c.other for c in claim.controls)]
    compared += [claim.baseline.other] if claim.baseline is not None else []
    main = claim.baseline or control
    x = study.attention
    scores = (claim.baseline, control)
    looks = [None if c is None or x is None else compare(study, claim.arm, c.other, x) for c in scores]
    effects = [_effect(study, c, compared) for c in (*scores, *looks)]
    return Standardised(
        study,
        claim.arm,
        None if control is None else control.other,
        0 if main is None else len(main.seeds),
        None if main is None else main.stimuli,
        *effects,
    )


def _effect(study: Study, comparison: Comparison | None, arms: Sequence[Arm]) -> Effect | None:
    if comparison is None:
        return None
    sd, df = spread(arms, comparison.metric)
    # what says which way is better says it of the arm's runs; attention without a direction is left as it is
    return effect(comparison.contrast, sd, df, study.sign(comparison.metric) or 1)


def spread(arms: Sequence[Arm], metric: str) -> tuple[float, float]:
    """Return the standard deviation of a run within arms, and its degrees of freedom.

    The sum of squares within arms has a part that seeds share and a part that they do not. Where runs of one seed
    resemble each other, it knows less than its number of runs says: the degrees of freedom are Satterthwaite's (An
    approximate distribution of estimates of variance components, 1946) of the two mean squares.

    Args:
        arms: Arms to pool over.
        metric: Metric of the runs.

    Returns:
        Standard deviation and degrees of freedom; ``(nan, 0)`` where no arm has two runs.
    """
    table = [(place, seed, value) for place, arm in enumerate(arms) for seed, value in arm.values(metric).items()]
    if not table:
        return math.nan, 0.0
    places, seeds, values = (np.array(column) for column in zip(*table, strict=True))
    fitted = two_way(values, places, seeds)
    means = np.bincount(places, values) / np.maximum(np.bincount(places), 1)
    df = len(values) - len(np.unique(places))
    if df < 1:
        return math.nan, 0.0
    squares, unshared = float(((values - means[places]) ** 2).sum()), float((fitted.left**2).sum())
    if constant(values - means[places]) or squares <= 1e-24 * float(values @ values):
        return math.nan, 0.0
    shared, df_unshared = max(squares - unshared, 0.0), len(values) - fitted.rank
    parts = sum(part**2 / n for part, n in ((shared, df - df_unshared), (unshared, df_unshared)) if n > 0)
    return math.sqrt(squares / df), squares**2 / parts


def effect(found: Contrast, sd: float, df: float, sign: int = 1) -> Effect | None:
    r"""Return a difference in units of a standard deviation that is itself estimated.

    The value has Hedges' correction (see `haa.reporting.statistics.effect`). The interval's ends are percentiles of
    :math:`(\bar d + s\,t_\nu) \sqrt{\chi^2_f / f} / \mathrm{SD}`, by Monte Carlo: the unit is uncertain, too. It
    holds zero exactly where the difference's own interval does.

    Args:
        found: Contrast, of no dimension.
        sd: Standard deviation of a run.
        df: Its degrees of freedom f.
        sign: 1 where more is better, -1 where less is.

    Returns:
        None where the standard deviation has fewer than `LEAST_DF` degrees of freedom.
    """
    if not df >= LEAST_DF or not sd > 0:
        return None
    correction = math.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / math.sqrt(df / 2)
    value = sign * float(found.mean) / sd * correction
    if not math.isfinite(found.se):
        return Effect(value, None, None)
    generator = np.random.default_rng(0)
    differences = sign * float(found.mean) + float(found.se) * generator.standard_t(float(found.df), DRAWS)
    ends = percentiles(differences * np.sqrt(generator.chisquare(df, DRAWS) / df) / sd)
    low, high = (sign * float(end) for end in found.interval(LEVEL))
    low, high = min(low, high), max(low, high)
    # draws near zero must not say what the difference's own interval does not
    own = (max(ends[0], 0.0) if low > 0 else min(ends[0], 0.0), min(ends[1], 0.0) if high < 0 else max(ends[1], 0.0))
    return Effect(value, *own)


def percentiles(draws: Floats) -> tuple[float, float]:
    """Return the ends of the interval that draws show."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
