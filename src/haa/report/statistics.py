"""The statistics of a study, in plain numpy and scipy: intervals over seeds and over samples, and corrections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

LEVEL = 0.95
"""Of every interval on the page."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; ``low`` and ``high`` are None where the seeds do not determine one."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Difference(Estimate):
    """A paired difference: what `Estimate` has, the p-value of no difference, and the effect size g_z."""

    p: float | None
    effect: float | None

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Correlation:
    """Pearson's r with its interval, and Spearman's rank correlation."""

    r: float
    low: float | None
    high: float | None
    p: float
    rank: float
    n: int


def mean(values: ArrayLike, level: float = LEVEL) -> Estimate:
    r"""The mean over seeds with Student's interval, :math:`\bar x \pm t_{n-1} s / \sqrt n`.

    One value has no interval, and neither have values that are all the same: so few different outcomes (an accuracy
    over a handful of samples) say nothing of how the next seed would differ.

    Args:
        values: one per seed.
        level: of the interval.

    Example:
        >>> mean([1.0, 2.0, 3.0])  # t = 4.303, s = 1
        Estimate(mean=2.0, low=-0.484..., high=4.484..., n=3)
    """
    x = np.asarray(values, float)
    half = _half(x, level)
    centre = float(x.mean())
    return Estimate(centre, None if half is None else centre - half, None if half is None else centre + half, len(x))


def paired(values: ArrayLike, others: ArrayLike, level: float = LEVEL) -> Difference:
    """The mean of ``values - others``, paired seed by seed: Student's interval and two-sided p-value, and `effect`.

    Args:
        values: one per seed.
        others: of the same seeds, in the same order.
        level: of the interval.
    """
    d = np.asarray(values, float) - np.asarray(others, float)
    estimate = mean(d, level)
    if estimate.low is None:
        return Difference(estimate.mean, None, None, len(d), None, None)
    t = d.mean() / (d.std(ddof=1) / math.sqrt(len(d)))
    p = float(2 * stats.t.sf(abs(t), len(d) - 1))
    return Difference(estimate.mean, estimate.low, estimate.high, len(d), p, effect(d))


def effect(differences: ArrayLike) -> float | None:
    r"""Hedges' g_z: Cohen's d_z of paired differences, :math:`\bar d / s_d`, freed of its bias in small samples.

    .. math:: g_z = \frac{\bar d}{s_d} \cdot \frac{\Gamma(\nu / 2)}{\sqrt{\nu / 2}\, \Gamma((\nu - 1) / 2)},
        \quad \nu = n - 1

    Two pairs do not determine an effect size: None.

    Hedges, Distribution theory for Glass's estimator of effect size and related estimators, Journal of Educational
    Statistics 1981; Lakens, Calculating and reporting effect sizes, Frontiers in Psychology 2013 (d_z).

    Example:
        >>> effect([1.0, 2.0, 3.0])  # 2 / sqrt(pi)
        1.128...
    """
    d = np.asarray(differences, float)
    nu = len(d) - 1
    if nu < 2:
        return None
    correction = math.exp(special.gammaln(nu / 2) - special.gammaln((nu - 1) / 2)) / math.sqrt(nu / 2)
    return float(d.mean() / d.std(ddof=1) * correction)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for their number, so that the chance of any false claim stays below the level.

    The i-th smallest of m is multiplied by m - i + 1, and none becomes smaller than one before it. A comparison that
    was meant and has no p-value counts in m and stays None.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 1979.

    Example:
        >>> holm([0.04, 0.01, None, 0.03])
        [0.09, 0.04, None, 0.09]
    """
    m, largest = len(p_values), 0.0
    out: list[float | None] = [None] * m
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (m - rank) * p))
        out[i] = largest
    return out


def over_samples(
    values: NDArray[np.float64], level: float = LEVEL, resamples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """The bootstrap's percentile interval of the mean over samples, the runs as they are.

    It answers what Student's interval over seeds cannot: would another test split have given the same?

    Args:
        values: one per sample, already averaged over seeds; NaN is undefined and left out.
        level: of the interval.
        resamples: how many test splits are drawn from this one.
        seed: of the draws.

    Returns:
        None where fewer than two values are defined.

    Efron, Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    x = values[np.isfinite(values)]
    if len(x) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, 2_000_000 // len(x))  # bounds the memory: 16 MB of indices at a time
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        means[start : start + count] = x[rng.integers(len(x), size=(count, len(x)))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def correlation(x: ArrayLike, y: ArrayLike, level: float = LEVEL) -> Correlation | None:
    r"""Pearson's r with Fisher's interval, :math:`\tanh(\operatorname{artanh} r \pm z / \sqrt{n - 3})`.

    Returns:
        None with fewer than three pairs, or where a side does not vary.
    """
    a, b = np.asarray(x, float), np.asarray(y, float)
    if len(a) < 3 or _constant(a) or _constant(b):
        return None
    found = stats.pearsonr(a, b)
    interval = found.confidence_interval(level) if len(a) > 3 else None
    return Correlation(
        float(found.statistic),
        None if interval is None else float(interval.low),
        None if interval is None else float(interval.high),
        float(found.pvalue),
        float(stats.spearmanr(a, b).statistic),
        len(a),
    )


def _half(x: NDArray[np.float64], level: float) -> float | None:
    if len(x) < 2 or _constant(x):
        return None
    return float(stats.t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))


def _constant(x: NDArray[np.float64]) -> bool:
    return bool(np.ptp(x) <= 1e-12 * max(1.0, float(np.abs(x).max())))
