from __future__ import annotations

import contextlib
import csv
import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import wandb as service
import yaml
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.demos.boring_classes import BoringModel
from wandb.proto.wandb_internal_pb2 import Record

from haa.cli import main as cli
from haa.cli.overrides import conf
from haa.conditions import Oracle, Predicted, Shuffled, Subset
from haa.run import loggers

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_csv_keeps_what_a_resumed_run_had_written(tmp_path):
    first = loggers.csv(str(tmp_path))
    first.log_metrics({"a": 1.0}, step=0)
    first.save()
    second = loggers.csv(str(tmp_path))
    second.log_metrics({"a": 2.0, "b": 3.0}, step=1)
    second.save()
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert [(row["step"], row["a"], row["b"]) for row in rows] == [("0", "1.0", ""), ("1", "2.0", "3.0")]


class Off(Exception):
    """What cuts a run off."""


def curves_of(run: Path, stop_after: int | None = None) -> list[dict[str, str]]:
    """The rows of a run of two epochs, cut off after the checkpoint of an epoch or never."""

    class CutOff(ModelCheckpoint):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            super().on_train_epoch_end(trainer, pl_module)
            if trainer.current_epoch == stop_after:
                raise Off

    class Module(BoringModel):
        def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
            loss = super().training_step(batch, batch_idx)
            self.log("train/loss", loss["loss"].detach(), on_step=False, on_epoch=True)
            return loss

    checkpoints = CutOff(run, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    last = run / "last.ckpt"
    torch.manual_seed(0)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        limit_train_batches=3,
        limit_val_batches=1,
        logger=loggers.csv(str(run)),
        callbacks=[loggers.LastRow(), checkpoints],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with contextlib.nullcontext() if stop_after is None else pytest.raises(Off):
        trainer.fit(Module(), ckpt_path=last if last.exists() else None, weights_only=True)
    table = run / "metrics.csv"
    return [row for row in csv.DictReader(table.open()) if row["train/loss"]] if table.exists() else []


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_run_cut_off_between_its_checkpoint_and_its_row_does_not_lose_the_row(tmp_path, epoch):
    expected = curves_of(tmp_path / "undisturbed")
    assert [row["epoch"] for row in expected] == ["0", "1"]
    assert len(curves_of(tmp_path / "disturbed", stop_after=epoch)) == epoch  # it is lost, for now
    after = curves_of(tmp_path / "disturbed")
    assert [(row["epoch"], row["step"]) for row in after] == [(row["epoch"], row["step"]) for row in expected]
    assert after[epoch]["train/loss"] == expected[epoch]["train/loss"]
    assert curves_of(tmp_path / "disturbed") == after  # and is written once


@pytest.mark.slow
def test_wandb_without_an_account_keeps_the_run_in_its_folder(tmp_path, monkeypatch, haa):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    run = haa("train", "task=vqa", "trainer=debug", "logger=wandb", "data.train=16", "data.val=8", "data.test=8")
    assert len(list(run.glob("wandb/offline-run-*/*.wandb"))) == 1


def test_wandb_is_given_nothing_that_it_warns_of(tmp_path):
    logger = loggers.wandb(str(tmp_path), loggers.Identity(), offline=True)
    assert "anonymous" not in logger._wandb_init


@pytest.mark.slow
def test_tensorboard(haa):
    pytest.importorskip("tensorboard")
    run = haa("train", "task=vqa", "trainer=debug", "logger=tensorboard", "data.train=16", "data.val=8", "data.test=8")
    assert list(run.glob("tensorboard/events.*"))


def records(path: Path) -> Iterator[Record]:
    """The records of an offline run: W&B's own messages, in blocks of 32 KiB whose pieces have a header of 7 bytes."""
    content = path.read_bytes()
    assert content[:4] == b":W&B"
    at, parts = 7, b""
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        parts, at = parts + content[at + 7 : at + 7 + length], at + 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            yield Record.FromString(parts)
            parts = b""


def of(kind: str, path: Path) -> list[Any]:
    """The records of a kind, of which there are some: W&B's own process may write them a moment later."""
    end = time.monotonic() + 10
    while not (found := [record for record in records(path) if record.WhichOneof("record_type") == kind]):
        assert time.monotonic() < end, f"no record of {kind} in {path}"
        time.sleep(0.1)
    return [getattr(record, kind) for record in found]


@pytest.mark.slow
def test_wandb_each_run_of_a_study_is_a_run_of_its_own_with_what_the_dashboard_needs(haa, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    small = ("task=vqa", "trainer=cpu", "epochs=2", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=4")
    wandb = ("logger=wandb", "callbacks.wandb.checkpoint=true", "callbacks.wandb.rows=3")
    folder = haa("train", "-m", *small, *wandb, "condition=shuffled", "align_weight=0,0.5", "backbone.channels=16,32")
    files = {path.parents[2].name: path for path in folder.glob("*/wandb/offline-run-*/*.wandb")}
    assert len(files) == 4
    path = files["backbone.channels=16,condition=shuffled,align_weight=0.5"]
    (run,) = of("run", path)
    assert run.run_group == "run"
    assert run.job_type == "train"
    assert run.display_name == "shuffled 0.5 seed 0 backbone.channels=16"
    assert list(run.tags) == ["vqa", "shuffled", "weight 0.5", "seed 0"]
    config = {item.key: json.loads(item.value_json) for part in of("config", path) for item in part.update}
    config |= {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["arm"] == "shuffled 0.5"
    assert config["align_weight"] == 0.5
    metrics = {metric.name: metric for metric in of("metric", path)}
    assert metrics["val/accuracy"].step_metric == "epoch"
    assert metrics["val/accuracy"].summary.max
    assert metrics["val/attention_kl"].summary.min
    keys = [{item.key or "/".join(item.nested_key) for item in part.item} for part in of("history", path)]
    assert any("pictures/val/path" in part for part in keys)
    assert any("test/accuracy" in part for part in keys)
    (table,) = path.parent.glob("files/media/table/test/samples*.json")
    assert len(json.loads(table.read_text())["data"]) == 3
    assert {artifact.type for artifact in of("artifact", path)} == {"model", "run_table"}
    (end,) = of("exit", path)
    assert end.exit_code == 0
    (baseline,) = of("run", files["backbone.channels=16,align_weight=0"])
    assert baseline.display_name == "baseline seed 0 backbone.channels=16"
    assert len({of("run", file)[0].run_id for file in files.values()}) == 4

    words = (f"checkpoint='{path.parents[2]}/checkpoints/best.ckpt'", "faithfulness=2", "logger=wandb")
    again = haa("evaluate", *words, name="evaluation")
    (path,) = again.glob("wandb/offline-run-*/*.wandb")
    (run,) = of("run", path)
    assert (run.job_type, run.display_name) == ("evaluate", "shuffled 0.5 seed 0")
    logged = {item.key or item.nested_key[0] for part in of("history", path) for item in part.item}
    assert {"test/accuracy", "test/attention_deletion"} <= logged


@pytest.mark.slow
def test_wandb_a_run_that_fails_ends_as_failed_and_goes_on_in_the_run_that_it_had(haa, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    words = ("-m", "task=vqa", "trainer=debug", "logger=wandb", "data.train=8", "data.val=8", "data.test=8")
    monkeypatch.setattr(pl.Trainer, "test", lambda *_, **__: 1 / 0)
    with pytest.raises(SystemExit):
        haa("train", *words)
    monkeypatch.undo()
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = haa("train", *words)
    first, second = sorted(folder.glob("*/wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime)
    assert of("exit", first)[0].exit_code == 1
    assert of("exit", second)[0].exit_code == 0
    assert of("run", first)[0].run_id == of("run", second)[0].run_id


def test_the_command_of_wandbs_agent_is_one_that_haa_takes(monkeypatch, tmp_path):
    from wandb.sdk.launch.sweeps import utils as sweeps

    sweep = yaml.safe_load((EXAMPLES / "wandb_sweep.yaml").read_text())
    chosen = {"align_weight": {"value": 0.5}, "condition": {"value": "shuffled"}, "task": {"value": "vqa"}}
    words = sweeps.create_sweep_command_args({"args": chosen})["args_no_hyphens"]
    command = [word for word in sweep["command"] if word not in ("${env}", "${args_no_hyphens}")]
    assert command == ["haa", "train"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["haa"])
    cli.main([*command[1:], *words, "trainer=debug", "data.train=8", "data.val=8", "data.test=8", "hydra.run.dir=run"])
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    assert config["align_weight"] == 0.5
    assert config["condition"]["_target_"] == "haa.conditions.Shuffled"
    for key, node in sweep["parameters"].items():
        values = node.get("values", [node.get("value")])
        if (conf() / key).is_dir():
            assert all((conf() / key / f"{value}.yaml").is_file() for value in values)


@pytest.mark.parametrize(
    ("condition", "weight", "name", "role"),
    [
        (Predicted("a.ckpt"), 0.5, "predicted 0.5", "treatment"),
        (Predicted("a.ckpt", Shuffled()), 0.5, "shuffled predicted 0.5", "control"),
        (Subset(share=0.1), 0.5, "subset share=0.1 0.5", "less gaze"),
        (Subset(share=0.5), 0.5, "subset share=0.5 0.5", "less gaze"),
        (Oracle(), 0, "oracle", "oracle"),
        (Shuffled(), 0, "baseline", "baseline"),
        (None, 0.5, "human 0.5", "treatment"),
    ],
)
def test_wandb_names_and_groups_a_run_by_its_own_arm(tmp_path, monkeypatch, condition, weight, name, role):
    monkeypatch.setenv("WANDB_MODE", "offline")
    identity = loggers.Identity(condition=condition, align_weight=weight, seed=3)
    logger = loggers.wandb(str(tmp_path), identity)
    try:
        run = logger.experiment
        assert run.name == f"{name} seed 3"
        assert (run.config["arm"], run.config["role"]) == (name, role)
    finally:
        service.finish()


def test_wandb_learns_the_condition_from_the_config(haa, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    small = ("task=vqa", "trainer=debug", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=4")
    folder = haa("train", *small, "logger=wandb", "condition=oracle", "callbacks.pictures=null")
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    (run,) = of("run", path)
    assert run.display_name == "oracle seed 0"
