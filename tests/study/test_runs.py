"""What a study promises: every combination once, nothing twice, and the same result however it was interrupted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import pytorch_lightning as pl
import yaml

from haa import build
from haa.cli.overrides import conf
from haa.errors import InputError
from haa.run import train as training
from haa.study import runs as study

TINY = ("task=vqa", "trainer=cpu", "epochs=2", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=4")
TINY += ("callbacks.pictures=null", "model.dropout=0.2")


def results(folder: Path) -> dict[str, str]:
    return {path.parent.name: path.read_text() for path in sorted(folder.glob("*/metrics.json"))}


def write_run(folder: Path, finished: bool = True, **changed: object) -> dict[str, object]:
    config = {"output_dir": str(folder), "epochs": 2, "resume": None, "pictures": {"folder": f"{folder}/pictures"}}
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, **changed}))
    if finished:
        (folder / "metrics.json").write_text("{}")
    return config


def test_the_state_of_a_run_is_read_from_its_folder(tmp_path):
    config = write_run(tmp_path / "half", finished=False, resume="somewhere")
    assert study.state(tmp_path / "nothing", config) == "new"
    assert study.state(tmp_path / "half", config) == "half"
    config = write_run(tmp_path / "done")
    assert study.state(tmp_path / "done", config) == "finished"
    with pytest.raises(InputError, match=r"epochs=2, not 3: give another study=NAME"):
        study.state(tmp_path / "done", {**config, "epochs": 3})
    assert study.state(tmp_path / "done", {**config, "difference": 0.02}) == "finished"
    assert study.state(tmp_path / "done", {**config, "parallel": 4}) == "finished"


def test_a_study_may_move(tmp_path):
    write_run(tmp_path / "before")
    moved = (tmp_path / "before").rename(tmp_path / "after")
    now = {"output_dir": str(moved), "epochs": 2, "resume": None, "pictures": {"folder": f"{moved}/pictures"}}
    assert study.state(moved, now) == "finished"


def test_metrics_cut_off_while_they_were_written_are_not_a_finished_run(tmp_path):
    config = write_run(tmp_path / "run")
    (tmp_path / "run" / "metrics.json").write_text('{"split": "te')
    assert study.state(tmp_path / "run", config) == "half"


def test_score_is_the_best_of_the_monitored_metric(tmp_path):
    (tmp_path / "config.yaml").write_text("task: {monitor: val/loss, mode: min}")
    (tmp_path / "metrics.csv").write_text("epoch,val/loss,train/loss\n0,0.5,\n0,,1.0\n1,0.25,\n1,,0.9\n2,0.375,\n")
    assert study.best_value(tmp_path) == 0.25


@pytest.mark.slow
def test_a_study_trains_each_run_once_and_is_taken_up_and_extended(haa, capsys, monkeypatch):
    sweep = (*TINY, "-m", "condition=human,shuffled", "align_weight=0,0.5")
    folder = haa("train", *sweep)
    out = capsys.readouterr().out
    first = results(folder)
    assert list(first) == ["align_weight=0", "condition=human,align_weight=0.5", "condition=shuffled,align_weight=0.5"]
    assert "3/3  condition=shuffled align_weight=0.5  accuracy 0." in out
    assert f"haa report {folder}" in out
    assert "haa vqa" in (folder / "align_weight=0" / "log.txt").read_text()

    trained = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda cfg: trained.append(cfg.output_dir) or train(cfg))
    (folder / "align_weight=0" / "metrics.json").unlink()
    haa("train", "-m", *TINY, "condition=human,shuffled,center", "align_weight=0,0.5")
    assert [Path(place).name for place in trained] == ["align_weight=0", "condition=center,align_weight=0.5"]
    assert "4 runs" in (out := capsys.readouterr().out)
    assert "2 finished before, 1 half done" in out
    assert {name: results(folder)[name] for name in first} == first

    with pytest.raises(SystemExit, match=r"was made with epochs=2, not 3"):
        haa("train", *sweep, "epochs=3")


class CutOff(pl.Callback):
    """Ends the program in an epoch of the second run; no handler of exceptions sees it."""

    class Kill(BaseException):
        pass

    def __init__(self, folder: str, at: str) -> None:
        self.at = at if folder.endswith("seed=1") else None

    def on_train_batch_end(self, trainer, *rest):
        if self.at == "second epoch" and trainer.current_epoch == 1:
            raise self.Kill

    def on_test_start(self, trainer, module):
        if self.at == "test":
            raise self.Kill


@pytest.mark.slow
@pytest.mark.parametrize("at", ["second epoch", "test"])
def test_a_study_cut_off_in_a_run_ends_as_an_undisturbed_one(haa, capsys, monkeypatch, at):
    make = build.trainer

    def trainer(cfg):
        built = make(cfg)
        built.callbacks.insert(0, CutOff(cfg.output_dir, at))
        return built

    sweep = ("-m", *TINY, "seed=0,1,2", "align_weight=0.5")
    monkeypatch.setattr(build, "trainer", trainer)
    with pytest.raises((CutOff.Kill, SystemExit)):
        haa("train", *sweep)
    assert len(results(Path("run"))) == 1
    monkeypatch.setattr(build, "trainer", make)
    capsys.readouterr()
    disturbed = haa("train", *sweep)
    assert "1 finished before, 1 half done" in capsys.readouterr().out
    undisturbed = haa("train", *sweep, name="undisturbed")
    assert len(results(undisturbed)) == 3
    assert results(disturbed) == results(undisturbed)


def test_a_run_that_had_stopped_early_trains_no_further_when_it_is_taken_up(haa, monkeypatch):
    # the metric never improves: two epochs after the first it stops
    stops = ("task=vqa", "trainer=cpu", "epochs=9", "callbacks.early_stopping.patience=2", "lr=0", *TINY[3:])
    run_folder = haa("train", *stops)
    epochs = {row["epoch"] for row in csv.DictReader((run_folder / "metrics.csv").open()) if row["train/loss"]}
    assert epochs == {"0", "1", "2"}
    (run_folder / "metrics.json").unlink()
    haa("train", f"resume={run_folder}")
    again = [row["epoch"] for row in csv.DictReader((run_folder / "metrics.csv").open()) if row["train/loss"]]
    assert again == ["0", "1", "2"]


def test_the_oracle_needs_no_weight_and_is_no_baseline():
    from omegaconf import OmegaConf

    oracle = {"_target_": yaml.safe_load((conf() / "condition/oracle.yaml").read_text())["_target_"]}
    assert not study.is_baseline(OmegaConf.create({"align_weight": 0, "condition": oracle}))
    assert not study.is_baseline(
        OmegaConf.create({"align_weight": 0.5, "condition": {"_target_": "haa.conditions.Human"}})
    )


def test_a_run_of_a_study_can_be_resumed_by_itself(haa):
    folder = haa("train", *TINY, "experiment=align_study", "-m", "seed=0", "condition=human", "align_weight=0.5")
    expected = results(folder)
    (run_folder,) = (path.parent for path in folder.glob("*/metrics.json"))
    (run_folder / "metrics.json").unlink()
    haa("train", f"resume='{run_folder}'")
    assert results(folder) == expected


@pytest.mark.slow
def test_a_failed_run_is_written_down_and_does_not_stop_the_rest(haa, capsys):
    with pytest.raises(SystemExit) as stop:
        haa("train", "-m", *TINY, "lr=-1,1e-3")
    assert stop.value.code == 1
    (failed,) = Path("run").glob("*/error.json")
    assert "lr=-1" in failed.parent.name
    content = json.loads(failed.read_text())
    assert "Invalid learning rate" in content["message"]
    assert "Traceback" in content["traceback"]
    assert "lr=-1" in content["overrides"]
    assert json.loads((failed.parent / "made.json").read_text())["role"] == "baseline"
    assert list(results(Path("run"))) == ["lr=0.001"]
    out = capsys.readouterr().out
    assert "1 failed" in out
    assert str(failed.parent / "log.txt") in out


@pytest.mark.slow
def test_a_search_finds_its_runs_again(haa, capsys, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    search = ("-m", *TINY, "experiment=weight_search", "epochs=1")
    folder = haa("train", *search, "hydra.sweeper.n_trials=2")
    first = results(folder)
    trained = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda cfg: trained.append(cfg.output_dir) or train(cfg))
    haa("train", *search, "hydra.sweeper.n_trials=3")
    assert len(first) == 2
    assert len(trained) == 1
    best = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    assert f"align_weight={best['best_params']['align_weight']},seed=0" in results(folder)


@pytest.mark.parametrize("path", sorted(conf().glob("experiment/align_*.yaml")), ids=lambda path: path.stem)
def test_the_studies_of_tasks_sweep_condition_weight_and_seed(path):
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(conf()), version_base="1.3"):
        cfg = compose("train", [f"experiment={path.stem}"], return_hydra_config=True)
    if path.stem != "align_study":
        assert cfg.task.name == path.stem.removeprefix("align_")
    assert cfg.hydra.mode.name == "MULTIRUN"
    assert set(cfg.hydra.sweeper.params) == {"seed", "condition", "align_weight"}


def test_the_launcher_for_slurm_is_one_that_submitit_makes():
    launchers = pytest.importorskip("hydra_plugins.hydra_submitit_launcher.submitit_launcher")
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate

    words = ["task=vqa", "hydra/launcher=slurm", "hydra.launcher.partition=gpu"]
    with initialize_config_dir(str(conf()), version_base="1.3"):
        launcher = instantiate(compose("train", words, return_hydra_config=True).hydra.launcher)
    assert isinstance(launcher, launchers.SlurmLauncher)
    asked = {"partition": "gpu", "timeout_min": 240, "cpus_per_task": 4, "gpus_per_node": 1, "array_parallelism": 16}
    assert asked.items() <= launcher.params.items()
