r"""Runs: how human their attention is, and how well they do the task, between and within conditions.

x is how human attention is (`haa.reporting.arms.Study.attention`) and y the task's metric, both in their own units and
with their own sign, as the page's tables have them. An oracle's attention is the human map: oracles are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from haa.reporting.arms import Study
from haa.reporting.crossed import Floats
from haa.reporting.statistics import LEVEL


@dataclass(frozen=True)
class Correlation:
    """Correlation with its interval and p-value; None is what so few values do not determine."""

    r: float
    low: float | None
    high: float | None
    p: float | None
    df: float | None
    """Degrees of freedom of its test."""

    @property
    def sign(self) -> int:
        """Sign of r where the interval, or else the test, excludes zero; 0 where it does not."""
        if self.low is not None and self.high is not None:
            return int(self.low > 0) - int(self.high < 0)
        return 0 if self.p is None or self.p >= 1 - LEVEL else int(math.copysign(1, self.r))


@dataclass(frozen=True)
class Slope:
    """Slope of y on x, with a standard error that lets every arm have a spread of its own."""

    value: float
    se: float
    df: float

    @property
    def p(self) -> float:
        """Two-sided p-value of a slope of 0."""
        return float(2 * stats.t.sf(abs(self.value) / self.se, self.df))


@dataclass(frozen=True)
class Relation:
    """How human attention is and how well the task is done, run by run."""

    between: Correlation | None
    """Over the conditions' means; df is their number less 2. None with fewer than three."""
    within: Correlation | None
    """Of what is left once every arm's and every seed's effect is taken out. None where nothing is left."""
    slope: Slope | None
    """Slope of y on x, within conditions."""
    arms: int
    runs: int

    @property
    def sign(self) -> int:
        """Sign of the relation within conditions, where both tests of it exclude zero; else 0."""
        if self.within is None or self.slope is None or self.slope.p >= 1 - LEVEL:
            return 0
        return self.within.sign


class TwoWay(NamedTuple):
    """Values without the effects of arm and seed."""

    left: Floats
    """What is left ``(..., n)``."""
    effects: Floats
    """Effect ``(..., k)`` of each arm, in the order of their integers.

    It is a mean over the same seeds, up to a constant, or a plain mean where arms have no chain of common seeds.
    """
    rank: int
    """Number of parameters."""
    leverage: Floats
    """Leverage ``(n,)`` of each value."""


def relate(study: Study) -> Relation:
    r"""Return how x and y of the runs go together, between and within conditions.

    Within: :math:`y_{as} = \alpha_a + \sigma_s + \beta x_{as} + e_{as}` for arm a and seed s, since runs of one seed
    share its luck (first weights, order of the data). r is the partial correlation given arms and seeds; it is
    distributed as a correlation with fewer degrees of freedom (Fisher, The distribution of the partial correlation
    coefficient, 1924): as many as the regression leaves. That takes noise of one size in all arms. `Slope` does not: an
    arm that is unstable, in x and in y, would otherwise look like a relation.

    Between: over the arms' effects, which are their means where all have the same seeds. An arm counts once, however
    many runs it has, and the conditions set both x and y.
    """
    arms, seeds, x, y = runs(study)
    if len(x) == 0:
        return Relation(None, None, None, 0, 0)
    found = two_way(np.array([x, y]), arms, seeds)
    df = len(x) - found.rank - 1
    (x_left, y_left), (x_arms, y_arms) = found.left, found.effects
    between, within = correlation(x_arms, y_arms, len(x_arms) - 2), correlation(x_left, y_left, df)
    known = within is not None and abs(within.r) < 1
    slope = welch(x_left, y_left, arms, 1 - found.leverage, df) if known else None
    return Relation(between, within, slope, len(x_arms), len(x))


def runs(study: Study) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
    """Return the runs that have both metrics, oracles left out.

    Returns:
        For each of n runs the place of its arm in ``study.arms`` ``(n,)``, its seed, its x and its y.
    """
    table: list[tuple[int, int, float, float]] = []
    for place, arm in enumerate(study.arms):
        if arm.oracle or study.attention is None:
            continue
        x, y = arm.values(study.attention), arm.values(study.metric)
        table += [(place, s, x[s], y[s]) for s in x if s in y and math.isfinite(x[s]) and math.isfinite(y[s])]
    columns = np.array(table, float).reshape(-1, 4).T.copy()
    return columns[0].astype(np.intp), columns[1].astype(np.intp), columns[2], columns[3]


