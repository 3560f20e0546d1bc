"""Test samples: whether a model is right where it looks as people do, within runs and within samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from haa.reporting.arms import Arm, Study
from haa.reporting.compare import by_stimulus
from haa.reporting.crossed import Floats, contrast, over_stimuli
from haa.reporting.pays.relation import Correlation
from haa.reporting.statistics import LEVEL

Places = NDArray[np.intp] | None
"""Place of each sample's stimulus; None is one for each sample."""


class _Row(NamedTuple):
    """Run that has both metrics per sample."""

    arm: Arm
    seed: int
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Samples:
    """Whether a model is right where it looks as people do, test sample by test sample."""

    by_arm: list[tuple[Arm, Correlation]]
    """Over the samples, within each run of an arm; the mean over its seeds."""
    within_runs: Correlation | None
    """The same over the runs of all arms."""
    within_samples: Correlation | None
    """With every sample's mean over all runs and every run's mean taken out: easy samples cannot make it up."""
    samples: int
    stimuli: int
    """Number of pictures or videos that the samples are about."""


def per_sample(study: Study) -> Samples | None:
    r"""Return whether a model is right where it looks as people do.

    With values standardised to :math:`z`, a correlation is the mean of the products :math:`z_x z_y`: to test r = 0 is
    to test a mean over seeds and pictures (`haa.reporting.crossed`). A mean of

    .. math:: v = r + z_x z_y - \tfrac r 2 (z_x^2 + z_y^2)

    is r as well, and varies as r does: the added part is what estimating the standard deviations adds (the influence
    function of r: Devlin, Gnanadesikan and Kettenring, Robust estimation and outlier detection with correlation
    coefficients, Biometrika 1975). At r = 0 it is the products alone. Questions about one picture are one unit.

    Within runs, a picture that is easy, and easy to look at as people do, makes a relation. Within samples
    it cannot: both values are less their sample's mean over the runs of all arms, and less their run's mean.

    Returns:
        None where one of the two metrics has no values per sample. Samples that are undefined in some run are left
        out, and so are runs without values per sample.
    """
    rows = _rows(study)
    if not rows:
        return None
    defined = np.isfinite(sum(row.x + row.y for row in rows))
    n = int(defined.sum())
    if n < 3:
        return None
    rows = [_Row(row.arm, row.seed, _centred(row.x[defined]), _centred(row.y[defined])) for row in rows]
    stimuli = None if study.stimuli is None else study.stimuli[defined]
    by_arm, within_runs = _within_runs(rows, stimuli)
    count = n if stimuli is None else len(np.unique(stimuli))
    return Samples(by_arm, within_runs, _within_samples(rows, stimuli), n, count)


def _rows(study: Study) -> list[_Row]:
    rows = []
    for arm in study.arms:
        if arm.oracle or study.attention is None:
            continue
        for seed, run in arm.runs.items():
            x, y = study.column(run, study.attention), study.column(run, study.metric)
            if x is not None and y is not None:
                rows.append(_Row(arm, seed, x, y))
    return rows


def _centred(values: Floats) -> Floats:
    return values - values.mean()


def _within_runs(rows: Sequence[_Row], stimuli: Places) -> tuple[list[tuple[Arm, Correlation]], Correlation | None]:
    """Return the correlation of every arm, a mean over its seeds, and that of all runs."""
    known = [(row, _influence(row.x**2, row.y**2, row.x * row.y)) for row in rows]
    pairs = [(row.arm, row.seed, *own) for row, own in known if own is not None]
    by_arm = []
    for _, group in itertools.groupby(pairs, lambda pair: id(pair[0])):
        arms, _, values, pulls = zip(*group, strict=True)
        found = _over_both(np.array(values), np.array(pulls), stimuli)
        by_arm += [] if found is None else [(arms[0], found)]
    if not pairs:
        return by_arm, None
    seeds = sorted({seed for _, seed, _, _ in pairs})
    of_seed = [[pair[2:] for pair in pairs if pair[1] == seed] for seed in seeds]
    values, pulls = np.array([np.mean(own, 0) for own in of_seed]).swapaxes(0, 1)
    return by_arm, _over_both(values, pulls, stimuli, np.array([float(len(own)) for own in of_seed]))


def _within_samples(rows: Sequence[_Row], stimuli: Places) -> Correlation | None:
    """Return the correlation of what is left of all runs once each sample's mean is taken out, too."""
    mean_x, mean_y = np.mean([row.x for row in rows], 0), np.mean([row.y for row in rows], 0)
    seeds = sorted({row.seed for row in rows})
    sums, counts = np.zeros((3, len(seeds), len(mean_x))), np.zeros(len(seeds))
    for row in rows:
        x, y, place = row.x - mean_x, row.y - mean_y, seeds.index(row.seed)
        sums[:, place] += x * x, y * y, x * y
        counts[place] += 1
    pooled = _influence(sums[0], sums[1], sums[2], counts)
    return None if pooled is None else _over_both(*pooled, stimuli, counts)


def _influence(xx: Floats, yy: Floats, xy: Floats, counts: ArrayLike = 1.0) -> tuple[Floats, Floats] | None:
    """Return values whose mean is the correlation, and which vary as it does.

    Args:
        xx: Squares ``(..., n)`` of centred values, or their sums over several runs.
        yy: Squares of the others.
        xy: Products.
        counts: Number ``(...)`` of runs in each sum.

    Returns:
        Values ``(..., n)``, means over the runs, and how strongly each pulls at the standard deviations: the mean
        ``(..., n)`` of its two standardised squares. None where x or y does not vary.
    """
    weights = np.asarray(counts, float)
    size = float(weights.sum()) * xx.shape[-1]
    var_x, var_y = float(xx.sum()) / size, float(yy.sum()) / size
    if var_x <= 1e-20 or var_y <= 1e-20:
        return None
    r = float(xy.sum()) / size / math.sqrt(var_x * var_y)
    pull = (xx / var_x + yy / var_y) / 2 / weights[..., None]
    return r + xy / math.sqrt(var_x * var_y) / weights[..., None] - r * pull, pull


def _over_both(values: Floats, pulls: Floats, stimuli: Places, counts: Floats | None = None) -> Correlation | None:
    """Return the mean of values ``(s, n)`` over seeds and samples, pictures and seeds being the units.

    A picture draws the mean and the standard deviation, which its value is taken against, towards itself. What it
    deviates by is therefore divided by 1 less its leverage, as in a regression's standard errors (HC3: MacKinnon and
    White, Some heteroskedasticity-consistent covariance matrix estimators with improved finite sample properties,
    Journal of Econometrics 1985). With few pictures the interval is too narrow without it.

    A seed with more runs weighs more: ``counts`` are their numbers ``(s,)``.
    """
    seeds = len(values)
    if counts is not None:
        mean = float((counts / counts.sum()) @ values.mean(1))
        values = mean + (counts * seeds / counts.sum())[:, None] * (values - mean)
    means, weights = by_stimulus(values, stimuli)
    if len(weights) < 3:
        return None
    share = weights / weights.sum()
    leverage = np.minimum(share * (1 + by_stimulus(pulls, stimuli)[0].mean(0)), 0.9)
    found = contrast(values.mean(1), units=over_stimuli((means - (means @ share)[:, None]) / (1 - leverage), weights))
    r = float(np.clip(found.mean, -1.0, 1.0))
    if not math.isfinite(found.se):
        return Correlation(r, None, None, None, None)
    low, high = (float(np.clip(end, -1.0, 1.0)) for end in found.interval(LEVEL))
    return Correlation(r, low, high, float(found.p()), float(found.df))
