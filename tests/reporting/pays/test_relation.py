"""Runs: statsmodels' regressions, scipy, cases by hand, and studies without any relation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from tests.reporting.pays.made import X, Y, drawn, study

from haa.reporting.arms import Arm, Study
from haa.reporting.pays.relation import correlation, relate, two_way, welch

UNBALANCED = ((0, 1), (2, 0), (3, 3))


def table(found: Study) -> pd.DataFrame:
    rows = [
        (str(a), str(seed), run.summary["metrics"][X], run.summary["metrics"][Y])
        for a, arm in enumerate(found.arms)
        for seed, run in arm.runs.items()
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "x", "y"])


def test_effects_of_arm_and_seed_are_those_of_a_regression_on_dummies():
    runs = table(study(*drawn(), UNBALANCED))
    fitted = ols("y ~ C(arm) + C(seed)", runs).fit()
    found = two_way(runs["y"], runs["arm"].astype(int).to_numpy(), runs["seed"].astype(int).to_numpy())
    assert found.left == pytest.approx(fitted.resid.to_numpy(), abs=1e-12)
    assert found.rank == fitted.df_model + 1
    assert found.leverage == pytest.approx(fitted.get_influence().hat_matrix_diag)
    assert found.effects[1:] - found.effects[0] == pytest.approx(fitted.params.filter(like="arm").to_numpy())
    # every arm on the same four seeds
    everywhere = pd.DataFrame([(a, s) for a in "01234" for s in "0123"], columns=["arm", "seed"])
    assert found.effects == pytest.approx(fitted.predict(everywhere).to_numpy().reshape(5, 4).mean(1))


def test_arms_without_a_common_seed_keep_their_means():
    found = two_way([1.0, 3.0, 10.0, 20.0], np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]))
    assert found.effects.tolist() == [2.0, 15.0]
    assert found.left == pytest.approx(np.zeros(4), abs=1e-12)  # every seed is one run: nothing is left
    assert found.rank == 4


@pytest.mark.parametrize("missing", [(), UNBALANCED])
def test_within_conditions_it_is_the_partial_correlation(missing):
    made = study(*drawn(), missing)
    fitted = ols("y ~ x + C(arm) + C(seed)", table(made)).fit()
    found = relate(made)
    t, df = fitted.tvalues["x"], fitted.df_resid
    assert found.within.df == df
    assert found.within.r == pytest.approx(t / math.sqrt(t * t + df))
    assert found.within.p == pytest.approx(fitted.pvalues["x"])
    assert found.slope.value == pytest.approx(fitted.params["x"])
    # Fisher's interval, with one observation less for each parameter that is taken out
    half = 1.959964 / math.sqrt(df - 1)
    ends = np.tanh(np.arctanh(found.within.r) + np.array([-half, half]))
    assert (found.within.low, found.within.high) == pytest.approx(tuple(ends), abs=1e-6)


def test_a_correlation_of_values_is_scipys():
    x, y = (values.ravel() for values in drawn())
    found, expected = correlation(x, y, len(x) - 2), stats.pearsonr(x, y)
    assert (found.r, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_between_conditions_an_arm_counts_once():
    x, y = drawn()
    expected = stats.pearsonr(x.mean(1), y.mean(1))
    found = relate(study(x, y)).between
    assert (found.r, found.p, found.df) == pytest.approx((expected.statistic, expected.pvalue, 3))


def test_each_arm_has_a_spread_of_its_own():
    """Two arms of four runs, less their means: Welch's by hand."""
    x, y = (
        np.array([[0.0, 1.0, 2.0, 5.0], [0.0, 3.0, 6.0, 3.0]]),
        np.array([[0.0, 1.0, 0.0, 3.0], [0.0, 9.0, 1.0, 4.0]]),
    )
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    b = (x * y).sum() / (x**2).sum()
    # 8 runs, 2 means and a slope leave 5 degrees of freedom, 2.5 to each arm
    parts = ((y - b * x) ** 2).sum(1) / 2.5 * (x**2).sum(1)
    found = welch(x.ravel(), y.ravel(), np.repeat([0, 1], 4), np.full(8, 0.75), 5)
    assert found.value == pytest.approx(b)
    assert found.se == pytest.approx(math.sqrt(parts.sum()) / (x**2).sum())
    assert found.df == pytest.approx(parts.sum() ** 2 / (parts**2 / 2.5).sum())
    # arms that vary alike have the standard error of a plain regression
    alike = welch(np.tile(x[0], 2), np.concatenate([y[0], -y[0]]), np.repeat([0, 1], 4), np.full(8, 0.75), 6)
    plain = stats.linregress(np.tile(x[0], 2), np.concatenate([y[0], -y[0]]))
    assert (alike.se, alike.df) == pytest.approx((plain.stderr, 6))