def two_way(values: ArrayLike, arms: NDArray[np.intp], seeds: NDArray[np.intp]) -> TwoWay:
    """Take the effects of arm and seed out of values, by least squares: seeds may be missing.

    Args:
        values: Values ``(..., n)``, one per run.
        arms: Arm ``(n,)`` of each run, any integers.
        seeds: Seed ``(n,)`` of each run, any integers.

    Example:
        >>> found = two_way([1.0, 3.0, 2.0, 8.0], np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
        >>> found.left.round(9).tolist(), found.effects.round(9).tolist(), found.rank  # seeds differ by 2, and by 6
        ([1.0, -1.0, -1.0, 1.0], [2.0, 5.0], 3)
    """
    y = np.asarray(values, float)
    names, arm = np.unique(arms, return_inverse=True)
    others, seed = np.unique(seeds, return_inverse=True)
    of_arm = np.eye(len(names))[arm]
    means = y @ of_arm / of_arm.sum(0)
    if len(others) == 1 or len(names) == len(arm):
        # seeds say nothing more, or there is nothing left for them to explain
        return TwoWay(y - means[..., arm], means, len(names), 1 / of_arm.sum(0)[arm])
    centre = y.mean(-1, keepdims=True)
    basis, sizes, axes = np.linalg.svd(np.concatenate([of_arm, np.eye(len(others))[seed]], axis=1), full_matrices=False)
    rank = int((sizes > 1e-9 * sizes[0]).sum())
    basis, axes = basis[:, :rank], axes[:rank]
    along = (y - centre) @ basis
    left = y - centre - along @ basis.T
    if rank == len(names) + len(others) - 1:
        weights = (along / sizes[:rank]) @ axes
        means = centre + weights[..., : len(names)] + weights[..., len(names) :].mean(-1, keepdims=True)
    return TwoWay(left, means, rank, (basis**2).sum(1))


def correlation(x: ArrayLike, y: ArrayLike, df: int) -> Correlation | None:
    r"""Return the correlation of values whose means are taken out, with Student's test and Fisher's interval.

    .. math:: t = r \sqrt{\nu / (1 - r^2)}, \qquad \tanh\left(\operatorname{artanh} r \pm z / \sqrt{\nu - 1}\right)

    With :math:`\nu = n - 2` this is Pearson's; with the degrees of freedom of a regression, the partial correlation's.

    Args:
        x: Values ``(n,)``.
        y: Values ``(n,)``.
        df: Degrees of freedom :math:`\nu` of the test.

    Returns:
        None where there is no degree of freedom, or one of the two does not vary.

    Example:
        >>> correlation([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0], 2)
        Correlation(r=0.8, low=-0.696..., high=0.995..., p=0.199..., df=2)
    """
    a, b = np.asarray(x, float), np.asarray(y, float)
    if df < 1 or constant(a) or constant(b):
        return None
    a, b = a - a.mean(), b - b.mean()
    r = round(float(np.clip(a @ b / math.sqrt(float(a @ a) * float(b @ b)), -1.0, 1.0)), 15)
    if abs(r) == 1.0:
        return Correlation(r, None, None, None, df)
    p = float(2 * stats.t.sf(abs(r) * math.sqrt(df / (1 - r * r)), df))
    if df < 2:
        return Correlation(r, None, None, p, df)
    z, half = math.atanh(r), float(stats.norm.ppf((1 + LEVEL) / 2)) / math.sqrt(df - 1)
    return Correlation(r, math.tanh(z - half), math.tanh(z + half), p, df)


def welch(x: Floats, y: Floats, arms: NDArray[np.intp], free: Floats, df: int) -> Slope:
    r"""Return the slope of what `two_way` leaves, with Welch's standard error: each arm has a spread of its own.

    .. math:: s_b^2 = \sum_a v_a \Big/ \Big(\sum x^2\Big)^2, \quad v_a = \frac{\sum_{i \in a} e_i^2}{\nu_a}
        \sum_{i \in a} x_i^2, \quad \nu = \Big(\sum_a v_a\Big)^2 \Big/ \sum_a \frac{v_a^2}{\nu_a}

    Welch, The generalization of Student's problem when several different population variances are involved,
    Biometrika 1947.

    Args:
        x: What is left of x ``(n,)``.
        y: What is left of y ``(n,)``.
        arms: Arm ``(n,)`` of each.
        free: 1 less the leverage ``(n,)``: sums to the degrees of freedom before the slope is taken.
        df: Those after.

    Example:
        >>> x, y = np.array([-1.0, 1.0, -1.0, 1.0]), np.array([-3.0, 1.0, -1.0, 3.0])  # slope 2, all off by 1
        >>> welch(x, y, np.array([0, 0, 1, 1]), np.full(4, 0.5), 1)  # parts of 2 2 / 0.5, from half a degree each
        Slope(value=2.0, se=1.0, df=1.0)
    """
    places = np.unique(arms, return_inverse=True)[1]
    squares = np.bincount(places, x * x)
    value = float(x @ y / squares.sum())
    rest = np.bincount(places, (y - value * x) ** 2)
    own = np.bincount(places, free) * df / free.sum()
    varied = own > 1e-9
    parts = squares[varied] * rest[varied] / own[varied]
    degrees = float(parts.sum() ** 2 / (parts**2 / own[varied]).sum())
    return Slope(value, math.sqrt(parts.sum()) / float(squares.sum()), degrees)


def constant(values: Floats) -> bool:
    """Return whether values do not vary, but for rounding."""
    return len(values) == 0 or bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))
