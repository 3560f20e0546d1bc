"""Statistics against scipy and statsmodels, to 1e-9."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.stats.weightstats
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

from haa.reporting import statistics

RNG = np.random.default_rng(7)
SEEDS = [2, 3, 5, 12, 40]


@pytest.mark.parametrize("n", SEEDS)
def test_mean_and_interval(n):
    x = RNG.normal(0.4, 0.1, n)
    found = statistics.mean(x)
    expected = statsmodels.stats.weightstats.DescrStatsW(x).tconfint_mean()
    assert found.mean == pytest.approx(x.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
    assert (found.low, found.high) == pytest.approx(stats.ttest_1samp(x, 0).confidence_interval(), abs=1e-9)


@pytest.mark.parametrize("n", SEEDS)
def test_over_pictures_with_one_sample_each_is_students(n):
    x = RNG.normal(0.4, 0.1, n)
    found = statistics.over_pictures([*x, math.nan], [*map(str, range(n)), "without"])
    assert (found.low, found.high) == pytest.approx(stats.ttest_1samp(x, 0).confidence_interval(), abs=1e-9)
    assert found.n == n


def test_over_pictures_that_share_samples_has_statsmodels_clustered_error():
    pictures = RNG.permutation(np.repeat(np.arange(12), np.arange(1, 13)))
    x = RNG.normal(0, 0.1, 78) + RNG.normal(0.4, 0.3, 12)[pictures]
    found = statistics.over_pictures(x, pictures.astype(str))
    fitted = OLS(x, np.ones(78)).fit(cov_type="cluster", cov_kwds={"groups": pictures})
    # unequal weights take degrees of freedom: Satterthwaite's, of the weights alone
    w = np.arange(1, 13) / 78
    t = stats.t.ppf(0.975, (w**2).sum() ** 2 / (w**4).sum() - 1)
    assert found.mean == pytest.approx(x.mean(), abs=1e-12)
    assert (found.high - found.low) / 2 == pytest.approx(t * fitted.bse[0], abs=1e-9)
    # as many of each: Student's over the pictures' means
    equal = statistics.over_pictures(x[:36], np.repeat(np.arange(12), 3))
    expected = stats.ttest_1samp(x[:36].reshape(12, 3).mean(1), 0).confidence_interval()
    assert (equal.low, equal.high) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "pictures", "n"),
    [([0.2, 0.4], ["a", "a"], 1), ([1.0, 1.0, 1.0], ["a", "b", "c"], 3), ([math.nan], ["a"], 0)],
)
def test_over_pictures_that_determine_nothing_has_no_interval(values, pictures, n):
    found = statistics.over_pictures(values, pictures)
    assert (found.low, found.high, found.n) == (None, None, n)


@pytest.mark.parametrize("n", SEEDS)
def test_paired_difference(n):
    x, y = RNG.normal(0.4, 0.1, n), RNG.normal(0.3, 0.1, n)
    found, expected = statistics.paired(x, y), stats.ttest_rel(x, y)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(), abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert found.n == n


def test_effect_size_by_hand_and_its_correction_by_statsmodels_approximation():
    # nu = 2: Gamma(1) / (sqrt(1) Gamma(1/2)) = 1 / sqrt(pi)
    assert statistics.effect([1.0, 2.0, 3.0]) == pytest.approx(2 / math.sqrt(math.pi), abs=1e-12)
    # nu = 3: Gamma(3/2) / (sqrt(3/2) Gamma(1)) = sqrt(pi) / 2 / sqrt(3/2)
    d = np.array([1.0, 2.0, 3.0, 6.0])
    expected = d.mean() / d.std(ddof=1) * math.sqrt(math.pi) / 2 / math.sqrt(1.5)
    assert statistics.effect(d) == pytest.approx(expected, abs=1e-12)
    many = RNG.normal(1, 1, 60)
    assert statistics.effect(many) == pytest.approx(many.mean() / many.std(ddof=1) * (1 - 3 / (4 * 59 - 1)), rel=1e-4)
    assert statistics.effect([1.0, 2.0]) is None


def test_effect_size_is_unbiased():
    drawn = np.random.default_rng(0).normal(0.8, 1, (20_000, 5))
    found = np.mean([statistics.effect(d) for d in drawn])
    assert found == pytest.approx(0.8, abs=0.03)  # Cohen's d_z would come out at 1.0


@pytest.mark.parametrize("n", [1, 2, 7])
def test_holm(n):
    p = RNG.uniform(0, 0.2, n)
    assert statistics.holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-9)


def test_a_comparison_without_p_value_counts_in_the_family():
    assert statistics.holm([0.02, None]) == [0.04, None]
    assert statistics.holm([]) == []


def test_one_seed_and_equal_seeds_have_no_interval():
    for values in ([0.4], [0.4, 0.4, 0.4]):
        found = statistics.mean(values)
        assert (found.mean, found.low, found.high) == (pytest.approx(0.4), None, None)
    found = statistics.paired([0.3, 0.4], [0.1, 0.2])  # equal up to rounding
    assert (found.low, found.p, found.effect, found.sign) == (None, None, None, 0)
