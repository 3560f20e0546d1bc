"""Which settings keep runs apart, and which do not."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from tests.reporting.simulated import Drawn, study_runs

from haa.reporting.arms import studies
from haa.reporting.caveats import caveats, overall
from haa.reporting.collect import Unfinished
from haa.reporting.settings import HARMLESS

HUMAN, SHUFFLED = (0.5, "human"), (0.5, "shuffled")
TRAINED = {
    "trainer": {"max_epochs": 25, "limit_train_batches": None, "gradient_clip_val": None, "accumulate_grad_batches": 1},
    "callbacks": {
        "checkpoint": {"monitor": "val/accuracy", "dirpath": "DIR/checkpoints"},
        "early_stopping": {"patience": 20},
        "progress": {"_target_": "RichProgressBar"},
    },
    "logger": {"_target_": "CSVLogger"},
    "faithfulness": 0,
}


@pytest.fixture
def runs() -> list[Drawn]:
    made = []
    for run in study_runs(np.random.default_rng(0), {HUMAN: 0.1, SHUFFLED: 0.0}, 3, samples=20):
        place = run.config["output_dir"]
        trained = deepcopy(TRAINED)
        trained["callbacks"]["checkpoint"]["dirpath"] = f"{place}/checkpoints"
        made.append(Drawn(run.folder, {**run.config, **trained}, run.summary, run.columns))
    return made


def with_config(run: Drawn, key: str, value: object) -> Drawn:
    config = deepcopy(run.config)
    node = config
    *path, last = key.split(".")
    for name in path:
        node = node.setdefault(name, {})
    node[last] = value
    return Drawn(run.folder, config, run.summary, run.columns)


def baselines_with(runs: list[Drawn], key: str, value: object) -> list[Drawn]:
    return [with_config(run, key, value) if run.role == "baseline" else run for run in runs]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("callbacks.early_stopping", {"patience": 1}),
        ("callbacks.early_stopping", None),
        ("callbacks.checkpoint", None),
        ("callbacks.mine", {"_target_": "mine.Swa"}),
        ("trainer.limit_train_batches", 0.1),
        ("trainer.limit_val_batches", 0.5),
        ("trainer.overfit_batches", 1),
        ("trainer.max_steps", 100),
        ("trainer.max_time", "00:01:00:00"),
        ("trainer.accumulate_grad_batches", 8),
        ("trainer.gradient_clip_val", 0.01),
        ("trainer.precision", "16-mixed"),
        ("trainer.devices", 4),
        ("trainer.deterministic", True),
        ("loader.batch_size", 64),
        ("data.seed", 3),
        ("data.root", "/elsewhere/entirely/but/no/fingerprint"),
        ("optimizer.lr", 0.1),
        ("optimizer.weight_decay", 0.1),
        ("scheduler.warmup", 0.1),
        ("model.hidden", 64),
        ("attention._target_", "haa.attention.GradCAM"),
        ("task.monitor", "val/loss"),
        ("epochs", 50),
    ],
)
def test_what_changes_training_keeps_runs_apart_and_is_named(runs, key, value):
    runs = baselines_with(runs, key, value)
    if "fingerprint" in str(value):
        for run in runs:
            run.summary.pop("data")
    found = studies(runs)
    assert len(found) == 2
    (text,) = [text for text in overall(found, []) if "differs from study 1 in" in text]
    assert key in text
    assert all(
        "callbacks.checkpoint.dirpath" not in text or key == "callbacks.checkpoint" for text in overall(found, [])
    )


@pytest.mark.parametrize("key", ["haa", "trained_by", "sigma", "split", "checkpoint", "samples", "samples_a_step"])
def test_so_does_what_a_run_recorded_of_itself(runs, key):
    for run in runs[:3]:
        run.summary[key] = {"sigma": 0.06, "samples": 21, "samples_a_step": 16}.get(key, "other")
    assert len(studies(runs)) == 2


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("what", ["stimuli", "gaze", "labels", "ids"])
def test_so_do_the_data_that_were_read(runs, split, what):
    for k, run in enumerate(runs):
        run.summary["data"] = {
            name: {"samples": 20, "stimuli": "s", "gaze": "g", "labels": "l", "ids": "i"}
            for name in ("train", "val", "test")
        }
        if k < 3:
            run.summary["data"][split][what] = "other"
    assert len(studies(runs)) == 2


def test_the_datas_path_does_not_where_their_fingerprint_is_known(runs):
    runs = [with_config(run, "data.root", f"/copy/{k % 2}") for k, run in enumerate(runs)]
    assert len(studies(runs)) == 1


def test_other_test_samples_keep_runs_of_version_0_1_apart(runs):
    for run in runs:
        for name in ("haa", "data", "sigma"):
            run.summary.pop(name)
    assert len(studies(runs)) == 1
    told = " ".join(caveats(*studies(runs)))
    assert "These runs do not say the version that made them, a fingerprint of their data" in told
    for run in runs[:3]:
        run.columns["id"] = np.array([f"B-{name}" for name in run.columns["id"]])
    fresh = [Drawn(run.folder, run.config, run.summary, run.columns) for run in runs]
    assert len(studies(fresh)) == 2


def test_in_version_0_1_the_scores_went_by_the_losss_sigma(runs):
    for run in runs:
        for name in ("haa", "data", "sigma"):
            run.summary.pop(name)
    assert len(studies([with_config(run, "alignment.sigma", 0.03) for run in runs])) == 1
    assert len(studies(baselines_with(runs, "alignment.sigma", 0.06))) == 2


def test_today_the_losss_sigma_is_one_way_to_align(runs):
    other = [with_config(run, "alignment.sigma", 0.06) for run in runs if run.role != "baseline"]
    (study,) = studies([*runs, *other])
    assert len(study.of("treatment")) == 2


@pytest.mark.parametrize("key", [key for key in HARMLESS if key != "output_dir"])
def test_what_is_harmless_does_not(runs, key):
    assert len(studies(baselines_with(runs, key, {"anything": "else"}))) == 1


def test_evaluations_differ_by_how_their_models_were_trained_and_not_by_where(runs):
    def evaluated(run: Drawn, patience: int) -> Drawn:
        trained = {
            "trainer": {"max_epochs": 25, "default_root_dir": f"trained/{run.seed}"},
            "callbacks": {
                "checkpoint": {"dirpath": f"trained/{run.seed}/{run.condition}"},
                "early_stopping": {"patience": patience},
            },
        }
        config = {**run.config, "callbacks": {}, "trained": trained, "output_dir": f"evaluated/{run.seed}"}
        return Drawn(run.folder, config, {**run.summary, "checkpoint": f"{run.folder}/best.ckpt"}, run.columns)

    assert len(studies([evaluated(run, 20) for run in runs])) == 1
    assert len(studies([evaluated(run, 20 if run.weight else 1) for run in runs])) == 2


def test_the_seed_handed_on_does_not(runs):
    runs = [with_config(run, "callbacks.epoch_seed.seed", run.seed) for run in runs]
    assert len(studies(runs)) == 1
    assert len(studies(baselines_with(runs, "callbacks.epoch_seed.seed", 77))) == 2
    runs = [with_config(run, "loader.per_class_seed", run.seed) for run in runs]
    assert len(studies(runs)) == 1  # each seed has drawn its own pictures, in all arms
    assert len(studies(baselines_with(runs, "loader.per_class_seed", 77))) == 2


def test_a_fixed_seed_that_is_one_runs_own_by_chance_does_not_set_that_run_apart(runs):
    runs = [with_config(run, "loader.per_class_seed", 0) for run in runs]
    assert {run.seed for run in runs} == {0, 1, 2}
    (study,) = studies(runs)
    assert len(study.runs) == len(runs)
    (other,) = studies([with_config(run, "loader.seed", run.seed) for run in runs])
    assert len(other.runs) == len(runs)
    begun = next(run for run in runs if run.seed == 0 and run.role == "treatment")
    begun = Drawn(Path("gone"), begun.config, {"role": "treatment", "label": "human"}, {})
    rest = [run for run in runs if run.seed != 0 or run.role != "treatment"]
    (cut_off,) = studies(rest, unfinished=[Unfinished(Path("gone"), "CUDA out of memory", begun)])
    assert cut_off.of("treatment")[0].lost == {0: "CUDA out of memory"}
    assert len(studies([*runs, *(with_config(run, "loader.per_class_seed", 77) for run in runs)])) == 2


def test_a_run_that_did_not_finish_is_told_of_in_its_own_study_alone(runs):
    run = with_config(with_config(runs[3], "seed", 9), "loader.seed", 9)
    begun = Drawn(Path("gone"), run.config, {"role": "treatment", "label": "human"}, {})
    other = with_config(begun, "optimizer.lr", 0.1)
    for config, expected in ((begun, {9: "CUDA out of memory"}), (other, {})):
        (study,) = studies(runs, unfinished=[Unfinished(Path("gone"), "CUDA out of memory", config)])
        assert study.of("treatment")[0].lost == expected
