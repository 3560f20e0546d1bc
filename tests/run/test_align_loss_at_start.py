"""A run records how hard its gaze pulls before the first step, and trains as it would without."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from haa.tasks.aligned_module import AlignedModule

WORK = ("data.train=48", "data.val=16", "data.test=16", "loader.batch_size=16", "callbacks.pictures=null")
WORK += ("trainer.enable_progress_bar=false", "callbacks.progress=null")


def summary(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def curves(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").open()))


@pytest.mark.parametrize("task", ["task=vqa", "task=captioning"])
def test_a_run_trains_the_same_with_and_without_it(haa, monkeypatch, task):
    words = (task, "epochs=2", "align_weight=0.5", "model.dropout=0.2", *WORK)
    measured = haa("train", *words, name="measured")
    monkeypatch.setattr(AlignedModule, "measure_align_loss", lambda *_: None)
    plain = haa("train", *words, name="plain")
    one, other = summary(measured), summary(plain)
    assert one.pop("align_loss_at_start") > 0
    assert other.pop("align_loss_at_start") is None
    assert one["metrics"] == other["metrics"]
    assert curves(measured) == curves(plain)
    states = [torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (measured, plain)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])


def test_it_is_of_the_same_weights_in_every_arm_and_survives_a_resumption(haa, tmp_path):
    words = ("task=vqa", "epochs=1", *WORK)
    found = {
        name: summary(haa("train", *words, *arm, name=name))["align_loss_at_start"]
        for name, arm in {
            "baseline": (),
            "human": ("align_weight=0.5",),
            "shuffled": ("align_weight=0.5", "condition=shuffled"),
            "gradcam": ("attention=gradcam",),
            "oracle": ("condition=oracle",),
            "blind": ("data.share_with_gaze=0",),
        }.items()
    }
    assert found["baseline"] == found["human"] != found["shuffled"]
    assert found["gradcam"] not in (None, found["baseline"])
    assert found["oracle"] is found["blind"] is None
    folder = tmp_path / "human"
    (folder / "metrics.json").unlink()
    haa("train", f"resume={folder}")
    assert summary(folder)["align_loss_at_start"] == found["human"]
