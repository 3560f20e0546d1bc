from __future__ import annotations

import csv

import pytest

from haa import loggers


def test_csv_keeps_what_a_resumed_run_had_written(tmp_path):
    first = loggers.csv(str(tmp_path))
    first.log_metrics({"a": 1.0}, step=0)
    first.save()
    second = loggers.csv(str(tmp_path))
    second.log_metrics({"a": 2.0, "b": 3.0}, step=1)
    second.save()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [(row["step"], row["a"], row["b"]) for row in rows] == [("0", "1.0", ""), ("1", "2.0", "3.0")]


def test_wandb_without_an_account_keeps_the_run_in_its_folder(tmp_path, monkeypatch, haa):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    run = haa("train", "task=vqa", "trainer=debug", "logger=wandb", "data.train=16", "data.val=8", "data.test=8")
    assert len(list(run.glob("wandb/offline-run-*/*.wandb"))) == 1


def test_tensorboard(haa):
    pytest.importorskip("tensorboard")
    run = haa("train", "task=vqa", "trainer=debug", "logger=tensorboard", "data.train=16", "data.val=8", "data.test=8")
    assert list(run.glob("tensorboard/events.*"))
