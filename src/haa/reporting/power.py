r"""Number of seeds that a study needs to see a given difference, as the verdict would judge it.

`power`, `seeds_needed` and `spread` are exact for Student's paired t. `joint_power` and `seeds_needed_jointly` are for
the verdict itself: they draw studies by the model of `haa.reporting.crossed`,

.. math:: y_{ksu} = \mu_k + A_{ks} + B_{ku} + e_{ksu},

of arm k with seed s on picture u, each term normal and correlated over the arms, and judge them by the shipped
`contrast`, `rest`, `evidence` and `decide`. Only sums over pictures are drawn: means, and the mean squares that
`over_stimuli` would give, as multiples of chi-square.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from haa.errors import InputError
from haa.reporting.crossed import Contrast, Floats, Units, contrast, rest
from haa.reporting.verdict import LEVEL, Word, decide, evidence

MOST = 1000
"""Number of seeds beyond which nobody would go."""
ENDLESS = 1_000_000
"""Times as many pictures as there are: a test split that adds no uncertainty of its own."""
BOUND = 0.8
"""Probability that a pilot's true standard deviation lies below its upper bound."""
HELPS: Word = "gaze helps"
SAME: Word = "no difference above δ"


@dataclass(frozen=True)
class Spread:
    """Standard deviation of paired differences in a pilot, and how large it may be in truth."""

    sd: float
    high: float
    """Upper end of its one-sided interval: a pilot of a few seeds knows its own spread poorly."""
    n: int


@dataclass(frozen=True)
class Split:
    """What a test split does to the arms' means: covariances ``(k, k)``, of which only those of differences matter."""

    shared: Floats
    """That of the pictures, which all seeds share: :math:`\\Sigma_B / U`."""
    sampling: Floats
    """That of a single run's answers: :math:`\\Sigma_e / U`. It is part of the covariance over seeds, too."""
    df: float
    """Degrees of freedom over pictures: their number, or less where some weigh more than others, less 1."""
    pictures: int
    """Their number U."""


