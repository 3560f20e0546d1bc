"""A checkpoint is there whole or not at all, and the one before it stays until then."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import tempfile
import time

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import AsyncCheckpointIO

from haa.errors import InputError
from haa.run.checkpoints import WholeCheckpoints, keep_whole
from haa.run_folder import RunFolder


def content(value: float) -> dict[str, object]:
    return {"state_dict": {"a": torch.full((1000,), value), "count": torch.tensor(3)}, "epoch": 4}


def test_a_checkpoint_does_not_go_through_the_folder_of_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    path = tmp_path / "new" / "last.ckpt"
    WholeCheckpoints().save_checkpoint(content(1.0), path)
    assert torch.equal(torch.load(path, weights_only=True)["state_dict"]["a"], torch.ones(1000))
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_the_one_before_survives_a_disk_that_takes_no_more(tmp_path, monkeypatch, number):
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint(content(1.0), path)

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"last.ckpt cannot be written .*: give another place, or make room"):
        WholeCheckpoints().save_checkpoint(content(2.0), path)
    assert torch.load(path, weights_only=True)["state_dict"]["a"][0] == 1.0
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_training_that_diverged_ends_and_the_checkpoint_before_stays(tmp_path, value):
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint(content(1.0), path)
    with pytest.raises(InputError, match=r"diverged in epoch 4: a has NaN or infinite values.*lower learning rate"):
        WholeCheckpoints().save_checkpoint(content(value), path)
    assert torch.load(path, weights_only=True)["state_dict"]["a"][0] == 1.0


def test_only_a_file_is_deleted(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "last.ckpt").touch()
    WholeCheckpoints().remove_checkpoint(tmp_path / "last.ckpt")
    WholeCheckpoints().remove_checkpoint(tmp_path / "last.ckpt")
    WholeCheckpoints().remove_checkpoint(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_user_keeps_a_way_of_writing_of_their_own():
    own = AsyncCheckpointIO()
    trainer = pl.Trainer(accelerator="cpu", logger=False, plugins=[own])
    keep_whole(trainer)
    assert trainer.strategy.checkpoint_io is own
    trainer = pl.Trainer(accelerator="cpu", logger=False)
    keep_whole(trainer)
    assert isinstance(trainer.strategy.checkpoint_io, WholeCheckpoints)


def test_a_diverging_run_is_one_line(haa):
    words = ("task=vqa", "trainer=cpu", "epochs=3", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=4")
    with pytest.raises(SystemExit) as stop:
        haa("train", *words, "callbacks.pictures=null", "optimizer=sgd", "lr=1e30")
    assert "in epoch 0: lower" in str(stop.value)
    assert "\n" not in str(stop.value)


def test_at_any_moment_of_a_kill_there_is_a_whole_checkpoint(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    weights = {"state_dict": {"a": torch.ones(500_000)}}
    WholeCheckpoints().save_checkpoint({**weights, "epoch": 0}, path)
    draw = random.Random(0)
    kept = 0
    for _ in range(25):
        if (child := os.fork()) == 0:
            for epoch in itertools.count(kept + 1):
                WholeCheckpoints().save_checkpoint({**weights, "epoch": epoch}, path)
        time.sleep(draw.uniform(0.001, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = torch.load(path, weights_only=True)
        assert found["epoch"] >= kept
        assert bool((found["state_dict"]["a"] == 1).all())
        kept = found["epoch"]
    assert kept > 0
    RunFolder(tmp_path).tidy()
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("state", [{"x": 1}, {"state": {}, "param_groups": [{}]}, {"state": 1, "param_groups": 2}, []])
def test_an_optimizers_state_that_does_not_fit_is_one_line(haa, state):
    run = haa("train", "trainer=debug", "data.train=8", "data.val=4", "data.test=4", "callbacks.pictures=null")
    (run / "metrics.json").unlink()
    path = run / "checkpoints/last.ckpt"
    content = torch.load(path, weights_only=True)
    torch.save({**content, "optimizer_states": [state]}, path)
    with pytest.raises(SystemExit, match=r"last\.ckpt cannot be read .*optimizer's state does not fit: train anew"):
        haa("train", f"resume={run}")
