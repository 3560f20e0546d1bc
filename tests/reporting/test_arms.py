"""Which runs are compared with which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.reporting.simulated import Drawn, study_runs

from haa.errors import InputError
from haa.reporting.arms import studies
from haa.reporting.caveats import caveats
from haa.reporting.compare import by_stimulus, compare
from haa.reporting.verdict import claims

HUMAN, SHUFFLED = (0.5, "human"), (0.5, "shuffled")


@pytest.fixture
def runs():
    return study_runs(np.random.default_rng(0), {HUMAN: 0.1, SHUFFLED: 0.0}, 3, samples=20)


def changed(run: Drawn, **config) -> Drawn:
    return Drawn(run.folder, {**run.config, **config}, run.summary, run.columns)


def test_runs_that_differ_in_condition_weight_and_seed_alone_are_one_study(runs):
    (study,) = studies(runs)
    assert [arm.label for arm in study.arms] == ["baseline", "human, weight 0.5", "shuffled, weight 0.5"]
    assert [len(arm.runs) for arm in study.arms] == [3, 3, 3]
    assert study.title == "vqa on shapes, world=relevant"
    assert study.metric == "accuracy"
    assert study.metrics == ["accuracy", "attention_nss", "loss"]


def test_runs_that_differ_in_anything_else_are_not_compared(runs):
    found = studies([*runs, *(changed(run, lr=0.1) for run in runs)])
    assert [study.title for study in found] == [
        "vqa on shapes, world=relevant",
        "vqa on shapes, world=relevant, lr=0.1",
    ]


def test_ways_to_align_are_arms_and_share_the_baseline(runs):
    other = [changed(run, alignment={**run.config["alignment"], "loss": {"_target_": "haa.losses.cc"}}) for run in runs]
    (study,) = studies([*runs, *other])
    assert [arm.label for arm in study.arms][:3] == ["baseline", "human, weight 0.5, cc", "human, weight 0.5, kl"]
    human = study.arms[1]
    assert [arm.label for arm in study.controls(human)] == ["shuffled, weight 0.5, cc"]


def test_a_run_that_was_repeated_counts_once(runs):
    (study,) = studies([*runs, *runs])
    assert [len(arm.runs) for arm in study.arms] == [3, 3, 3]
    assert len(study.repeated) == 9
    assert any("9 runs repeat another one with the same result" in text for text in caveats(study))


def test_a_baseline_given_twice_is_told_where_its_results_differ(runs):
    other = Drawn(Path("again"), runs[0].config, {**runs[0].summary, "metrics": {"accuracy": 0.9}}, {**runs[0].columns})
    (study,) = studies([*runs, other])
    assert study.baseline.values("accuracy")[0] == 0.9
    assert any("seed 0 was run twice and came out differently" in t and "again" in t for t in caveats(study))


def test_an_unknown_metric_is_answered_with_the_choices(runs):
    with pytest.raises(InputError, match="did you mean accuracy"):
        studies(runs, "acuracy")


def test_values_per_sample_are_paired_by_id(runs):
    (study,) = studies(runs)
    expected = [study.column(run, "accuracy") for run in study.runs]
    assert expected[0] == pytest.approx(runs[0].columns["accuracy"][np.argsort(np.arange(20).astype(str))])
    order = np.random.default_rng(1).permutation(20)
    for name, column in study.runs[4].columns.items():
        study.runs[4].columns[name] = column[order]
    (again,) = studies(runs)
    for run, values in zip(study.runs, expected, strict=True):
        assert again.column(run, "accuracy") == pytest.approx(values)


def test_a_metric_that_is_no_mean_over_samples_has_an_interval_over_seeds_alone(runs):
    (study,) = studies(runs)
    assert compare(study, study.arms[1], study.baseline, "accuracy").stimuli == 20
    assert compare(study, study.arms[1], study.baseline, "loss").stimuli is None
    study.arms[1].runs[0].summary["metrics"]["accuracy"] += 0.1
    assert compare(study, study.arms[1], study.baseline, "accuracy").stimuli is None


def test_samples_of_one_stimulus_are_one_unit():
    values, stimuli = np.array([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 1.0, 1.0]]), np.array([7, 2, 2, 2])
    means, counts = by_stimulus(values, stimuli)
    assert means.tolist() == [[11 / 3, 1.0], [2 / 3, 0.0]]
    assert counts.tolist() == [3, 1]


def test_an_oracle_is_one_arm_whatever_the_weight_and_no_part_of_the_answer(runs):
    bound = [
        Drawn(r.folder, r.config, {**r.summary, "role": "oracle", "label": "oracle"}, r.columns)
        for r in runs
        if r.role != "baseline"
    ]
    (study,) = studies([*runs, *bound])
    oracle = study.arms[-1]
    assert (oracle.label, oracle.role, oracle.oracle) == ("oracle (upper bound)", "oracle", True)
    assert len(oracle.runs) == 3
    assert any("Oracle runs are given human gaze at test time" in text for text in caveats(study))


def test_faithfulness_on_other_samples_is_told(runs):
    def told(*counts: int) -> list[str]:
        given = [
            Drawn(r.folder, r.config, {**r.summary, "faithfulness": counts[i % len(counts)]}, r.columns)
            for i, r in enumerate(runs)
        ]
        return [text for text in caveats(*studies(given)) if "sufficiency" in text]

    assert told(0) == []
    assert "are of 32 test samples, the same in all runs" in told(32)[0]
    assert "are of 0 or 32 test samples, depending on the run: their means cannot be compared" in told(32, 0)[0]


def test_predicted_gaze_has_its_own_controls(runs):
    def predicted(run: Drawn, digest: str = "1f") -> Drawn:
        label = "predicted" if run.role == "treatment" else "shuffled predicted"
        given = {"label": label, "gaze": "predicted", "gaze_by": "a.ckpt", "gaze_by_digest": digest}
        return Drawn(run.folder, run.config, {**run.summary, **given}, run.columns)

    (study,) = studies([*runs, *(predicted(run) for run in runs if run.role != "baseline")])
    controls = {arm.condition: [other.condition for other in study.controls(arm)] for arm in study.of("treatment")}
    assert controls == {"human": ["shuffled"], "predicted": ["shuffled predicted"]}
    assert any("Predicted gaze comes from a saliency model" in text for text in caveats(study))

    # the same path, and another model in it
    others = [predicted(run, "2e" if run.role == "control" else "1f") for run in runs if run.role != "baseline"]
    (study,) = studies([*runs, *others])
    assert [arm.condition for arm in study.controls(study.of("treatment")[1])] == []
    assert "predicted, weight 0.5, predictor 1" in [arm.label for arm in study.arms]


def described(run: Drawn, **summary) -> Drawn:
    return Drawn(run.folder, run.config, {**run.summary, **summary}, run.columns)


def test_a_control_of_ones_own_takes_its_part_and_has_to_be_beaten():
    alike = {HUMAN: 0.2, (0.5, "mine"): 0.2}
    runs = study_runs(np.random.default_rng(0), alike, 8, samples=200, sd_arm=0.01)
    (study,) = studies(runs)
    assert [arm.condition for arm in study.of("control")] == ["mine"]
    (claim,) = claims(study)
    assert (claim.word, [own.other.condition for own in claim.controls]) == ("no control", ["mine"])
    (claim,) = claims(studies([described(run, matched=run.condition == "mine") for run in runs])[0])
    assert claim.word == "alignment helps, whosever gaze it is"
    (claim,) = claims(
        studies([described(run, role="less gaze") if run.condition == "mine" else run for run in runs])[0]
    )
    assert claim.word == "no control"


def test_the_run_says_which_way_a_metric_is_better_and_the_verdict_follows():
    gain = {HUMAN: 0.2, SHUFFLED: 0.0}
    runs = study_runs(np.random.default_rng(0), gain, 8, samples=200, sd_arm=0.01)
    task = {"name": "vqa", "monitor": "val/earth_movers_distance", "mode": "min"}

    def renamed(run: Drawn, lower: bool | None) -> Drawn:
        metrics = {"earth_movers_distance": run.summary["metrics"]["accuracy"]}
        columns = {"id": run.columns["id"], "earth_movers_distance": run.columns["accuracy"]}
        better = {"earth_movers_distance": None if lower is None else not lower}
        summary = {**run.summary, "metrics": metrics, "higher_is_better": better}
        return Drawn(run.folder, {**run.config, "task": task}, summary, columns)

    assert claims(studies([renamed(run, lower=False) for run in runs])[0])[0].word == "gaze helps"
    assert claims(studies([renamed(run, lower=True) for run in runs])[0])[0].word == "gaze harms"
    # the class does not say it: the task's own metric has a mode
    assert claims(studies([renamed(run, lower=None) for run in runs])[0])[0].word == "gaze harms"


def test_a_metric_of_which_nothing_says_whether_more_is_better_gets_no_verdict(runs):
    runs = [described(run, higher_is_better={"accuracy": True}) for run in runs]
    assert studies(runs)[0].sign("loss") == 0
    with pytest.raises(InputError, match="metric=loss: nothing says whether more of it is better"):
        studies(runs, "loss")
