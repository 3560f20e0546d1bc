"""Power against statsmodels, and joint power against Student's, against limits and against drawn studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from haa.errors import InputError
from haa.reporting import power
from haa.reporting.crossed import contrast, over_stimuli, rest
from haa.reporting.power import Design, Split


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
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_joint_power_of_two_arms_without_a_split_is_students(seeds, alpha):
    two = Design(np.array([[0.006, 0.001], [0.001, 0.006]]))
    found = power.joint_power(0.1, two, seeds, alpha, draws=20_000)
    assert found["baseline"] == pytest.approx(power.power(0.1, 0.1, seeds, alpha), abs=0.012)


@pytest.mark.parametrize("seeds", [3, 9])
def test_joint_power_is_that_of_studies_drawn_picture_by_picture(seeds):
    pictures, n = 15, 4000
    rng = np.random.default_rng(1)
    luck, suits, noise = np.array([0.05, 0.1, 0.05]), np.array([0.2, 0.3, 0.1]), np.array([0.3, 0.2, 0.4])
    y = (
        luck[:, None, None] * rng.standard_normal((n, 3, seeds, 1))
        + suits[:, None, None] * rng.standard_normal((n, 3, 1, pictures))
        + noise[:, None, None] * rng.standard_normal((n, 3, seeds, pictures))
    )
    means = y.mean(-1)
    effect = 0.3
    shown = [
        contrast(means[:, 1] - means[:, k] + effect, rest(means, 1, k), over_stimuli(y[:, 1] - y[:, k])) for k in (0, 2)
    ]
    expected = [((found.mean > 0) & (found.p() < 0.05)) for found in shown]
    split = Split(np.diag(suits**2) / pictures, np.diag(noise**2) / pictures, pictures - 1, pictures)
    design = Design(np.diag(luck**2 + noise**2 / pictures), (True,), split)
    found = power.joint_power(effect, design, seeds, draws=20_000)
    assert found["baseline"] == pytest.approx(expected[0].mean(), abs=0.025)
    assert found["control 1"] == pytest.approx(expected[1].mean(), abs=0.025)
    assert found["gaze helps"] == pytest.approx((expected[0] & expected[1]).mean(), abs=0.025)


LIMITED = Design(np.eye(3) * 0.005, (True,), Split(np.eye(3) * 0.001, np.eye(3) * 0.002, 199, 200))


def test_seeds_do_not_go_beyond_what_the_test_split_shows():
    best = power.joint_power(0.1, LIMITED, math.inf)
    many = power.joint_power(0.1, LIMITED, 400, draws=4000)
    assert best == pytest.approx(many, abs=0.04)
    assert best["gaze helps"] < 0.5
    assert set(power.seeds_needed_jointly(0.1, LIMITED).values()) == {None}
    # Student's t with the split's variance alone
    assert best["baseline"] == pytest.approx(
        stats.nct.sf(stats.t.ppf(0.975, 199), 199, 0.1 / math.sqrt(0.002)), abs=0.03
    )


def test_more_pictures_do_what_seeds_do_not():
    pictures, seeds = power.pictures_needed(0.1, LIMITED, "gaze helps")
    assert pictures > 200
    assert power.joint_power(0.1, LIMITED.on(pictures), seeds)["gaze helps"] >= 0.79
    assert power.joint_power(0.1, LIMITED.on(pictures // 2), seeds)["gaze helps"] < 0.79
    assert power.pictures_needed(0.1, Design(np.eye(2)), "baseline") is None
    assert power.pictures_needed(1e-9, LIMITED, "gaze helps") is None


def test_another_number_of_pictures_changes_what_pictures_cause():
    other = LIMITED.on(800)
    assert other.split.shared == pytest.approx(LIMITED.split.shared / 4)
    assert other.over_seeds == pytest.approx(np.eye(3) * (0.003 + 0.002 / 4), abs=1e-12)
    assert (other.split.df, other.split.pictures) == (799, 800)
    same = LIMITED.on(200)
    assert same.over_seeds == pytest.approx(LIMITED.over_seeds)


def test_every_treatment_tried_costs_power():
    one, three = Design(np.eye(3) * 0.005, (True,)), Design(np.eye(3) * 0.005, (True,), None, 3)
    assert power.joint_power(0.1, three, 8) == power.joint_power(0.1, one, 8, 0.05 / 3)


def test_without_a_matched_control_gaze_is_not_said_to_help():
    found = power.joint_power(1.0, Design(np.eye(3) * 0.005, (False,)), 8)
    assert (found["gaze helps"], found["control 1"]) == (0.0, 1.0)
    assert power.seeds_needed_jointly(1.0, Design(np.eye(3) * 0.005, (False,)))["gaze helps"] is None


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
    if "difference" not in given or not given["difference"] > 0:
        with pytest.raises(InputError):
            power.seeds_needed_jointly(**{"difference": 0.1, "design": LIMITED, **given})


def test_a_pilot_without_variance_is_refused():
    for d in ([0.1], [0.1, 0.1]):
        with pytest.raises(InputError, match="run more seeds"):
            power.spread(d)
