"""Number of seeds that a study needs to see a given difference, from the variance of a pilot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from haa.errors import InputError

MOST = 10_000
"""Number of seeds beyond which nobody would go."""


@dataclass(frozen=True)
class Spread:
    """Standard deviation of paired differences in a pilot, and how large it may be in truth."""

    sd: float
    high: float
    """Upper end of its one-sided interval: a pilot of a few seeds knows its own spread poorly."""
    n: int


def power(difference: float, sd: float, seeds: int, alpha: float = 0.05) -> float:
    r"""Return the probability that a paired t-test over ``seeds`` finds a true difference, on its own side.

    .. math:: P(T > t_{1 - \alpha / 2, \nu}), \quad T \sim t'_\nu(\sqrt n\, |\delta| / \sigma), \quad \nu = n - 1

    Args:
        difference: True mean of the differences, not 0.
        sd: Standard deviation of the differences over seeds.
        seeds: Number of pairs of runs, at least 2.
        alpha: Level of the two-sided test. Divide it by the number of claims for the worst case of Holm's correction.

    Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, chapter 2.

    Example:
        >>> power(0.1, sd=0.1, seeds=10)
        0.8030...
    """
    bound = stats.t.ppf(1 - alpha / 2, seeds - 1)
    return float(stats.nct.sf(bound, seeds - 1, math.sqrt(seeds) * abs(difference) / sd))


def seeds_needed(difference: float, sd: float, wanted: float = 0.8, alpha: float = 0.05) -> int:
    """Return the smallest number of seeds with which `power` reaches ``wanted``.

    Raises:
        InputError: If 10,000 seeds do not reach it, or an argument is out of range.

    Example:
        >>> seeds_needed(0.1, sd=0.1)
        10
    """
    _check(difference, wanted, alpha)
    low, high = 1, 2
    while power(difference, sd, high, alpha) < wanted:
        low, high = high, high * 2
        if high > 2 * MOST:
            raise InputError(f"difference={difference} cannot be seen with {MOST} seeds: give a larger one")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power(difference, sd, middle, alpha) < wanted else (low, middle)
    return high


def spread(differences: ArrayLike, level: float = 0.8) -> Spread:
    r"""Return a pilot's standard deviation, and its upper bound :math:`s \sqrt{\nu / \chi^2_{1 - level, \nu}}`.

    Args:
        differences: Paired differences, one per seed.
        level: Probability that the true standard deviation lies below the bound.

    Raises:
        InputError: If there are fewer than two differences, or they are all the same.

    Browne, On the use of a pilot sample for sample size determination, Statistics in Medicine 1995.
    """
    d = np.asarray(differences, float)
    if len(d) < 2 or np.ptp(d) == 0:
        raise InputError(
            f"a pilot of {len(d)} seed(s) whose differences do not vary says nothing of their variance: run more seeds"
        )
    sd, nu = float(d.std(ddof=1)), len(d) - 1
    return Spread(sd, sd * math.sqrt(nu / stats.chi2.ppf(1 - level, nu)), len(d))


def joint_power(
    difference: float, covariance: NDArray[np.float64], seeds: int, alpha: float = 0.05, draws: int = 20_000
) -> float:
    """Return the probability that all of several paired comparisons are found, at the same true difference.

    This is what the verdict ``helps`` asks for: better than the baseline and than every control. The comparisons share
    a treatment and are therefore correlated. Their joint power is simulated: exactly the test, on normal differences.

    Args:
        difference: True mean of the differences, the same in every comparison.
        covariance: Covariance of the comparisons' differences over seeds, ``(k, k)`` for ``k`` comparisons.
        seeds: Number of pairs of runs in each comparison.
        alpha: Level of each two-sided test.
        draws: Number of simulated studies; 20,000 have a standard error of 0.003.
    """
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) * np.eye(len(covariance)))
    # The mean and the scatter of normal samples are independent. The mean is drawn directly, and the scatter by
    # Bartlett's decomposition: the cost then does not grow with the seeds.
    k, nu = len(covariance), seeds - 1
    means = abs(difference) + rng.standard_normal((draws, k)) @ root.T / math.sqrt(seeds)
    if nu < k:
        noise = rng.standard_normal((draws, nu, k)) @ root.T
        variance = (noise**2).sum(1) / nu
    else:
        factor = np.tril(rng.standard_normal((draws, k, k)), -1)
        for i in range(k):
            factor[:, i, i] = np.sqrt(rng.chisquare(nu - i, draws))
        variance = ((root @ factor) ** 2).sum(2) / nu
    t = means / np.sqrt(variance / seeds)
    return float((t > stats.t.ppf(1 - alpha / 2, nu)).all(1).mean())


def seeds_needed_jointly(
    difference: float, covariance: NDArray[np.float64], wanted: float = 0.8, alpha: float = 0.05
) -> int:
    """Return the smallest number of seeds with which `joint_power` reaches ``wanted``.

    Raises:
        InputError: If `seeds_needed` raises it for one of the comparisons.
    """
    sds = np.sqrt(np.diag(covariance))
    seeds = max(seeds_needed(difference, float(sd), wanted, alpha) for sd in sds)
    while joint_power(difference, covariance, seeds, alpha) < wanted:
        seeds += max(1, seeds // 50)
    return seeds


def _check(difference: float, wanted: float, alpha: float) -> None:
    if difference == 0 or not math.isfinite(difference):
        raise InputError(f"difference={difference}: give the difference that you would not want to miss, e.g. 0.05")
    for name, value in (("power", wanted), ("alpha", alpha)):
        if not 0 < value < 1:
            raise InputError(f"{name}={value} is out of range: give a number between 0 and 1")
