"""The real commands, over every task."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from haa.cli import main as cli

ROOT = Path(__file__).parents[2]
TASKS = [path.stem for path in sorted((ROOT / "conf" / "task").glob("*.yaml"))]
SMALL = ("trainer=debug", "data.train=32", "data.val=16", "data.test=16", "loader.batch_size=8")


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_train_and_evaluate(haa, task, capsys):
    run = haa("train", f"task={task}", "align_weight=0.5", *SMALL)
    summary = json.loads((run / "metrics.json").read_text())
    assert summary["simulated_gaze"] is True
    assert summary["samples"] == 16
    assert {"attention_nss", "attention_cc", "attention_kl"} <= set(summary["metrics"])
    assert (run / "pictures" / "val.png").stat().st_size > 10_000
    assert {"train/task_loss", "train/align_loss"} <= set(next(csv.DictReader((run / "metrics.csv").open())))
    assert yaml.safe_load((run / "config.yaml").read_text())["alignment"]["weight"] == 0.5
    assert "simulated gaze" in capsys.readouterr().out

    again = haa("evaluate", f"checkpoint={run}/checkpoints/best.ckpt", "trainer=debug", name="evaluation")
    scored = json.loads((again / "metrics.json").read_text())
    assert scored["metrics"] == pytest.approx(summary["metrics"], abs=1e-6, nan_ok=True)
    rows = pq.read_table(again / "samples.parquet")
    assert rows.num_rows == 16
    monitor = yaml.safe_load((run / "config.yaml").read_text())["task"]["monitor"]
    assert monitor.removeprefix("val/") in rows.column_names
    nss = [value for value in rows["attention_nss"].to_pylist() if value == value]
    assert sum(nss) / len(nss) == pytest.approx(scored["metrics"]["attention_nss"], abs=1e-5)


@pytest.mark.slow
def test_multirun_makes_a_run_per_job_and_the_report_a_row_per_condition(haa, capsys):
    sweep = haa("train", "-m", "task=vqa", "align_weight=0,0.5", "seed=0,1", "callbacks.pictures=null", *SMALL)
    assert len(list(sweep.glob("*/metrics.json"))) == 4
    capsys.readouterr()
    cli.main(["report", str(sweep)])
    out = capsys.readouterr().out
    assert "baseline" in out
    assert "human" in out
    assert "simulated gaze" in out
    page = sweep / "report" / "index.html"
    assert str(page) in out.replace("\n", "")
    assert "Few seeds" in page.read_text()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["algn_weight=0.5"], "did you mean align_weight"),
        (["model.hiden=3"], "did you mean hidden"),
        (["backbone.chanels=3", "backbone=tiny"], "backbone.chanels is not an argument"),
        (["callbacks.checkpoint.moniter=x"], "did you mean monitor"),
        (["+extra._target_=os.system"], "not trusted"),
        (["data._target_=haa.run.session.sys.exit"], "not trusted"),
        (["resume=nowhere"], "resume=nowhere"),
        (["align_weight=0.5", "data.share_with_gaze=0"], "has gaze"),
        (["backbone=timm", "backbone.name=resnet5000"], "resnet5000"),
        (["task=saliency", "data=osie"], "data.root is missing"),
        (["task=saliency", "data=osie", "data.root=nowhere"], "nowhere"),
        (["model=stacked_attention", "data._target_=haa.data.nothing"], "cannot be imported"),
    ],
)
def test_what_is_mistyped_is_named_with_the_choices(haa, overrides, message):
    with pytest.raises(SystemExit) as stop:
        haa("train", *([] if overrides[0].startswith("task=") else ["task=vqa"]), *overrides)
    assert message in str(stop.value)
    assert "\n" not in str(stop.value)


def test_a_mistyped_group_names_the_groups_options():
    done = subprocess.run(
        [sys.executable, "-m", "haa", "train", "task=vqaa"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert all(task in done.stderr for task in TASKS)


WITHOUT_A_RUN = [
    ["--help"],
    ["train", "--help"],
    ["train", "--cfg", "job"],
    ["evaluate", "--help"],
    ["report", "--help"],
    ["study-plan", "--help"],
    ["predict", "--help"],
    ["show", "--help"],
    ["probe", "--help"],
    ["score", "--help"],
    ["data", "--help"],
    ["wandb-dashboard", "--help"],
]


def test_help_and_cfg_import_nothing_heavy():
    code = (
        "import os, sys; sys.argv = ['haa']; from haa.cli import main as cli; import hydra\n"
        f"for argv in {WITHOUT_A_RUN!r}:\n"
        "    if pid := os.fork():\n"
        "        assert os.waitpid(pid, 0)[1] == 0, argv\n"
        "        continue\n"
        "    try: cli.main(argv)\n"
        "    except SystemExit as stop: assert not stop.code, stop.code\n"
        "    heavy = {'torch', 'pytorch_lightning', 'timm', 'wandb', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
        "    sys.exit()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("argv", [["trian"], ["evaluate"]])
def test_a_command_that_cannot_be_done_says_what_can(argv, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["haa"])
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert "haa: " in str(stop.value)


@pytest.mark.parametrize("kind", ["absent", "truncated", "pickle", "foreign"])
def test_a_checkpoint_that_cannot_be_used_is_named(haa, tmp_path, kind):
    path = tmp_path / "bad.ckpt"
    if kind == "truncated":
        torch.save({"state_dict": {"a": torch.zeros(1000)}}, path)
        path.write_bytes(path.read_bytes()[:1500])
    elif kind == "pickle":
        torch.save({"state_dict": {}, "haa": ROOT}, path)
    elif kind == "foreign":
        torch.save({"state_dict": {}}, path)
    with pytest.raises(SystemExit) as stop:
        haa("evaluate", f"checkpoint={path}")
    message = {
        "absent": "is not a file",
        "truncated": "cannot be read",
        "pickle": "pickle",
        "foreign": "not written by haa",
    }
    assert str(path) in str(stop.value)
    assert message[kind] in str(stop.value)


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["report", "--help"]])
def test_who_reads_the_first_line_alone_gets_no_traceback(words):
    run = [sys.executable, "-m", "haa", *words]
    reading, writing = os.pipe()
    os.close(reading)  # as head does, when it has what it wants
    done = subprocess.run(run, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