def test_the_test_of_the_slope_is_near_a_plain_one_where_arms_vary_alike():
    made = study(*drawn(1, (6, 40)))
    fitted = ols("y ~ x + C(arm) + C(seed)", table(made)).fit()
    found = relate(made).slope
    assert found.se == pytest.approx(fitted.bse["x"], rel=0.05)
    assert found.df == pytest.approx(fitted.df_resid, rel=0.1)


@pytest.mark.parametrize(
    ("count", "seeds", "shared", "missing"),
    [(8, 2, 0.0, ()), (8, 3, 0.0, ()), (8, 3, 0.8, ()), (8, 3, 0.8, UNBALANCED[:2]), (3, 4, 0.8, ())],
)
def test_without_a_relation_five_in_a_hundred_intervals_exclude_zero(count, seeds, shared, missing):
    rng = np.random.default_rng(count + seeds)
    arm, seed = (index.ravel() for index in np.indices((count, seeds)))
    kept = np.array([pair not in missing for pair in zip(arm.tolist(), seed.tolist(), strict=True)])
    out = []
    for _ in range(800):
        values = (
            rng.normal(0, 1, (2, count, seeds))
            + shared * rng.normal(0, 1, (2, 1, seeds))
            + rng.normal(0, 3, (2, count, 1))
        )
        found = two_way(values.reshape(2, -1)[:, kept], arm[kept], seed[kept])
        out.append(correlation(*found.left, kept.sum() - found.rank - 1).sign != 0)
    assert 0.03 < np.mean(out) < 0.072


def test_an_unstable_arm_is_no_relation():
    """The runs of one of eight arms vary three times as much, in attention and in score, which are not related."""
    rng, sizes = np.random.default_rng(0), np.array([1.0] * 7 + [3.0])[:, None]
    found = [relate(study(rng.normal(0, 1, (8, 4)) * sizes, rng.normal(0, 1, (8, 4)) * sizes)) for _ in range(400)]
    assert np.mean([one.within.sign != 0 for one in found]) > 0.12  # Fisher's takes noise of one size
    assert np.mean([one.sign != 0 for one in found]) < 0.085


def test_too_few_runs_say_nothing():
    x, y = drawn(shape=(2, 2))
    found = relate(study(x, y))
    assert (found.within, found.slope, found.between) == (None, None, None)
    assert relate(study(*drawn(shape=(3, 1)))).within is None
    nothing = relate(study(x, y, ((0, 0), (0, 1), (1, 0), (1, 1))))
    assert (nothing.runs, nothing.arms) == (0, 0)
    constant = relate(study(np.ones((4, 4)), drawn(shape=(4, 4))[1]))
    assert (constant.within, constant.between) == (None, None)


def test_oracles_and_arms_without_runs_are_left_out():
    x, y = drawn()
    made = study(x, y, tuple((3, seed) for seed in range(4)))
    bound = Arm("oracle", "oracle", 0.0, "", "", "oracle", study(x + 100, y + 100).arms[0].runs)
    both = Study("", {}, [*made.arms, bound], Y, [])
    assert relate(both) == relate(study(np.delete(x, 3, 0), np.delete(y, 3, 0)))
