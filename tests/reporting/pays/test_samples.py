"""Test samples: numpy's and statsmodels' correlations, the jackknife, and studies without any relation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from tests.reporting.pays.made import Y, drawn, sampled, samples_of, study

from haa.reporting.pays.answer import pays, sentences
from haa.reporting.pays.samples import per_sample
from haa.reporting.verdict import claims


def test_within_runs_it_is_the_mean_of_the_runs_correlations():
    rng = np.random.default_rng(0)
    x, y = samples_of(rng, (3, 3), 40, 1), samples_of(rng, (3, 3), 40, 1)
    found = per_sample(sampled(x, y))
    r = np.array([[np.corrcoef(x[a, s], y[a, s])[0, 1] for s in range(3)] for a in range(3)])
    assert [one.r for _, one in found.by_arm] == pytest.approx(r.mean(1).tolist())
    assert found.within_runs.r == pytest.approx(r.mean())
    assert (found.samples, found.stimuli) == (40, 40)


def test_within_samples_it_is_the_partial_correlation_given_sample_and_run():
    rng = np.random.default_rng(1)
    x, y = samples_of(rng, (2, 3), 15, 1), samples_of(rng, (2, 3), 15, 1)
    runs, sample = np.indices((6, 15))
    long = pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "run": runs.ravel(), "sample": sample.ravel()})
    left = [ols(f"{name} ~ C(run) + C(sample)", long).fit().resid for name in "xy"]
    assert per_sample(sampled(x, y)).within_samples.r == pytest.approx(np.corrcoef(*left)[0, 1])


def test_a_seed_that_an_arm_lacks_leaves_the_pooled_correlation():
    rng = np.random.default_rng(2)
    x, y = samples_of(rng, (3, 3), 30, 1), samples_of(rng, (3, 3), 30, 1)
    made = sampled(x, y)
    del made.arms[1].runs[2]
    kept = np.array([s for s in range(9) if s != 5])
    left = []
    for values in (x, y):
        rows = values.reshape(9, -1)[kept]
        left.append(rows - rows.mean(0) - rows.mean(1, keepdims=True) + rows.mean())
    assert per_sample(made).within_samples.r == pytest.approx(np.corrcoef(left[0].ravel(), left[1].ravel())[0, 1])


@pytest.mark.parametrize(("rho", "pictures"), [(0.0, 60), (0.7, 60), (0.0, 15), (0.7, 15)])
def test_over_pictures_the_standard_error_is_near_the_jackknifes(rho, pictures):
    """Two seeds that hardly differ: all that is uncertain is which pictures were shown."""
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, pictures)
    y = rho * x + rng.normal(0, 1, pictures)
    both = np.broadcast_to(x, (1, 2, pictures)), y + 1e-4 * rng.normal(0, 1, (1, 2, pictures))
    x2, y2 = (np.concatenate([values, samples_of(rng, (1, 2), pictures, 1)]) for values in both)
    found = per_sample(sampled(x2, y2)).by_arm[0][1]
    without = [np.corrcoef(np.delete(x, k), np.delete(y, k))[0, 1] for k in range(pictures)]
    jackknife = math.sqrt((pictures - 1) / pictures * ((np.array(without) - np.mean(without)) ** 2).sum())
    t = stats.t.ppf(0.975, found.df)
    assert found.df == pytest.approx(pictures - 1, rel=0.01)
    # an end beyond 1 is cut off
    half = found.high - found.r if found.high < 1 else found.r - found.low
    assert half / t == pytest.approx(jackknife, rel=0.06 if pictures > 15 else 0.1)


def test_questions_of_one_picture_are_one_unit():
    rng = np.random.default_rng(4)
    x, y = samples_of(rng, (2, 3), 30, 1), samples_of(rng, (2, 3), 30, 1)
    once = per_sample(sampled(x, y))
    # the same question four times over knows no more than once
    four = per_sample(sampled(x.repeat(4, -1), y.repeat(4, -1), np.arange(30).repeat(4)))
    for own, other in zip(vars(once).values(), vars(four).values(), strict=True):
        if hasattr(own, "r"):
            assert (own.r, own.low, own.high, own.df) == pytest.approx((other.r, other.low, other.high, other.df))
    assert (four.samples, four.stimuli) == (120, 30)


def test_easy_pictures_make_a_relation_within_runs_and_none_within_samples():
    rng = np.random.default_rng(5)
    easy = rng.normal(0, 2, 200)
    found = per_sample(sampled(samples_of(rng, (3, 3), 200, 1) + easy, samples_of(rng, (3, 3), 200, 1) + easy))
    assert found.within_runs.sign == 1
    assert found.within_samples.sign == 0
    x = samples_of(rng, (3, 3), 200, 1)
    found = per_sample(sampled(x, 0.5 * x + samples_of(rng, (3, 3), 200, 1)))
    assert found.within_samples.sign == 1


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "pictures", "questions"), [((3, 3), 60, 4), ((2, 5), 40, 2), ((4, 3), 100, 1)])
def test_without_a_relation_intervals_over_samples_hold_zero(shape, pictures, questions):
    rng, of = np.random.default_rng(pictures), np.arange(pictures).repeat(questions)
    out = []
    for _ in range(250):
        x = samples_of(rng, shape, pictures, questions)
        right = (samples_of(rng, shape, pictures, questions) > 0).astype(float)
        found = per_sample(sampled(x, right, of))
        out.append((found.within_runs.sign != 0, found.within_samples.sign != 0, found.by_arm[0][1].sign != 0))
    assert (np.mean(out, 0) < 0.085).all()
    assert np.mean(out) > 0.01


def test_samples_that_a_run_has_no_value_of_are_left_out():
    rng = np.random.default_rng(6)
    x, y = samples_of(rng, (2, 3), 30, 1), samples_of(rng, (2, 3), 30, 1)
    hole = x.copy()
    hole[1, 2, 7] = np.nan
    found, expected = (per_sample(sampled(*pair)) for pair in ((hole, y), (np.delete(x, 7, -1), np.delete(y, 7, -1))))
    assert (found.samples, found.within_runs) == (29, expected.within_runs)
    assert found.within_samples == expected.within_samples


def test_a_score_that_is_no_mean_over_samples_has_none():
    made = sampled(*samples_of(np.random.default_rng(0), (4, 3), 30, 1).reshape(2, 2, 3, 30))
    for run in made.runs:
        run.summary["metrics"][Y] += 1  # a corpus score
    assert per_sample(made) is None
    assert "no values per sample" in sentences(pays(made, claims(made)))[1]
    assert per_sample(study(*drawn())) is None


def test_a_run_that_is_always_right_has_no_correlation():
    rng = np.random.default_rng(7)
    x, y = samples_of(rng, (2, 3), 30, 1), samples_of(rng, (2, 3), 30, 1)
    y[0] = 1.0
    found = per_sample(sampled(x, y))
    assert [arm.label for arm, _ in found.by_arm] == [sampled(x, y).arms[1].label]
    assert found.within_runs.r == pytest.approx(found.by_arm[0][1].r)
