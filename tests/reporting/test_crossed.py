"""Standard errors over seeds and stimuli: mean squares of statsmodels' analysis of variance, cluster-robust errors."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.weightstats import ttost_paired

from haa.reporting.crossed import PRIOR, contrast, over_stimuli, rest

RNG = np.random.default_rng(3)


def anova(d: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of seeds, stimuli and the rest."""
    s, u = np.indices(d.shape)
    table = sm.stats.anova_lm(
        ols("d ~ C(s) + C(u)", pd.DataFrame({"d": d.ravel(), "s": s.ravel(), "u": u.ravel()})).fit()
    )
    return tuple((table["sum_sq"] / table["df"]).to_list())


@pytest.mark.parametrize(("seeds", "units"), [(3, 12), (5, 40), (2, 7)])
def test_the_squared_standard_error_is_that_of_the_mean_squares(seeds, units):
    d = 0.3 + RNG.normal(0, 0.2, (seeds, 1)) + RNG.normal(0, 0.5, (1, units)) + RNG.normal(0, 0.3, (seeds, units))
    ms_seeds, ms_units, ms_rest = anova(d)
    parts = [ms / (seeds * units) for ms in (ms_seeds, ms_units, ms_rest)]
    expected = parts[0] + parts[1] - parts[2]
    found = contrast(d.mean(1), units=over_stimuli(d))
    if expected > max(parts[:2]):
        dfs = (seeds - 1, units - 1, (seeds - 1) * (units - 1))
        assert found.se**2 == pytest.approx(expected, rel=1e-9)
        assert found.df == pytest.approx(expected**2 / sum(p**2 / n for p, n in zip(parts, dfs, strict=True)), rel=1e-9)
        assert found.share == pytest.approx((parts[1] - parts[2]) / expected, rel=1e-9)
    else:
        assert found.se**2 == pytest.approx(max(parts[:2]), rel=1e-9)


def test_a_component_of_variance_is_not_negative():
    d = np.array([[1.0, -1.0, 3.0], [-1.0, 1.0, 0.0]])  # seeds and pictures vary less than their interaction
    ms_seeds, ms_units, ms_rest = anova(d)
    assert ms_seeds + ms_units - ms_rest < max(ms_seeds, ms_units)
    assert contrast(d.mean(1), units=over_stimuli(d)).se ** 2 == pytest.approx(max(ms_seeds, ms_units) / 6)


def test_questions_of_one_picture_are_one_unit():
    pictures, counts = 30, RNG.integers(1, 9, 30)
    of = np.repeat(np.arange(pictures), counts)
    d = RNG.normal(0, 1, pictures)[of] + RNG.normal(0, 0.5, len(of))
    means = np.array([d[of == k].mean() for k in range(pictures)])
    # one mean over clustered samples: its cluster-robust standard error, with the correction for few clusters
    robust = sm.OLS(d, np.ones(len(d))).fit(cov_type="cluster", cov_kwds={"groups": of})
    units = over_stimuli(np.stack([means, means]), counts)
    assert float(units.stimuli) == pytest.approx(robust.bse[0] ** 2, rel=1e-9)
    assert float(units.both) == pytest.approx(0, abs=1e-12)
    assert float(units.df) == pytest.approx((counts**2).sum() ** 2 / (counts**4).sum() - 1)


def test_without_other_arms_and_stimuli_it_is_students_paired_t():
    x, y = RNG.normal(0.4, 0.1, 6), RNG.normal(0.3, 0.1, 6)
    found, expected = contrast(x - y), stats.ttest_rel(x, y)
    assert found.p() == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.interval() == pytest.approx(expected.confidence_interval(), abs=1e-12)
    assert found.p(0.1) == pytest.approx(ttost_paired(x, y, -0.1, 0.1)[0], abs=1e-12)


def test_the_other_arms_variance_is_what_an_additive_model_leaves():
    y = RNG.normal(0, 1, (4, 5)) + RNG.normal(0, 3, (1, 5))
    arm, seed = np.indices(y.shape)
    table = pd.DataFrame({"y": y.ravel(), "arm": arm.ravel(), "seed": seed.ravel()})
    left = ols("y ~ C(arm) + C(seed)", table).fit()
    own = (y[1] - y[3]).var(ddof=1)
    found = rest(y, 1, 3)
    # sigma^2 of a difference is twice that of a run
    assert found.df == left.df_resid - 4
    assert found.variance * found.df == pytest.approx(2 * left.ssr - 4 * own, rel=1e-9)


def test_moderation_is_the_weighted_mean_of_own_and_other_variance():
    y = RNG.normal(0, 1, (3, 6))
    d, others = y[0] - y[1], rest(y, 0, 1)
    found = contrast(d, others)
    expected = (PRIOR * others.variance + 5 * d.var(ddof=1)) / (PRIOR + 5)
    assert found.se == pytest.approx(math.sqrt(expected / 6))
    assert found.df == 5 + PRIOR
    assert contrast(y[0, :2] - y[1, :2], rest(y[:, :2], 0, 1)).df == 2  # the others never weigh more than the seeds


def test_what_cannot_be_known_is_nan():
    assert rest(RNG.normal(0, 1, (2, 5)), 0, 1) is None
    assert rest(RNG.normal(0, 1, (5, 1)), 0, 1) is None
    one = contrast([0.3])
    assert (float(one.mean), math.isnan(one.se), math.isnan(one.p())) == (0.3, True, True)
    assert math.isnan(contrast([0.2, 0.2, 0.2]).se)


def test_leading_dimensions_are_studies():
    y = RNG.normal(0, 1, (7, 4, 3))
    d = RNG.normal(0, 1, (7, 3, 11))
    found = contrast(y[:, 0] - y[:, 1], rest(y, 0, 1), over_stimuli(d))
    for k in range(7):
        one = contrast(y[k, 0] - y[k, 1], rest(y[k], 0, 1), over_stimuli(d[k]))
        assert [float(part[k]) for part in found] == pytest.approx([float(part) for part in one])


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """3 seeds and 20 pictures, both of which matter: 4,000 simulated studies of three arms."""
    rng = np.random.default_rng(0)
    y = (
        rng.normal(0, 0.1, (4000, 3, 3, 1))
        + rng.normal(0, 0.5, (4000, 3, 1, 20))
        + rng.normal(0, 0.5, (4000, 3, 3, 20))
    )
    means = y.mean(-1)
    found = contrast(means[:, 0] - means[:, 1], rest(means, 0, 1), over_stimuli(y[:, 0] - y[:, 1]))
    low, high = found.interval()
    missed = ((low > 0) | (high < 0)).mean()
    assert 0.02 < missed < 0.055
    # seeds alone would not see the pictures
    assert (contrast(means[:, 0] - means[:, 1]).p() < 0.05).mean() > 0.1
