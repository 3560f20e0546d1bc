"""``haa study-plan``: what it says on the console, and whether studies keep what it promises."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import calibration
from benchmarks.plan import Case, kept
from tests.reporting.simulated import Drawn, study_runs, write

from haa.cli import main as cli
from haa.reporting import power
from haa.reporting.arms import studies
from haa.reporting.crossed import rest
from haa.reporting.plan import pilot

HUMAN, SHUFFLED = (0.5, "human"), (0.5, "shuffled")


def runs_of(effects, seeds=4, samples=100, **kwargs):
    return study_runs(np.random.default_rng(0), effects, seeds, samples, **kwargs)


def planned(runs, tmp_path, capsys, *words) -> str:
    cli.main(["study-plan", str(write(runs, tmp_path / "pilot", maps=0)), *words])
    return capsys.readouterr().out


def test_the_table_says_what_simulated_studies_say(tmp_path, capsys):
    runs = runs_of({HUMAN: 0.1, SHUFFLED: 0.0})
    out = planned(runs, tmp_path, capsys, "difference=0.2", "power=0.9")
    (study,) = studies(runs)
    found = pilot(study, study.of("treatment")[0])
    needed = power.seeds_needed_jointly(0.2, found.design, 0.9)
    reached = power.joint_power(0.2, found.design, needed["gaze helps"])["gaze helps"]
    for key, label in {"baseline": "better than baseline", "control 1": "better than shuffled"}.items():
        assert re.search(rf"{label} +[\d.]+ +{needed[key]} +0\.\d\d +0\.\d\d +\d+", out), out
    assert re.search(rf"‘gaze helps’: all of these +{needed['gaze helps']} +{reached:.2f}", out), out
    assert f"{needed['gaze helps']} seeds find ‘gaze helps’ with a power of {reached:.2f}" in out
    assert "this pilot of 4 seeds" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80


def test_a_pilot_is_moderated_as_the_verdict_is():
    rng = np.random.default_rng(2)
    found, expected = [], []
    for _ in range(300):
        (study,) = studies(Case("no samples", 3, 3).runs(rng, 0.0))
        one = pilot(study, study.of("treatment")[0])
        arms = [study.baseline, one.arm, *one.others[1:]]
        means = np.array([list(arm.values("accuracy").values()) for arm in arms])
        others, own = rest(means, 1, 0), np.var(means[1] - means[0], ddof=1)
        found.append(one.sds[0] ** 2)
        expected.append((2 * others.variance + 2 * own) / 4)
        assert one.df == 4
    # the difference itself is one of the arms' directions: the same on average, and nearly so in each
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.1)
    assert np.corrcoef(found, expected)[0, 1] > 0.9


def test_the_bound_of_a_small_pilot_holds_in_four_of_five():
    rng = np.random.default_rng(3)
    held = []
    for _ in range(400):
        (study,) = studies(Case("no samples", 3, 1).runs(rng, 0.0))
        one = pilot(study, study.of("treatment")[0])
        held.append(
            one.sds[0] * power.at_most(one.df) > 1
        )  # of a variance of 1, half is shared, and twice the rest that of a difference
    assert np.mean(held) == pytest.approx(0.8, abs=0.06)


def test_what_the_test_split_adds_is_what_was_drawn():
    rng = np.random.default_rng(4)
    shared, sampling, over_seeds = [], [], []
    for _ in range(20):
        (study,) = studies(Case("pictures", 8, 1, pictures=1.0).runs(rng, 0.0))
        design = pilot(study, study.of("treatment")[0]).design
        difference = np.array([-1.0, 1.0, 0.0])
        shared.append(difference @ design.split.shared @ difference)
        sampling.append(difference @ design.split.sampling @ difference)
        over_seeds.append(difference @ design.over_seeds @ difference)
        assert (design.split.df, design.split.pictures) == (pytest.approx(59), 60)
    # twice that of an arm: 0.5 / 8 seeds, a quarter of 0.5, and 0.5 with that quarter
    assert np.mean(shared) == pytest.approx(2 * 0.5 / 8, rel=0.15)
    assert np.mean(sampling) == pytest.approx(2 * 0.5 / 4, rel=0.05)
    assert np.mean(over_seeds) == pytest.approx(2 * 0.5 * 1.25, rel=0.15)


@pytest.mark.parametrize(("seeds", "controls", "gain"), [(3, 2, 2.2), (5, 1, 1.5), (15, 2, 0.8)])
def test_promised_power_is_that_of_normal_luck(seeds, controls, gain):
    n = 10_000
    drawn = calibration.Design(seeds, 1, controls)
    scores = calibration.draw(drawn, n, drawn.rng()).scores
    words = calibration.said(drawn, calibration.pairs(drawn, scores), calibration.Truth(gain, 0, 0, ()))
    known = power.Design(np.eye(controls + 2) / 2, tuple(drawn.matched))
    promised = power.joint_power(gain, known, seeds, draws=n)
    assert promised["gaze helps"] == pytest.approx((words == "gaze helps").mean(), abs=0.02)


JUDGED = [
    Case("pictures on", 8, pictures=1.0, word=power.SAME),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", JUDGED, ids=str)
def test_the_verdict_keeps_what_the_plan_promises(case):
    """Within 0.03, and two standard errors."""
    _, promised, found, n = kept(case, 400, again=1)
    assert abs(promised - found) < 0.03 + 2 * (promised * (1 - promised) / n) ** 0.5


@pytest.mark.slow
def test_a_test_split_that_is_too_small_is_said_to_be_the_limit(tmp_path, capsys):
    runs = runs_of({HUMAN: 0.1, SHUFFLED: 0.0}, 4, 100, sd_arm=0.01)
    out = " ".join(planned(runs, tmp_path, capsys, "difference=0.03").split())
    assert "no number of seeds: the test split of 100 pictures is the limit, at best power 0." in out
    assert re.search(r"about [\d,]+ pictures would do with \d+ seeds", out)
    assert re.search(r"‘gaze helps’: all of these none ≤ 0\.\d\d", out)


@pytest.mark.slow
def test_scores_that_are_no_means_take_the_split_as_given(tmp_path, capsys):
    runs = [replace_columns(run) for run in runs_of({HUMAN: 0.1, SHUFFLED: 0.0})]
    out = " ".join(planned(runs, tmp_path, capsys, "difference=0.2").split())
    assert "accuracy is no mean over test samples: the test split is taken as given" in out
    out = " ".join(planned(runs, tmp_path / "b", capsys, "difference=0.00001").split())
    assert "more than 1,000 seeds would be needed" in out
    assert "> 1000" in out


def replace_columns(run: Drawn) -> Drawn:
    return Drawn(run.folder, run.config, run.summary, {"id": run.columns["id"]})


@pytest.mark.parametrize("control", [None, "inverted"])
def test_without_a_matched_control_the_baseline_is_planned_and_the_cure_is_said(control, tmp_path, capsys):
    effects = {HUMAN: 0.1} if control is None else {HUMAN: 0.1, (0.5, control): 0.0}
    out = " ".join(planned(runs_of(effects), tmp_path, capsys, "difference=0.2").split())
    assert "all of these" not in out
    assert "show a gain over the baseline" in out
    assert "‘gaze helps’ cannot be said without a control" in out
    assert "run condition=shuffled at weight 0.5" in out
    assert control is None or f"better than {control}" in out


@pytest.mark.slow
def test_several_treatments_are_corrected_and_each_is_planned(tmp_path, capsys):
    effects = {(weight, name): 0.0 for weight in (0.5, 2.0) for name in ("human", "shuffled")}
    out = " ".join(planned(runs_of(effects), tmp_path, capsys, "difference=0.2").split())
    assert "multiplied by the 2 treatments" in out
    assert out.count("seeds find ‘gaze helps’") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "difference is missing"),
        (["diference=0.1"], "did you mean difference"),
        (["difference=much"], "difference=much is not a number"),
        (["difference=0"], "difference=0"),
        (["difference=0.1", "power=2"], "power=2.0 is out of range"),
        (["difference=0.1", "alpha=0"], "alpha=0.0 is out of range"),
    ],
)
def test_a_plan_that_cannot_be_made_says_why(tmp_path, words, message):
    folder = str(write(runs_of({HUMAN: 0.1}), tmp_path / "pilot", maps=0))
    with pytest.raises(SystemExit) as stop:
        cli.main(["study-plan", folder, *words])
    assert message in str(stop.value)


def test_a_pilot_that_says_nothing_of_its_spread_is_refused(tmp_path):
    runs = runs_of({HUMAN: 0.1, SHUFFLED: 0.0}, 1)
    equal = [
        replace(run, summary={**run.summary, "metrics": {**run.summary["metrics"], "accuracy": 0.5}})
        for run in runs_of({HUMAN: 0.1}, 3)
    ]
    more = runs_of({HUMAN: 0.1, SHUFFLED: 0.0}, 4)
    apart = [run for run in more if run.seed < 3 or run.weight == 0 or run.condition == "human"]
    apart = [run for run in apart if not (run.condition == "shuffled" and run.seed < 2)]
    for name, chosen, message in (
        ("a", [run for run in runs if run.weight], "needs runs of weight 0"),
        ("b", runs, "baseline have 1 seed(s) in common: a pilot needs two; run both with the same seeds, as seed=0,1"),
        ("c", equal, "run more seeds"),
        ("d", apart, "seed=0,1 of one study does, or leave the runs of shuffled"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["study-plan", str(write(chosen, tmp_path / name, maps=0)), "difference=0.1"])
        assert message in str(stop.value)
