"""Power against statsmodels, and joint power against plain simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from haa.errors import InputError
from haa.report import power


@pytest.mark.parametrize("seeds", [2, 3, 8, 50])
@pytest.mark.parametrize("size", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_power_is_that_of_statsmodels(seeds, size, alpha):
    both = TTestPower().power(size, seeds, alpha, alternative="two-sided")
    # statsmodels adds the chance of a significant difference on the wrong side
    wrong = stats.nct.cdf(stats.t.ppf(alpha / 2, seeds - 1), seeds - 1, math.sqrt(seeds) * size)
    assert power.power(0.2, 0.2 / size, seeds, alpha) == pytest.approx(both - wrong, abs=1e-9)
    assert power.power(-0.2, 0.2 / size, seeds, alpha) == power.power(0.2, 0.2 / size, seeds, alpha)


@pytest.mark.parametrize("wanted", [0.8, 0.95])
@pytest.mark.parametrize("size", [0.2, 0.7, 1.5])
def test_seeds_needed_is_statsmodels_rounded_up(size, wanted):
    exact = TTestPower().solve_power(size, power=wanted, alpha=0.05)
    assert power.seeds_needed(size, 1.0, wanted) == math.ceil(exact)


@pytest.mark.parametrize("seeds", [2, 3, 11])
def test_joint_power_is_that_of_simulated_studies(seeds):
    covariance = np.array([[0.010, 0.006], [0.006, 0.014]])
    rng = np.random.default_rng(1)
    x = rng.multivariate_normal([0.1, 0.1], covariance, (40_000, seeds))
    t = x.mean(1) / (x.std(1, ddof=1) / math.sqrt(seeds))
    expected = (t > stats.t.ppf(0.975, seeds - 1)).all(1).mean()
    assert power.joint_power(0.1, covariance, seeds) == pytest.approx(expected, abs=0.012)


def test_joint_power_of_one_comparison_is_its_power():
    assert power.joint_power(0.1, np.array([[0.01]]), 9) == pytest.approx(power.power(0.1, 0.1, 9), abs=0.01)


def test_spread_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    bounds = [power.spread(rng.normal(0, 0.1, 4)).high for _ in range(4000)]
    assert np.mean(np.array(bounds) > 0.1) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    "given", [{"difference": 0.0}, {"difference": math.nan}, {"wanted": 1.0}, {"alpha": 0.0}, {"difference": 1e-6}]
)
def test_impossible_plans_are_refused(given):
    with pytest.raises(InputError):
        power.seeds_needed(**{"difference": 0.1, "sd": 1.0, **given})


def test_a_pilot_without_variance_is_refused():
    for d in ([0.1], [0.1, 0.1]):
        with pytest.raises(InputError, match="run more seeds"):
            power.spread(d)
