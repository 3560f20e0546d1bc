"""Standard deviations of a run: sums of squares by hand, Hedges' correction, and units that do not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from tests.reporting.pays.made import X, Y, arms, drawn, known, study

from haa.reporting.arms import Study
from haa.reporting.pays.standard import effect, spread, standardise
from haa.reporting.verdict import claims, family


def test_the_spread_is_pooled_within_arms_with_satterthwaites_degrees_of_freedom():
    rng = np.random.default_rng(10)
    y = rng.normal(0, 1, (3, 4)) + rng.normal(0, 2, (1, 4)) + np.array([[0.0], [9.0], [3.0]])
    made = study(y, y)
    sd, df = spread(made.arms, Y)
    assert sd == pytest.approx(math.sqrt(y.var(1, ddof=1).mean()))
    # mean squares of a two-way table: the sum of squares within arms is that of seeds and of the rest
    seeds = 3 * ((y.mean(0) - y.mean()) ** 2).sum()
    rest = ((y - y.mean(0) - y.mean(1, keepdims=True) + y.mean()) ** 2).sum()
    assert df == pytest.approx((seeds + rest) ** 2 / (seeds**2 / 3 + rest**2 / 6))
    assert math.isnan(spread(study(y[:, :1], y[:, :1]).arms, Y)[0])


def test_an_effect_is_in_units_of_the_spread():
    found = effect(known(3.0, 1e-12, 9), 2.0, 8.0)
    assert found.value == pytest.approx(1.5 * math.gamma(4) / math.gamma(3.5) / 2)  # Hedges' correction of 8
    ends = 1.5 * np.sqrt(stats.chi2.ppf([0.025, 0.975], 8) / 8)
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.02)
    certain = effect(known(3.0, 0.5, 9), 2.0, 1e7)
    half = stats.t.ppf(0.975, 9) * 0.25
    assert (certain.low, certain.high) == pytest.approx((1.5 - half, 1.5 + half), abs=0.01)
    less = effect(known(-3.0, 0.5, 9), 2.0, 1e7, sign=-1)
    assert (less.value, less.low) == pytest.approx((certain.value, certain.low), abs=0.01)
    assert effect(known(3.0, 0.5, 9), 2.0, 1.5) is None
    assert effect(known(3.0, math.nan, math.nan), 2.0, 8.0).low is None


@pytest.mark.parametrize("seed", range(20))
def test_an_effect_excludes_zero_where_the_difference_does(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1, (2, 3, 4))
    y[1] += 1.5
    made = study(x, y)
    found = standardise([made], family([made]))[0]
    d = claims(made)[0].baseline.difference
    assert (found.to_baseline.low > 0, found.to_baseline.high < 0) == (d.low > 0, d.high < 0)


def test_units_do_not_matter_and_less_can_be_better():
    rng = np.random.default_rng(11)
    x, y = rng.normal(0, 1, (2, 3, 5))
    y[1] += 3
    plain, percent = study(x, y), study(x, 100 * y)
    one, other = standardise([plain, percent], family([plain, percent]))
    for name in ("to_baseline", "to_control", "attention_to_baseline", "attention_to_control"):
        assert vars(getattr(one, name)) == pytest.approx(vars(getattr(other, name)))
    sd, df = spread(plain.arms, Y)
    correction = math.gamma(df / 2) / math.gamma((df - 1) / 2) / math.sqrt(df / 2)
    assert one.to_baseline.value == pytest.approx((y[1].mean() - y[0].mean()) / sd * correction)
    assert one.to_control.value == pytest.approx((y[1].mean() - y[2].mean()) / sd * correction)
    assert one.control.condition == "shuffled"
    values = {(a, s): {X: x[a, s], "error": -y[a, s]} for a in range(3) for s in range(5)}
    less = Study("", {}, arms(3, values), "error", [])
    for run in less.runs:
        run.config["task"]["mode"] = "min"
    assert standardise([less], family([less]))[0].to_baseline.value == pytest.approx(one.to_baseline.value)


def test_of_two_matched_controls_the_better_is_the_one_to_beat():
    x, y = drawn(14, (3, 4))
    made, other = study(x, y), study(x, y + np.array([[0.0], [0.0], [1.0]])).arms[2]
    object.__setattr__(other, "label", "the better one")
    both = Study("", {}, [*made.arms, other], Y, [])
    assert standardise([both], family([both]))[0].control is other
