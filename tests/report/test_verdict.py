"""The instrument against truth: simulated studies whose effect is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats
from tests.report.simulated import SD_ARM, study_runs

from haa.report import power
from haa.report.arms import studies
from haa.report.verdict import claims

HUMAN, SHUFFLED = (0.5, "human"), (0.5, "shuffled")
STUDIES, SAMPLES = 200, 200


def words(effects, seeds, studied=STUDIES, start=0, **kwargs) -> Counter[str]:
    rng = np.random.default_rng(start)
    counts: Counter[str] = Counter()
    for _ in range(studied):
        (study,) = studies(study_runs(rng, effects, seeds, SAMPLES, **kwargs))
        counts[claims(study)[0].word] += 1
    return counts


@pytest.mark.parametrize("seeds", [3, 10])
def test_without_an_effect_at_most_one_study_in_twenty_helps(seeds):
    assert words({HUMAN: 0, SHUFFLED: 0}, seeds)["helps"] <= 0.05 * STUDIES


@pytest.mark.slow
def test_without_an_effect_three_weights_do_not_help_more_often():
    arms = {(weight, condition): 0.0 for weight in (0.1, 0.5, 2.0) for condition in ("human", "shuffled")}
    counts = words(arms, 6)
    assert counts["helps"] <= 0.05 * STUDIES
    assert counts["unspecific"] + counts["harms"] <= stats.binom.ppf(0.999, STUDIES, 0.05)


@pytest.mark.slow
def test_a_gain_that_the_control_shares_is_not_called_help():
    counts = words({HUMAN: 0.15, SHUFFLED: 0.15}, 10)
    assert counts["helps"] <= 0.05 * STUDIES
    assert counts["unspecific"] > 0.8 * STUDIES


@pytest.mark.slow
def test_a_known_effect_is_found_at_the_power_that_was_predicted():
    effect = 0.12
    # of a run: its own luck, and answers that are right or wrong
    right = [p * (1 - p) / SAMPLES for p in (0.34, 0.34 + effect)]
    covariance = np.array([[2, 1], [1, 2]]) * SD_ARM**2 + np.array([[sum(right), right[1]], [right[1], sum(right)]])
    seeds = power.seeds_needed_jointly(effect, covariance)
    predicted = power.joint_power(effect, covariance, seeds)
    found = words({HUMAN: effect, SHUFFLED: 0}, seeds)["helps"]
    low, high = stats.binom.ppf([0.001, 0.999], STUDIES, predicted)
    assert low <= found <= high, (seeds, predicted, found / STUDIES)


def test_harm_is_said():
    assert words({HUMAN: -0.2, SHUFFLED: 0}, 10, 20)["harms"] > 15


def test_there_is_no_help_without_a_control_and_no_word_without_a_baseline():
    assert set(words({HUMAN: 0.3}, 6, 5)) == {"uncontrolled"}
    runs = study_runs(np.random.default_rng(0), {HUMAN: 0.3, SHUFFLED: 0}, 6)
    (study,) = studies([run for run in runs if run.weight])
    assert claims(study)[0].word == "no comparison"
    assert claims(study)[0].baseline is None


def test_a_control_of_another_weight_is_none():
    assert set(words({HUMAN: 0.3, (2.0, "shuffled"): 0}, 6, 5)) == {"uncontrolled"}


def test_one_seed_decides_nothing():
    assert set(words({HUMAN: 0.5, SHUFFLED: 0}, 1, 5)) == {"inconclusive"}


def test_a_gain_that_hangs_on_the_test_samples_at_hand_is_not_called_help():
    """Every seed gains the same two answers of 40: no doubt about seeds, all the doubt about samples."""
    runs = study_runs(np.random.default_rng(0), {HUMAN: 0.0, SHUFFLED: 0.0}, 8, samples=40)
    rng = np.random.default_rng(1)
    for run in runs:
        right = np.zeros(40)
        right[:10] = 1
        if run.condition == "human":
            right[10 : 12 + (run.seed == 0)] = 1
        right[39] = rng.random() < 0.5
        run.columns["accuracy"] = right
        run.summary["metrics"]["accuracy"] = right.mean()
    (study,) = studies(runs)
    claim = claims(study)[0]
    assert claim.baseline.difference.low > 0
    assert claim.baseline.corrected < 0.05
    assert claim.baseline.samples[0] <= 0
    assert claim.word == "inconclusive"
