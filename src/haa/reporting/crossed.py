r"""A difference over seeds and test stimuli at once: its standard error, interval and p-values.

All runs of a study are scored on the same test split, so that seeds and stimuli are crossed. With :math:`d_{su}` the
difference of two arms with seed s on stimulus u,

.. math:: d_{su} = \delta + A_s + B_u + e_{su}, \qquad
    \operatorname{var}(\bar d) = \frac{\sigma_A^2}{S} + \frac{\sigma_B^2}{U} + \frac{\sigma_e^2}{SU},

and no resampling of the one or of the other sees all of it. The three terms are estimated from mean squares, as in a
quasi-F test (Clark, The language-as-fixed-effect fallacy, 1973), with Satterthwaite's degrees of freedom (An
approximate distribution of estimates of variance components, 1946). Few seeds hardly know their own variance; it is
moderated by that of the study's other arms, which counts as `PRIOR` degrees of freedom (Smyth, Linear models and
empirical Bayes methods, 2004). docs/decisions/0051 has the simulations by which this was chosen.

Every function takes leading dimensions, so that thousands of studies are computed in one call.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

PRIOR = 2
"""Degrees of freedom that the other arms' variance over seeds counts for, at most; never more than the seeds' own."""


class Rest(NamedTuple):
    """What the other arms of a study know of the variance over seeds of a difference of two."""

    variance: Floats
    """Variance ``(...)`` of a difference of two arms, per seed."""
    df: int


class Units(NamedTuple):
    """Squared standard errors that only the test stimuli show, each ``(...)``."""

    stimuli: Floats
    """Over stimuli, with the seeds as they are: :math:`\\sigma_B^2 / U + \\sigma_e^2 / SU`."""
    both: Floats
    """The part that seeds and stimuli share: :math:`\\sigma_e^2 / SU`."""
    df: Floats
    """Degrees of freedom over stimuli: their number, or less where some weigh more than others, less 1."""


class Contrast(NamedTuple):
    """Mean differences with their standard error and its degrees of freedom, each ``(...)``; NaN is unknown."""

    mean: Floats
    se: Floats
    df: Floats
    share: Floats
    """Share of the squared standard error that more seeds would not take away, since it is the test split's."""

    def p(self, margin: ArrayLike = 0.0) -> Floats:
        """Return the two-sided p-values of a difference of 0.

        With a margin, the p-value of a distance from 0 of ``margin`` or more, by two one-sided tests (Schuirmann 1987).
        """
        margin = np.asarray(margin, float)
        with np.errstate(invalid="ignore", divide="ignore"):
            sided = stats.t.sf((np.abs(self.mean) - margin) / self.se, self.df)
        return np.where(margin > 0, 1.0 - sided, np.minimum(2.0 * sided, 1.0))

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Return the ends of the interval."""
        half = stats.t.ppf((1 + level) / 2, self.df) * self.se
        return self.mean - half, self.mean + half


def rest(values: ArrayLike, arm: int, other: int) -> Rest | None:
    """Return what all arms say of the variance over seeds, beyond what the difference of two of them says itself.

    Arms and seeds are taken as additive: the residuals' sum of squares, less the part along ``arm - other``.

    Args:
        values: Means ``(..., k, s)`` of k arms with the same s seeds.
        arm: Place of the one arm.
        other: Place of the other arm.

    Returns:
        None where there are no other arms, or there is one seed.

    Example:
        >>> found = rest([[0.0, 1.0], [0.0, 0.0], [0.0, 2.0]], 0, 1)  # the third arm rises by 1.5 more than the two do
        >>> float(found.variance), found.df  # 1.5^2 / 2 over two seeds, and 2 / 1.5 to that of two arms
        (1.5, 1)
    """
    y = np.asarray(values, float)
    arms, seeds = y.shape[-2:]
    if arms < 3 or seeds < 2:
        return None
    residuals = y - y.mean(-1, keepdims=True)
    residuals = residuals - residuals.mean(-2, keepdims=True)
    along = residuals[..., arm, :] - residuals[..., other, :]
    left = (residuals**2).sum((-2, -1)) - (along**2).sum(-1) / 2
    df = (arms - 2) * (seeds - 1)
    return Rest(np.maximum(2 * left / df, 0.0), df)


def over_stimuli(values: ArrayLike, weights: ArrayLike | None = None) -> Units:
    """Return the squared standard errors that a test split shows.

    Args:
        values: Mean differences ``(..., s, u)`` of s seeds at u stimuli.
        weights: Number of test samples ``(u,)`` of each stimulus, all of which count alike; None is one each.

    Example:
        >>> found = over_stimuli([[0.0, 2.0], [0.0, 2.0]])  # sd sqrt(2) over two stimuli: 2 / 2; the seeds agree
        >>> float(found.stimuli), float(found.both)
        (1.0, 0.0)
    """
    d = np.asarray(values, float)
    seeds, count = d.shape[-2:]
    w = np.full(count, 1 / count) if weights is None else np.asarray(weights, float) / np.sum(weights)
    mean = (d * w).sum(-1, keepdims=True)
    off = (d - mean) * w
    over_seeds = off.mean(-2)
    df = np.asarray((w**2).sum() ** 2 / (w**4).sum() - 1)
    few = count / (count - 1) if count > 1 else np.nan
    stimuli = few * (over_seeds**2).sum(-1)
    left = ((off - over_seeds[..., None, :]) ** 2).sum((-2, -1))
    both = few * left / (seeds * (seeds - 1)) if seeds > 1 else np.zeros_like(stimuli)
    return Units(stimuli, both, df)


def contrast(differences: ArrayLike, others: Rest | None = None, units: Units | None = None) -> Contrast:
    """Return the mean difference of two arms, and how well seeds and test stimuli together determine it.

    Args:
        differences: Differences ``(..., s)`` of the arms' means, paired by seed.
        others: What the study's other arms say of the variance over seeds; None is nothing, as in Student's paired t.
        units: What the test split says; None where the score is no mean over samples: the split is then taken as given.

    Example:
        >>> found = contrast([1.0, 2.0, 3.0])  # Student's: 2 +- 4.303 / sqrt(3)
        >>> [round(float(x), 3) for x in found.interval()]
        [-0.484, 4.484]
    """
    d = np.asarray(differences, float)
    seeds = d.shape[-1]
    mean = d.mean(-1)
    if seeds < 2:
        unknown = np.full(mean.shape, np.nan)
        return Contrast(mean, unknown, unknown, unknown)
    own, df = d.var(-1, ddof=1), float(seeds - 1)
    own = np.where(np.sqrt(own) <= 1e-12 * np.maximum(1.0, np.abs(d).max(-1)), 0.0, own)
    if others is not None:
        prior = min(PRIOR, others.df, seeds - 1)
        own, df = (prior * others.variance + df * own) / (prior + df), prior + df
    over_seeds = own / seeds
    squared, degrees, split = over_seeds, np.broadcast_to(df, mean.shape), np.zeros(mean.shape)
    if units is not None:
        squared = over_seeds + units.stimuli - units.both
        with np.errstate(invalid="ignore", divide="ignore"):
            degrees = squared**2 / (
                over_seeds**2 / df + units.stimuli**2 / units.df + units.both**2 / (units.df * (seeds - 1))
            )
        # a component of variance is not negative: neither side alone is less uncertain than both
        larger = np.maximum(over_seeds, units.stimuli)
        degrees = np.where(squared < larger, np.where(over_seeds >= units.stimuli, df, units.df), degrees)
        squared = np.maximum(larger, squared)
        with np.errstate(invalid="ignore", divide="ignore"):
            split = np.clip((units.stimuli - units.both) / squared, 0.0, 1.0)
    # outcomes that are all the same say nothing of how the next would differ
    se = np.where(over_seeds > 0, np.sqrt(squared), np.nan)
    return Contrast(mean, se, np.asarray(degrees, float), split)
