"""The instrument against truth: simulated studies whose effect is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from tests.reporting.simulated import Drawn, study_runs

from haa.reporting.answer import answer
from haa.reporting.arms import Study, studies
from haa.reporting.caveats import caveats
from haa.reporting.collect import Unfinished
from haa.reporting.verdict import Claim, claims, decide, family

HUMAN, SHUFFLED, INVERTED = (0.5, "human"), (0.5, "shuffled"), (0.5, "inverted")
STUDIES, SAMPLES = 200, 200
HELPS, HARMS = "gaze helps", "gaze harms"
ALIGNMENT = "alignment helps, whosever gaze it is"
COSTS = "alignment costs, whosever gaze it is"
NO_DIFFERENCE = "no difference above δ"


def words(effects, seeds, studied=STUDIES, start=0, **kwargs) -> Counter[str]:
    rng = np.random.default_rng(start)
    counts: Counter[str] = Counter()
    for _ in range(studied):
        (study,) = studies(study_runs(rng, effects, seeds, SAMPLES, **kwargs))
        counts[claims(study)[0].word] += 1
    return counts


def exact(values: dict[tuple[float, str], list[float]], **summary) -> Study:
    """A study of runs with these scores, and no values per sample."""
    arms = {(0.0, "human"): 0.0} | dict.fromkeys(values, 0.0)
    runs = study_runs(np.random.default_rng(0), {k: v for k, v in arms.items() if k[0]}, len(values[0.0, "human"]), 9)
    made = []
    for run in runs:
        score = values[run.weight, str(run.config["condition"]["_target_"]).rsplit(".", 1)[-1].lower()][run.seed]
        metrics = {"accuracy": score, "loss": 1.0}
        made.append(Drawn(run.folder, run.config, {**run.summary, "metrics": metrics, **summary}, {}))
    (study,) = studies(made)
    return study


def noisy(*centres: float, sd=0.004, seeds=5, start=0) -> list[list[float]]:
    rng = np.random.default_rng(start)
    return [[centre + sd * z for z in rng.standard_normal(seeds)] for centre in centres]


def three(baseline: float, human: float, shuffled: float, **kwargs) -> Study:
    scores = noisy(baseline, human, shuffled, **kwargs)
    return exact(dict(zip([(0.0, "human"), HUMAN, SHUFFLED], scores, strict=True)))


@pytest.mark.parametrize(
    ("baseline", "human", "shuffled", "word"),
    [
        (0.5, 0.6, 0.5, HELPS),
        (0.5, 0.6, 0.55, HELPS),  # alignment helps, and human gaze more
        (0.5, 0.6, 0.4, HELPS),
        (0.5, 0.6, 0.6, ALIGNMENT),
        (0.5, 0.55, 0.6, ALIGNMENT),  # another picture's gaze even more
        (0.5, 0.45, 0.40, COSTS),  # less than another picture's gaze does
        (0.5, 0.4, 0.4, COSTS),
        (0.5, 0.4, 0.5, HARMS),
        (0.5, 0.4, 0.45, HARMS),
    ],
)
def test_the_baseline_and_the_control_decide_together_in_both_directions(baseline, human, shuffled, word):
    assert claims(three(baseline, human, shuffled))[0].word == word


def test_of_equal_arms_a_difference_is_excluded_or_it_is_not_known():
    (close,) = claims(three(0.5, 0.5, 0.5, sd=0.0007, seeds=20))
    (wide,) = claims(three(0.5, 0.5, 0.5, sd=0.08, seeds=3))
    assert (close.word, wide.word) == (NO_DIFFERENCE, "inconclusive")
    assert close.margin == pytest.approx(0.01, rel=1e-2)  # 2 % of the baseline's score
    study = replace(three(0.5, 0.5, 0.5, sd=0.0007, seeds=20), difference=0.0001)
    assert claims(study)[0].word == "inconclusive"
    assert "No difference above 0.01" in answer(three(0.5, 0.5, 0.5, sd=0.0007, seeds=20), [close])[0]


def test_two_one_sided_tests_by_hand():
    study = replace(three(0.5, 0.5, 0.5, sd=0.01, seeds=6), difference=0.02)
    (claim,) = claims(study)
    found = claim.baseline.contrast
    t = (0.02 - abs(float(found.mean))) / float(found.se)
    assert claim.p_values[NO_DIFFERENCE] == pytest.approx(stats.t.sf(t, float(found.df)))


def test_a_control_that_inverts_or_randomises_does_not_stand_for_the_centre_bias():
    scores = noisy(0.5, 0.6, 0.5)
    study = exact(dict(zip([(0.0, "human"), HUMAN, INVERTED], scores, strict=True)))
    (claim,) = claims(study)
    assert claim.word == "no control"
    headline, sentences = answer(study, [claim])
    assert "no control" in headline
    assert any("condition=shuffled" in text for text in sentences)
    assert any("centre bias" in text for text in caveats(study))


def test_every_control_has_to_be_beaten():
    scores = noisy(0.5, 0.6, 0.5, 0.6)
    study = exact(dict(zip([(0.0, "human"), HUMAN, SHUFFLED, (0.5, "center")], scores, strict=True)))
    assert claims(study)[0].word == "inconclusive"


def test_there_is_no_word_without_a_baseline_or_a_control():
    assert set(words({HUMAN: 0.3}, 6, 5)) == {"no control"}
    assert set(words({HUMAN: -0.3}, 6, 5)) == {"no control"}
    assert set(words({HUMAN: 0.3, (2.0, "shuffled"): 0}, 6, 5)) == {"no control"}
    runs = study_runs(np.random.default_rng(0), {HUMAN: 0.3, SHUFFLED: 0}, 6)
    (study,) = studies([run for run in runs if run.weight])
    assert claims(study)[0].word == "no baseline"
    assert claims(study)[0].baseline is None


def test_one_seed_decides_nothing():
    assert set(words({HUMAN: 0.5, SHUFFLED: 0}, 1, 5)) == {"inconclusive"}


@pytest.mark.parametrize("seeds", [3, 10])
def test_without_an_effect_at_most_one_study_in_twenty_says_so(seeds):
    counts = words({HUMAN: 0, SHUFFLED: 0}, seeds)
    assert counts[HELPS] + counts[HARMS] <= 0.05 * STUDIES


@pytest.mark.slow
def test_without_an_effect_three_weights_do_not_help_more_often():
    arms = {(weight, condition): 0.0 for weight in (0.1, 0.5, 2.0) for condition in ("human", "shuffled")}
    counts = words(arms, 6)
    assert counts[HELPS] + counts[HARMS] <= 0.05 * STUDIES


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "word", "mistaken"), [(0.2, ALIGNMENT, HELPS), (-0.2, COSTS, HARMS)])
def test_what_the_control_does_as_well_is_not_put_down_to_gaze(gain, word, mistaken):
    counts = words({HUMAN: gain, SHUFFLED: gain}, 8)
    assert counts[mistaken] <= 0.05 * STUDIES
    assert counts[word] > 0.8 * STUDIES


def test_harm_is_said():
    assert words({HUMAN: -0.2, SHUFFLED: 0}, 10, 20)[HARMS] > 15


def test_questions_of_one_picture_are_not_pictures():
    """60 pictures x 8 questions; an arm suits a picture, with all its questions: the seeds cannot see it."""
    rng, missed = np.random.default_rng(0), 0
    for _ in range(STUDIES):
        (study,) = studies(study_runs(rng, {HUMAN: 0, SHUFFLED: 0}, 5, 480, base=0.5, sd_arm=0.01, pictures=60))
        comparison = claims(study)[0].baseline
        assert comparison.stimuli == 60
        missed += comparison.difference.sign != 0
    assert missed <= stats.binom.ppf(0.999, STUDIES, 0.05)


def test_a_gain_that_hangs_on_the_test_pictures_at_hand_is_not_called_help():
    """Every seed gains the same two answers of 40: no doubt about seeds, all the doubt about pictures."""
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
    values = [claim.arm.values("accuracy")[s] - study.baseline.values("accuracy")[s] for s in range(8)]
    assert stats.ttest_1samp(values, 0).pvalue < 0.05
    assert claim.word == "inconclusive"
    assert claim.baseline.difference.split > 0.3


class TestOneWeightOfSeveral:
    def weights(self, scores: dict[float, float], validation: dict[float, float | None]) -> Study:
        arms = {(0.0, "human"): 0.5}
        for weight, score in scores.items():
            arms |= {(weight, "human"): score, (weight, "shuffled"): 0.5}
        drawn = noisy(*arms.values(), sd=0.002)
        study = exact(dict(zip(arms, drawn, strict=True)))
        for run in study.runs:
            run.summary["validation"] = validation.get(run.weight, 0.5)
        return study

    def test_the_validation_split_chooses_it_and_not_the_test_score(self):
        study = self.weights({0.1: 0.6, 0.5: 0.5}, {0.1: 0.3, 0.5: 0.4})
        (claim,) = claims(study)
        assert (claim.arm.weight, claim.word) == (0.5, NO_DIFFERENCE)
        assert len(claim.rivals) == 2
        study = self.weights({0.1: 0.6, 0.5: 0.5}, {0.1: 0.4, 0.5: 0.3})
        assert (claims(study)[0].arm.weight, claims(study)[0].word) == (0.1, HELPS)

    def test_less_is_better_on_validation_where_the_task_minimises(self):
        study = self.weights({0.1: 0.6, 0.5: 0.5}, {0.1: 0.3, 0.5: 0.4})
        for run in study.runs:
            run.config["task"]["mode"] = "min"
        assert claims(study)[0].arm.weight == 0.1

    def test_without_validation_scores_no_weight_is_singled_out(self):
        lost = {0.1: None, 0.5: None}
        assert claims(self.weights({0.1: 0.6, 0.5: 0.5}, lost))[0].word == "inconclusive"
        assert claims(self.weights({0.1: 0.6, 0.5: 0.6}, lost))[0].word == HELPS
        study = self.weights({0.1: 0.6, 0.5: 0.5}, lost)
        assert any("no validation scores" in text for text in answer(study, claims(study))[1])

    def test_a_weight_of_which_every_run_failed_is_not_chosen_and_counts(self):
        study = three(0.5, 0.6, 0.5)
        failed = [
            Unfinished(run.folder, "nan", Drawn(run.folder, {**run.config, "align_weight": 2.0}, summary))
            for run in study.of("treatment")[0].runs.values()
            for summary in [{**run.summary, "metrics": {}}]
        ]
        (study,) = studies(study.runs, unfinished=failed)
        (claim,) = claims(study)
        assert (claim.arm.weight, claim.tests, claim.word) == (0.5, 2, HELPS)
        assert any("human, weight 2, seed 0 (nan)" in text for text in caveats(study))

    def test_the_p_value_counts_all_that_were_tried(self):
        (one,) = claims(three(0.5, 0.6, 0.5))
        (two,) = claims(self.weights({0.1: 0.6, 0.5: 0.5}, {0.1: 0.4, 0.5: 0.3}))
        assert (one.tests, two.tests) == (1, 2)
        assert two.p == pytest.approx(2 * two.p_values[HELPS])


def test_the_claims_of_a_page_are_corrected_together():
    found = [three(0.5, 0.5 + gain, 0.5, sd=0.01, start=k) for k, gain in enumerate((0.03, 0.02, 0.0, 0.0, 0.0))]
    alone = [claims(study)[0] for study in found]
    together = [each[0] for each in family(found)]
    raw = [min(1.0, min(claim.p_values.values())) for claim in alone]
    order = np.argsort(raw)
    expected = np.maximum.accumulate(np.minimum(1, np.array(raw)[order] * (5 - np.arange(5))))
    assert [together[k].p for k in order] == pytest.approx(expected, rel=1e-6)
    assert family(found[:1])[0][0].word == alone[0].word


class TestLostRuns:
    def lost(self, gain: float, condition: str, seeds=5) -> Claim:
        scores = noisy(0.5, 0.5 + gain, 0.5, seeds=seeds)
        study = exact(dict(zip([(0.0, "human"), HUMAN, SHUFFLED], scores, strict=True)))
        runs = [run for run in study.runs if not (run.condition == condition and run.seed == seeds - 1)]
        gone = [run for run in study.runs if run not in runs]
        assert len(gone) == 1
        begun = Drawn(Path("gone"), gone[0].config, {**gone[0].summary, "metrics": {}}, {})
        (study,) = studies(runs, unfinished=[Unfinished(Path("gone"), "the training loss is nan", begun)])
        (arm,) = [arm for arm in study.arms if arm.lost]
        assert arm.lost == {seeds - 1: "the training loss is nan"}
        (claim,) = claims(study)
        self.text = " ".join(answer(study, [claim])[1])
        assert any("the training loss is nan" in text for text in caveats(study))
        return claim

    @pytest.mark.parametrize("condition", ["human", "shuffled", "baseline"])
    def test_what_they_could_overturn_is_not_said(self, condition):
        claim = self.lost(0.1, condition)
        assert (claim.word, claim.overturned) == ("inconclusive", True)
        assert "could overturn" in self.text

    def test_what_they_cannot_overturn_is(self):
        claim = self.lost(0.1, "human", seeds=30)
        assert (claim.word, claim.overturned) == (HELPS, False)
        assert "at their worst" in self.text

    def test_nor_is_harm_since_a_run_that_was_cut_off_might_have_done_well(self):
        claim = self.lost(-0.1, "human")
        assert (claim.word, claim.overturned) == ("inconclusive", True)
        assert self.lost(-0.1, "human", seeds=30).word == HARMS

    def test_a_control_of_which_no_run_finished_has_not_been_beaten(self):
        scores = noisy(0.5, 0.6, 0.5)
        study = exact(dict(zip([(0.0, "human"), HUMAN, SHUFFLED], scores, strict=True)))
        gone = [
            Unfinished(r.folder, None, Drawn(r.folder, {**r.config}, {**r.summary, "label": "center", "metrics": {}}))
            for r in study.runs
            if r.condition == "shuffled"
        ]
        (study,) = studies(study.runs, unfinished=gone)
        assert [arm.label for arm in study.controls(study.of("treatment")[0])] == [
            "center, weight 0.5",
            "shuffled, weight 0.5",
        ]
        assert claims(study)[0].word == "inconclusive"


def test_decide_takes_arrays():
    found = decide({HELPS: np.array([0.01, 0.2, 0.2]), "no control": np.array([0.5, 0.01, 0.5])})
    assert found.tolist() == [HELPS, "no control", "inconclusive"]
    assert decide({HELPS: np.array([0.01, 0.03])}, tests=2).tolist() == [HELPS, "inconclusive"]
