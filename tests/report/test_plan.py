"""``haa study-plan`` on the console."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tests.report.simulated import study_runs, write

from haa.cli import main as cli
from haa.report import power


@pytest.fixture
def pilot(tmp_path):
    runs = study_runs(np.random.default_rng(0), {(0.5, "human"): 0.1, (0.5, "shuffled"): 0.0}, 4, samples=100)
    return runs, str(write(runs, tmp_path / "pilot", maps=0))


def test_seeds_follow_from_the_pilots_variance(pilot, capsys):
    runs, folder = pilot
    cli.main(["study-plan", folder, "difference=0.2", "power=0.9"])
    out = capsys.readouterr().out
    value = {(run.condition, run.seed): run.summary["metrics"]["accuracy"] for run in runs}
    for other in ("baseline", "shuffled"):
        sd = np.std([value["human", seed] - value[other, seed] for seed in range(4)], ddof=1)
        row = re.search(rf"human 0.5 − {other} +4 +{sd:.3f} +(\d+)", out)
        assert row is not None, out
        assert int(row[1]) == power.seeds_needed(0.2, sd, 0.9)
    assert "for ‘helps’" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "difference is missing"),
        (["diference=0.1"], "did you mean difference"),
        (["difference=much"], "difference=much is not a number"),
        (["difference=0"], "difference=0"),
        (["difference=0.1", "power=2"], "power=2.0 is out of range"),
    ],
)
def test_a_plan_that_cannot_be_made_says_why(pilot, words, message):
    with pytest.raises(SystemExit) as stop:
        cli.main(["study-plan", pilot[1], *words])
    assert message in str(stop.value)


def test_a_pilot_without_baseline_or_seeds_is_refused(tmp_path):
    runs = study_runs(np.random.default_rng(0), {(0.5, "human"): 0.1}, 1, samples=100)
    for name, chosen, message in (("a", runs[1:], "needs runs of weight 0"), ("b", runs, "1 seed(s) in common")):
        with pytest.raises(SystemExit) as stop:
            cli.main(["study-plan", str(write(chosen, tmp_path / name, maps=0)), "difference=0.1"])
        assert message in str(stop.value)
