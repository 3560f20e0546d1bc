"""Statistics of a study, in plain numpy and scipy: means, Student's paired differences, effect sizes, corrections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from haa.reporting.crossed import Contrast, over_stimuli

LEVEL = 0.95
"""Confidence level of every interval on the page."""


@dataclass(frozen=True)
class Estimate:
    """Mean with its interval; ``low`` and ``high`` are None where the seeds do not determine one."""

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Difference(Estimate):
    """Paired difference: what `Estimate` has, the p-value of no difference, and the effect size g_z."""

    p: float | None
    effect: float | None
    split: float | None = None
    """Share of the squared standard error that is the test split's; None where the split is taken as given."""

    @property
    def sign(self) -> int:
        """Sign of the difference (1 or -1) where the interval excludes zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def mean(values: ArrayLike, level: float = LEVEL) -> Estimate:
    r"""Return the mean over seeds with Student's interval, :math:`\bar x \pm t_{n-1} s / \sqrt n`.

    One value has no interval. Values that are all the same have none either: so few different outcomes (an accuracy
    over a handful of samples) do not tell how the next seed would differ.

    Args:
        values: Values to average, one per seed.
        level: Confidence level of the interval, between 0 and 1.

    Example:
        >>> mean([1.0, 2.0, 3.0])  # t = 4.303, s = 1
        Estimate(mean=2.0, low=-0.484..., high=4.484..., n=3)
    """
    x = np.asarray(values, float)
    half_width = _half(x, level)
    centre = float(x.mean())
    return Estimate(
        centre,
        None if half_width is None else centre - half_width,
        None if half_width is None else centre + half_width,
        len(x),
    )


def over_pictures(values: ArrayLike, pictures: ArrayLike, level: float = LEVEL) -> Estimate:
    r"""Return the mean over test samples with an interval over the pictures that they show, of one run.

    Samples of one picture go together, which a picture's weight says (`haa.reporting.crossed.over_stimuli`). With one
    sample for each picture it is Student's interval over samples. Where there is one picture, or where all have the
    same mean, there is no interval.

    Args:
        values: Values, one per sample; those that are not finite are left out.
        pictures: Name of each sample's picture.
        level: Confidence level of the interval, between 0 and 1.

    Example:
        >>> over_pictures([1.0, 2.0, 3.0], ["a", "b", "c"])  # as `mean`
        Estimate(mean=2.0, low=-0.484..., high=4.484..., n=3)
        >>> over_pictures([0.0, 2.0, 3.0, 3.0], ["a", "a", "b", "b"]).n
        2
    """
    found = difference_over_pictures(values, 0.0, pictures, level)
    return Estimate(found.mean, found.low, found.high, found.n)


def difference_over_pictures(
    values: ArrayLike, others: ArrayLike, pictures: ArrayLike, level: float = LEVEL
) -> Difference:
    """Return the mean of ``values - others`` over test samples, paired, with an interval over their pictures.

    Args:
        values: Values, one per sample.
        others: Values of another, for the same samples. Samples at which either is not finite are left out.
        pictures: Name of each sample's picture; see `over_pictures`.
        level: Confidence level of the interval, between 0 and 1.

    Example:
        >>> found = difference_over_pictures([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], ["a", "b", "c"])  # as `paired`
        >>> round(found.low, 3), round(found.p, 3)
        (-0.484, 0.074)
    """
    x = np.asarray(values, float) - np.asarray(others, float)
    finite = np.isfinite(x)
    if not finite.any():
        return Difference(math.nan, None, None, 0, None, None)
    _, groups, counts = np.unique(np.asarray(pictures)[finite], return_inverse=True, return_counts=True)
    means = np.bincount(groups, x[finite]) / counts
    centre = float(x[finite].mean())
    if len(means) < 2 or _constant(means):
        return Difference(centre, None, None, len(means), None, None)
    found = over_stimuli(means[None], counts)
    se = float(np.sqrt(found.stimuli))
    half_width = float(stats.t.ppf((1 + level) / 2, found.df)) * se
    p = float(2 * stats.t.sf(abs(centre) / se, found.df))
    return Difference(centre, centre - half_width, centre + half_width, len(means), p, effect(means))


def paired(values: ArrayLike, others: ArrayLike, level: float = LEVEL) -> Difference:
    """Return the mean of ``values - others``, paired seed by seed.

    It comes with Student's interval, the two-sided p-value and the effect size of `effect`.

    Args:
        values: Values of one arm, one per seed.
        others: Values of the other arm, for the same seeds in the same order.
        level: Confidence level of the interval, between 0 and 1.
    """
    d = np.asarray(values, float) - np.asarray(others, float)
    estimate = mean(d, level)
    if estimate.low is None:
        return Difference(estimate.mean, None, None, len(d), None, None)
    t = d.mean() / (d.std(ddof=1) / math.sqrt(len(d)))
    p = float(2 * stats.t.sf(abs(t), len(d) - 1))
    return Difference(estimate.mean, estimate.low, estimate.high, len(d), p, effect(d))


def difference(found: Contrast, differences: Sequence[float], level: float = LEVEL) -> Difference:
    """Return a contrast as the page shows it.

    Args:
        found: Contrast of two arms, of no dimension.
        differences: The differences that it is the mean of, one per seed.
        level: Confidence level of the interval, between 0 and 1.
    """
    n, centre = len(differences), float(found.mean)
    if not math.isfinite(found.se):
        return Difference(centre, None, None, n, None, None)
    low, high = (float(end) for end in found.interval(level))
    g = None if _constant(np.asarray(differences)) else effect(differences)
    return Difference(centre, low, high, n, float(found.p()), g, float(found.share))


def effect(differences: ArrayLike) -> float | None:
    r"""Return Hedges' g_z: Cohen's d_z of paired differences, without its bias in small samples.

    Cohen's d_z is :math:`\bar d / s_d`.

    .. math:: g_z = \frac{\bar d}{s_d} \cdot \frac{\Gamma(\nu / 2)}{\sqrt{\nu / 2}\, \Gamma((\nu - 1) / 2)},
        \quad \nu = n - 1

    Two pairs or fewer do not determine an effect size: the result is then None.

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
    """Correct p-values for their number, so that the probability of any false claim stays below the level.

    The i-th smallest of m is multiplied by m - i + 1, and none becomes smaller than one before it. A comparison that
    was planned but has no p-value counts in m and stays None.

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


def _half(x: NDArray[np.float64], level: float) -> float | None:
    if len(x) < 2 or _constant(x):
        return None
    return float(stats.t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))


def _constant(x: NDArray[np.float64]) -> bool:
    return bool(np.ptp(x) <= 1e-12 * max(1.0, float(np.abs(x).max())))
