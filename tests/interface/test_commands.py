"""What a notebook does, held against the command line: the same files, the same messages."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import haa
from haa.cli.folders import _held
from haa.cli.main import main
from haa.errors import InputError
from haa.run.stopping import Stopped
from haa.run_folder import RunFolder

FEW = {"train": 24, "val": 8, "test": 8}
WORDS = {"task": "finegrained", "data": FEW, "epochs": 1, "cache": None, "callbacks__pictures": None}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of three runs, trained in a folder of its own."""
    folder = tmp_path_factory.mktemp("study")
    before = os.getcwd()
    os.chdir(folder)
    try:
        return haa.train(**WORDS, align_weight=[0, 0.5], condition=["human", "shuffled"], study="s", progress=False)
    finally:
        os.chdir(before)


def results(folder: Path) -> dict:
    """Return metrics.json without the digest of what holds the time of day."""
    summary = json.loads(RunFolder(folder).metrics.read_text())
    summary["files"] = {name: digest for name, digest in summary["files"].items() if name != "config.yaml"}
    return summary


def test_a_run_is_the_command_lines_bit_for_bit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = haa.train(**WORDS, align_weight=0.5, output_dir="here", progress=False)
    assert capsys.readouterr().out == ""
    words = ["task=finegrained", *(f"data.{key}={value}" for key, value in FEW.items()), "epochs=1", "cache=null"]
    main(["train", *words, "callbacks.pictures=null", "align_weight=0.5", "output_dir=there"])
    here, there = results(run.folder), results(Path("there"))
    del here["files"]["metrics.json"], there["files"]["metrics.json"]  # which counts the config's
    assert here == there
    weights = [
        torch.load(folder / "checkpoints/best.ckpt", weights_only=True) for folder in (run.folder, Path("there"))
    ]
    for name, value in weights[0]["state_dict"].items():
        assert torch.equal(value, weights[1]["state_dict"][name])


def test_a_run_shows_what_its_folder_holds(study):
    run = next(run for run in study if run.condition == "human")
    stored = json.loads((run.folder / "metrics.json").read_text())
    assert run.metrics == stored["metrics"]
    assert run.samples.column_names[:2] == ["id", "stimulus"]
    assert run.samples["id"].to_pylist() == [f"shapes-test-{k:05d}" for k in range(FEW["test"])]
    assert run.checkpoint == run.folder / "checkpoints" / "best.ckpt"
    assert run.title == "finegrained on shapes, human, weight 0.5, seed 0"
    assert set(run.curves) > {"train/task_loss", "val/top1"}
    assert run.config["align_weight"] == 0.5
    assert "simulated gaze" in repr(run)
    assert f"{stored['metrics']['top1']:.3f}" in repr(run)
    assert run._repr_html_().count("<img ") == 2


def test_a_run_without_scores_shows_its_training(study, tmp_path):
    folder = tmp_path / "cut\x1b[2Joff"
    shutil.copytree(study.runs[0].folder, folder)
    (folder / "metrics.json").unlink()
    run = haa.Run(folder)
    assert not run.finished
    assert "no scores: it was cut off" in repr(run)
    assert "\x1b" not in repr(run)
    assert run._repr_html_().count("<img ") == 1
    with pytest.raises(InputError, match="has no scores"):
        _ = run.metrics


def test_a_study_has_its_runs_and_goes_on(study, monkeypatch, capsys):
    assert [run.condition for run in study] == ["baseline", "human", "shuffled"]
    assert study.failed == {}
    monkeypatch.chdir(study.folder.parents[1])
    before = {run.folder: (run.folder / "metrics.json").stat().st_mtime_ns for run in study}
    again = haa.train(**WORDS, align_weight=[0, 0.5], condition=["human", "shuffled"], study="s")
    assert {run.folder: (run.folder / "metrics.json").stat().st_mtime_ns for run in again} == before
    assert "3 finished before" in capsys.readouterr().out


def test_a_report_has_the_answer_of_its_page(study, tmp_path):
    report = haa.report([study.runs[0], study.runs[1].folder, str(study.runs[2].folder)], output=tmp_path)
    assert report.page == tmp_path / "index.html"
    assert report.answer in report.page.read_text()
    assert report.verdict == "inconclusive"
    assert report.answers[0].table("top1")[1][0][:2] == ["baseline", "1"]
    assert "simulated" in repr(report)
    assert report._repr_html_().count("<img ") == 2
    with pytest.raises(InputError, match="no metric nothing: there are top1"):
        report.answers[0].table("nothing")


def test_an_evaluation_scores_what_the_training_scored(study, tmp_path):
    run = study.runs[0]
    found = haa.evaluate(run, output_dir=tmp_path / "e", progress=False)
    assert found.metrics == pytest.approx(run.metrics)
    assert found.curves == {}
    assert "<img" in found._repr_html_()
    with pytest.raises(InputError, match="has no checkpoint"):
        _ = found.checkpoint
    with pytest.raises(InputError, match="takes no list"):
        haa.evaluate(run, seed=[0, 1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"aling_weight": 1}, "there is no key aling_weight in train: did you mean align_weight? There are: "),
        ({"condition": "humn"}, "condition=humn: did you mean human? There are: center, "),
        ({"optimizer__lrr": 1}, "optimizer.lrr is not an argument of torch.optim.AdamW: did you mean lr?"),
        ({"trainer": "ddp"}, "trainer.devices=auto needs several processes: begin them with haa train in a terminal"),
        ({"resume": "nowhere"}, "no nowhere there"),
    ],
)
def test_a_wrong_word_has_the_command_lines_message(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        haa.train(**{"task": "finegrained", **words}, progress=False)
    assert message in str(error.value)
    assert capsys.readouterr().out == ""


def test_a_run_that_fails_is_told_of_and_not_lost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="1 of 2 runs failed, the first by: faithfulness"):
        study = haa.train(**WORDS, faithfulness=[0, -1], test=True, study="s", progress=False)
    assert len(study) == 1
    assert list(study.failed) == ["faithfulness=-1"]
    assert "faithfulness=-1 failed" in repr(study)
    with pytest.raises(InputError, match="1 of 1 runs failed"):
        haa.train(**WORDS, faithfulness=[-2], study="t", progress=False)


def test_a_cell_that_is_stopped_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def stopped(cfg):
        try:
            signal.raise_signal(signal.SIGINT)
        except Stopped as error:
            error.advice = "haa train resume=a goes on"
            raise

    monkeypatch.setattr("haa.run.train.train", stopped)
    with pytest.raises(KeyboardInterrupt, match="haa train resume=a goes on"):
        haa.train(task="finegrained", progress=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not _held


def test_nothing_of_the_program_is_changed(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words, handlers, logger = list(sys.argv), list(logging.root.handlers), logging.getLogger("somebody.elses")
    run = haa.train(**WORDS, output_dir="b")
    assert (sys.argv, logging.root.handlers, logger.disabled) == (words, handlers, False)
    assert "finegrained align_weight=0 condition=human" in capsys.readouterr().out
    assert haa.train(resume="b").metrics == run.metrics  # which is finished


def test_a_text_from_elsewhere_is_a_text(study, tmp_path):
    folder = tmp_path / "<script>alert(1)"
    shutil.copytree(study.runs[0].folder, folder)
    assert "<script>" not in haa.Run(folder)._repr_html_()


def test_importing_haa_loads_nothing_heavy():
    heavy = ("torch", "hydra", "numpy", "matplotlib", "pyarrow")
    code = f"import haa, sys; dir(haa); print([name for name in {heavy} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
