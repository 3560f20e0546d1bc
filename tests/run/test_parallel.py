"""Runs of a study, in one process or side by side, are the runs that fresh processes do one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tests.processes import Command

from haa.run.parallel import threads

# enough gaze for its profiles to be held, and mirrored pictures beside those that are not
STUDY = ("task=saliency", "trainer=cpu", "epochs=2", "data.train=12", "data.val=8", "data.test=8")
STUDY += ("data.subjects=40", "loader.batch_size=4", "loader.transform.flip=true", "callbacks.pictures=null")
SWEPT = ("condition=human,shuffled", "align_weight=0,0.5", "seed=1")
RUNS = [
    "align_weight=0,seed=1",
    "condition=human,align_weight=0.5,seed=1",
    "condition=shuffled,align_weight=0.5,seed=1",
]


def results(folder: Path) -> tuple[object, bytes, dict[str, torch.Tensor]]:
    """Return what a run gave: its metrics, the values of its samples, the weights it ended with."""
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["files"]  # digests of files, among them the config with the folder's name
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return metrics, (folder / "samples.parquet").read_bytes(), state


def assert_same(a: Path, b: Path) -> None:
    (metrics, samples, state), (metrics_b, samples_b, state_b) = results(a), results(b)
    assert metrics == metrics_b
    assert samples == samples_b
    assert state.keys() == state_b.keys()
    assert all(torch.equal(state[name], state_b[name]) for name in state)


@pytest.mark.slow
def test_a_run_of_a_study_is_the_run_alone_to_the_last_bit(haa, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    beside = haa("train", "-m", *STUDY, *SWEPT, "parallel=2", "cache=a", name="beside")
    after = haa("train", "-m", *STUDY, *SWEPT, "cache=b", name="after")
    assert sorted(path.parent.name for path in beside.glob("*/metrics.json")) == RUNS
    for name in RUNS:
        words = name.split(",")
        threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
        place = f"hydra.run.dir='{tmp_path / 'alone' / name}'"
        Command(["train", *STUDY, *words, "cache=c", place], tmp_path, told=threads).finish()
        assert_same(beside / name, tmp_path / "alone" / name)
        assert_same(after / name, tmp_path / "alone" / name)


ENDS = '''
import os, signal
from pathlib import Path
import pytorch_lightning as pl

class Ends(pl.Callback):
    """Ends the process of one run, and fails another, while there is a file that says so."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1 and Path("armed").is_file():
            if self.folder.endswith("seed=0"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.folder.endswith("seed=1"):
                raise ValueError("one fails")
'''


@pytest.mark.slow
def test_a_killed_run_and_one_that_fails_are_told_and_taken_up(haa, tmp_path, monkeypatch, capsys):
    (tmp_path / "ends.py").write_text(ENDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ("trust=[ends]", "+callbacks.ends={_target_: ends.Ends, folder: '${output_dir}'}")
    sweep = ("-m", *STUDY, *own, "seed=0,1,2", "align_weight=0.5", "parallel=2")
    (tmp_path / "armed").touch()
    with pytest.raises(SystemExit) as end:
        haa("train", *sweep)
    assert end.value.code == 1
    out = capsys.readouterr().out
    assert "2 failed; the same command tries them again" in out
    assert "the process of this run was ended by SIGKILL, as it is where memory runs out" in out
    assert "ValueError: one fails" in out
    finished = [path.parent.name for path in (tmp_path / "run").glob("*/metrics.json")]
    assert finished == ["align_weight=0.5,seed=2"]  # which went on beside them
    assert json.loads((tmp_path / "run/align_weight=0.5,seed=0/error.json").read_text())["overrides"]

    (tmp_path / "armed").unlink()
    folder = haa("train", *sweep)
    assert "1 finished before, 2 half done" in capsys.readouterr().out
    undisturbed = haa("train", *sweep[:-1], name="undisturbed")  # one after the other
    for seed in range(3):
        assert not (folder / f"align_weight=0.5,seed={seed}" / "error.json").exists()
        assert_same(folder / f"align_weight=0.5,seed={seed}", undisturbed / f"align_weight=0.5,seed={seed}")


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5"])
def test_a_number_that_is_none_is_refused(haa, number):
    with pytest.raises(SystemExit, match=rf"parallel={number}: give a number of runs at a time, 1 or more"):
        haa("train", "-m", *STUDY, "seed=0,1", f"parallel={number}")


def test_another_launcher_has_its_own_number(haa):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    with pytest.raises(SystemExit, match=r"parallel=2 is not for JoblibLauncher: give hydra.launcher.n_jobs"):
        haa("train", "-m", *STUDY, "seed=0,1", "parallel=2", "hydra/launcher=joblib")


@pytest.mark.parametrize(("cores", "parallel", "share"), [(8, 2, 4), (8, 3, 2), (2, 4, 1), (1, 1, 1)])
def test_processes_share_the_cores(monkeypatch, cores, parallel, share):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(cores)), raising=False)
    assert threads(parallel) == share
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads(parallel) == 3
