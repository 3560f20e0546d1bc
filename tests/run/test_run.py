"""What a run promises: to resume exactly, to score the same on any number of processes, to say what is wrong."""

from __future__ import annotations

import csv
import json
import math
import os
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hatchling.build import build_wheel
from tests.processes import Command

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_run_killed_in_an_epoch_and_resumed_ends_where_the_undisturbed_one_does(tmp_path):
    work = ("train", "task=vqa", "align_weight=0.5", "data.train=320", "data.val=64", "data.test=64")
    work += ("trainer.max_epochs=6", "loader.batch_size=16", "model.dropout=0.2", "callbacks.pictures=null")
    undisturbed = Command([*work, "hydra.run.dir=undisturbed"], tmp_path)
    disturbed = Command([*work, "hydra.run.dir=disturbed"], tmp_path)
    table = tmp_path / "disturbed" / "metrics.csv"
    deadline = time.monotonic() + 120
    while not (table.is_file() and table.read_text().count("\n") > 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    disturbed.kill()
    assert not (tmp_path / "disturbed" / "metrics.json").exists(), "it finished before it was killed"
    Command(["train", "resume=disturbed"], tmp_path).finish()
    undisturbed.finish()

    one, other = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("undisturbed", "disturbed"))
    assert one["metrics"] == other["metrics"]
    one, other = (
        list(csv.DictReader((tmp_path / name / "metrics.csv").open())) for name in ("undisturbed", "disturbed")
    )
    last = {row["epoch"]: row["train/loss"] for row in one if row["train/loss"]}
    assert last == {row["epoch"]: row["train/loss"] for row in other if row["train/loss"]}


@pytest.mark.slow
def test_two_processes_score_and_train_as_one(tmp_path):
    # 33 samples: two processes do not share them evenly; a third has no gaze
    data = ("data.train=64", "data.val=16", "data.test=33", "data.share_with_gaze=0.67", "loader.batch_size=4")
    Command(["train", "task=vqa", *data, "trainer.max_epochs=1", "hydra.run.dir=run"], tmp_path).finish()
    work = ("evaluate", "checkpoint=run/checkpoints/best.ckpt", "faithfulness=8")
    one = Command([*work, "trainer=cpu", "hydra.run.dir=one"], tmp_path)
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "hydra.run.dir=two"]
    Command([*work, *two], tmp_path).finish()
    one.finish()
    a, b = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert a["samples"] == b["samples"] == 33
    assert a["undefined"] == b["undefined"]
    assert a["undefined"]["attention_nss"] > 0
    assert a["undefined"]["accuracy"] == 0
    assert a["faithfulness"] == 8
    assert a["metrics"] == pytest.approx(b["metrics"], abs=1e-6)
    deletion = a["metrics"]["attention_deletion"]
    a, b = (pq.read_table(tmp_path / name / "samples.parquet").to_pydict() for name in ("one", "two"))
    assert a["id"] == b["id"] == a["stimulus"] == b["stimulus"]
    for name in ("attention_kl", "attention_deletion"):
        assert a[name] == pytest.approx(b[name], abs=1e-5, nan_ok=True)
    measured = [value for value in a["attention_deletion"] if not math.isnan(value)]
    assert len(measured) == 8
    assert statistics.fmean(measured) == pytest.approx(deletion, abs=1e-6)


@pytest.mark.slow
def test_the_wheel_trains_in_an_empty_folder(tmp_path, monkeypatch):
    """The wheel's own files alone, put before everything else on the path: its conf is inside."""
    monkeypatch.chdir(ROOT)
    wheel = build_wheel(str(tmp_path))  # as pip does
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(tmp_path / wheel).extractall(site)
    few = ("data.train=8", "data.val=8", "data.test=8", "callbacks.pictures=null")
    script = "import haa, sys; from haa.cli.main import main; print(haa.__file__); main(sys.argv[1:])"
    out = subprocess.run(
        [sys.executable, "-c", script, "train", "task=vqa", "trainer=debug", *few],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    assert str(site) in out.stdout
    assert list(empty.glob("outputs/vqa/*/metrics.json"))