@dataclass(frozen=True, eq=False)
class Design:
    """Arms of a study, and how their scores vary: the baseline, the treatment, its controls, and any others."""

    over_seeds: Floats
    """Covariance ``(k, k)`` over seeds of the arms' means: :math:`\\Sigma_A + \\Sigma_e / U`."""
    matched: tuple[bool, ...] = ()
    """For each control, whether its gaze is that of another stimulus. Their number says how many arms are controls."""
    split: Split | None = None
    """None where the score is no mean over samples: the test split is then taken as given."""
    tests: int = 1
    """What p-values are multiplied by: the number of treatments tried."""

    def wider(self, factor: float) -> Design:
        """Return the design with all standard deviations over seeds this many times as large."""
        return replace(self, over_seeds=self.over_seeds * factor**2)

    def on(self, pictures: int) -> Design:
        """Return the design with another number of test pictures of the same kind."""
        if self.split is None:
            return self
        part = self.split.pictures / pictures
        df = (self.split.df + 1) / part - 1
        split = Split(self.split.shared * part, self.split.sampling * part, df, pictures)
        return replace(self, over_seeds=positive(self.over_seeds - self.split.sampling * (1 - part)), split=split)


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
        InputError: If 1,000 seeds do not reach it, or an argument is out of range.

    Example:
        >>> seeds_needed(0.1, sd=0.1)
        10
    """
    check(difference, wanted, alpha)
    found = _smallest(lambda seeds: power(difference, sd, seeds, alpha) >= wanted, 2, MOST)
    if found is None:
        raise InputError(f"difference={difference} cannot be seen with {MOST} seeds: give a larger one")
    return found


def spread(differences: ArrayLike, level: float = BOUND) -> Spread:
    r"""Return a pilot's standard deviation, and its upper bound :math:`s \sqrt{\nu / \chi^2_{1 - level, \nu}}`.

    Args:
        differences: Paired differences, one per seed.
        level: Probability that the true standard deviation lies below the bound.

    Raises:
        InputError: If there are fewer than two differences, or they are all the same.

    Browne, On the use of a pilot sample for sample size determination, Statistics in Medicine 1995.

    Example:
        >>> spread([1.0, 2.0, 3.0])
        Spread(sd=1.0, high=2.11..., n=3)
    """
    d = np.asarray(differences, float)
    if len(d) < 2 or np.ptp(d) == 0:
        raise InputError(
            f"a pilot of {len(d)} seed(s) whose differences do not vary says nothing of their variance: run more seeds"
        )
    sd = float(d.std(ddof=1))
    return Spread(sd, sd * at_most(len(d) - 1, level), len(d))


def at_most(df: int, level: float = BOUND) -> float:
    """Return how many times larger than estimated a standard deviation may be in truth; see `spread`.

    Example:
        >>> at_most(2)
        2.11...
    """
    return math.sqrt(df / float(stats.chi2.ppf(1 - level, df)))


@lru_cache(maxsize=256)
def joint_power(
    difference: float, design: Design, seeds: float, alpha: float = LEVEL, draws: int = 4000
) -> dict[str, float]:
    """Return how probable it is that the verdict finds what is true, by simulated studies.

    In a first truth, the treatment is better by ``difference`` than the baseline and than every control. In a second,
    all of them are equal.

    Args:
        difference: True difference, and in the second truth the margin of equivalence, in units of the metric.
        design: The arms, and how they vary.
        seeds: Number of seeds of every arm, at least 2; infinity is what no number of seeds exceeds.
        alpha: Level of the two-sided tests.
        draws: Number of simulated studies; 4,000 have a standard error below 0.008. Above 100 seeds there may be fewer,
            at least 1,000.

    Returns:
        By name: ``baseline`` and ``control 1``, ``control 2`` ... for that comparison alone; ``gaze helps`` for that
        word in the first truth, 0 where no control is matched; ``no difference above δ`` for that word in the second.

    Example:
        >>> independent = Design(np.eye(3) * 0.05**2, matched=(True,))  # no test split: the score is no mean
        >>> {name: round(value, 1) for name, value in joint_power(0.1, independent, 6).items()}
        {'baseline': 0.8, 'control 1': 0.8, 'gaze helps': 0.8, 'no difference above δ': 0.9}
    """
    rng = np.random.default_rng(0)
    arms = len(design.over_seeds)
    if math.isinf(seeds):
        return _rates([_judged(difference, design, alpha, _endless(design, rng, draws))])
    count = int(seeds)
    draws = max(min(draws, 1000), min(draws, 4_000_000 // (arms * count)))
    piece = max(1, 1_000_000 // (arms * count))
    sizes = [min(piece, draws - start) for start in range(0, draws, piece)]
    return _rates([_judged(difference, design, alpha, _drawn(design, count, rng, size)) for size in sizes])


def seeds_needed_jointly(
    difference: float, design: Design, wanted: float = 0.8, alpha: float = LEVEL
) -> dict[str, int | None]:
    """Return, for each name of `joint_power`, the smallest number of seeds with which it reaches ``wanted``.

    None is that 1,000 do not, or that no number does, since the test split is the limit.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> seeds_needed_jointly(0.1, Design(np.eye(2) * 0.1**2 / 2))  # two arms: Student's t
        {'baseline': 10, 'gaze helps': None, 'no difference above δ': 10}
    """
    check(difference, wanted, alpha)

    def reached(name: str, seeds: int) -> bool:
        return joint_power(difference, design, seeds, alpha)[name] >= wanted

    return {
        name: _smallest(partial(reached, name), 2, MOST) if best >= wanted else None
        for name, best in joint_power(difference, design, math.inf, alpha).items()
    }


def pictures_needed(
    difference: float, design: Design, name: str, wanted: float = 0.8, alpha: float = LEVEL
) -> tuple[int, int] | None:
    """Return how many test pictures would do, and with how many seeds, where no number of seeds does.

    The seeds are twice those that an endless test split would need. The pictures are rounded up to two digits.

    Args:
        difference: True difference, in units of the metric.
        design: The arms, and how they vary.
        name: What is to be found, one of `joint_power`'s names.
        wanted: Probability of finding it.
        alpha: Level of the two-sided tests.

    Returns:
        None where there is no test split, or no number of pictures would do.
    """
    if design.split is None:
        return None
    least = seeds_needed_jointly(difference, design.on(design.split.pictures * ENDLESS), wanted, alpha)[name]
    if least is None or 2 * least > MOST:
        return None
    seeds = 2 * least

    def reached(pictures: int) -> bool:
        return joint_power(difference, design.on(pictures), seeds, alpha)[name] >= wanted

    found = _smallest(reached, design.split.pictures, design.split.pictures * ENDLESS)
    if found is None:
        return None
    step = 10 ** max(0, len(str(found)) - 2)
    return -(-found // step) * step, seeds


def positive(covariance: ArrayLike) -> Floats:
    """Return a covariance ``(k, k)`` without directions of negative variance, as differences of mean squares have them.

    Example:
        >>> positive([[2.0, 0.0], [0.0, -1.0]])
        array([[2., 0.],
               [0., 0.]])
    """
    root = _root(np.asarray(covariance, float))
    return root @ root.T


def check(difference: float, wanted: float, alpha: float) -> None:
    """Refuse what cannot be planned.

    Raises:
        InputError: If the difference is 0 or no number, or a probability is not between 0 and 1.
    """
    if difference == 0 or not math.isfinite(difference):
        raise InputError(f"difference={difference}: give the difference that you would not want to miss, e.g. 0.05")
    for name, value in (("power", wanted), ("alpha", alpha)):
        if not 0 < value < 1:
            raise InputError(f"{name}={value} is out of range: give a number between 0 and 1")


Pairs = dict[tuple[int, int], Contrast]
"""Differences of two arms, without effects, by their places."""


def _pairs(design: Design) -> list[tuple[int, int]]:
    controls = range(2, 2 + len(design.matched))
    return [(1, 0), *[(1, k) for k in controls], *[(k, 0) for k in controls]]


def _drawn(design: Design, seeds: int, rng: np.random.Generator, n: int) -> Pairs:
    """Return the differences of n studies without any effect, as `contrast` sees them."""
    arms = len(design.over_seeds)
    values = _root(design.over_seeds) @ rng.standard_normal((n, arms, seeds))
    split = design.split
    if split is not None:
        values += _root(split.shared) @ rng.standard_normal((n, arms, 1))
    found = {}
    for arm, other in _pairs(design):
        units = None
        if split is not None:
            both = _of_difference(split.sampling, arm, other) / seeds
            stimuli = _of_difference(split.shared, arm, other) + both
            units = Units(
                stimuli * rng.chisquare(split.df, n) / split.df,
                both * rng.chisquare(split.df * (seeds - 1), n) / (split.df * (seeds - 1)),
                np.asarray(split.df),
            )
        found[arm, other] = contrast(values[:, arm] - values[:, other], rest(values, arm, other), units)
    return found


def _endless(design: Design, rng: np.random.Generator, n: int) -> Pairs:
    """Return what `_drawn` tends to with the number of seeds: only the test split is uncertain."""
    arms, split, one = len(design.over_seeds), design.split, np.ones(n)
    if split is None:
        return {pair: Contrast(0 * one, 0 * one, np.inf * one, 0 * one) for pair in _pairs(design)}
    values = rng.standard_normal((n, arms)) @ _root(split.shared).T
    found = {}
    for arm, other in _pairs(design):
        squared = _of_difference(split.shared, arm, other) * rng.chisquare(split.df, n) / split.df
        found[arm, other] = Contrast(values[:, arm] - values[:, other], np.sqrt(squared), split.df * one, one)
    return found


def _judged(difference: float, design: Design, alpha: float, pairs: Pairs) -> dict[str, np.ndarray]:
    """Return, for each name of `joint_power`, in which studies it was found."""
    delta = abs(difference)
    controls = range(2, 2 + len(design.matched))
    gains = [pairs[k, 0] for k in controls]

    def word(effect: float, margin: float) -> np.ndarray:
        baseline, *others = (pairs[1, k]._replace(mean=pairs[1, k].mean + effect) for k in (0, *controls))
        return decide(evidence(baseline, others, gains, design.matched, margin), design.tests, alpha)

    found: dict[str, np.ndarray] = {}
    for k in (0, *controls):
        shifted = pairs[1, k]._replace(mean=pairs[1, k].mean + delta)
        found[f"control {k - 1}" if k else "baseline"] = (shifted.mean > 0) & (shifted.p() * design.tests <= alpha)
    return {**found, HELPS: word(delta, 0.0) == HELPS, SAME: word(0.0, delta) == SAME}


def _rates(pieces: list[dict[str, np.ndarray]]) -> dict[str, float]:
    return {name: float(np.concatenate([piece[name] for piece in pieces]).mean()) for name in pieces[0]}


def _of_difference(covariance: Floats, arm: int, other: int) -> float:
    return float(covariance[arm, arm] + covariance[other, other] - 2 * covariance[arm, other])


def _root(covariance: Floats) -> Floats:
    """Return a matrix whose square is the covariance, but for directions of negative variance."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _smallest(reached: Callable[[int], bool], least: int, most: int) -> int | None:
    """Return the smallest number from ``least`` to ``most`` that reaches something which larger ones reach, too."""
    low, high = least - 1, least
    while not reached(high):
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
