"""A run is taken up as what it was, and what is stored of it belongs together."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from haa.digests import check_belongs, signed
from haa.errors import InputError
from haa.run import checkpoints, results
from haa.run.loggers import csv
from haa.run.resume import check_data
from haa.run_folder import RunFolder

TINY = ("task=vqa", "trainer=cpu", "epochs=2", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=4")
TINY += ("callbacks.pictures=null",)


@pytest.fixture
def cut_off(haa) -> Path:
    """A run of which all is there but its results."""
    folder = haa("train", *TINY, "seed=3")
    (folder / "metrics.json").rename(folder / "was.json")
    return folder


def test_what_changes_the_result_is_refused_and_the_rest_is_not(cut_off, haa):
    words = ["seed=1", "align_weight=0.5", "condition=shuffled", "data.train=9", "epochs=3", "lr=0.5", "model=film"]
    before = {path: path.read_bytes() for path in cut_off.rglob("*") if path.is_file() and path.name != ".lock"}
    for word in words[:-1]:
        with pytest.raises(SystemExit) as stop:
            haa("train", f"resume={cut_off}", word)
        assert re.search(r"it was begun with .*, not .*: leave .* as it was, or train anew", str(stop.value)), word
    assert before == {path: path.read_bytes() for path in before}
    harmless = ("seed=3", "loader.num_workers=0", "callbacks.progress=null", "logger=csv", "cache=other", "trust=[]")
    haa("train", f"resume={cut_off}", *harmless, "difference=0.5")
    assert (json.loads((cut_off / "metrics.json").read_text()))["metrics"] == (
        json.loads((cut_off / "was.json").read_text())["metrics"]
    )


def test_a_run_with_its_own_output_dir_is_resumed_there(haa, tmp_path):
    haa("train", *TINY, "seed=3", "output_dir=mine")
    run = RunFolder(tmp_path / "mine")
    assert not (tmp_path / "run").exists()
    assert "seed=3" in yaml.safe_load(run.overrides.read_text())
    run.metrics.unlink()
    haa("train", "resume=mine")
    assert yaml.safe_load(run.config.read_text())["seed"] == 3
    assert run.finished


def test_words_that_are_not_there_have_to_be_given(cut_off, haa):
    shutil.rmtree(cut_off / ".hydra")
    with pytest.raises(SystemExit, match="it was begun with"):
        haa("train", f"resume={cut_off}")
    haa("train", f"resume={cut_off}", *TINY, "seed=3")
    assert RunFolder(cut_off).finished


def test_a_truncated_checkpoint_is_one_line(cut_off, haa):
    last = RunFolder(cut_off).last
    last.write_bytes(last.read_bytes()[:3000])
    with pytest.raises(SystemExit, match=r"last.ckpt cannot be read .*: copy it again"):
        haa("train", f"resume={cut_off}")


def test_a_run_whose_data_have_changed_is_not_taken_up(tmp_path):
    run = RunFolder(tmp_path)
    digests = {"samples": 3, "ids": "a", "gaze": None, "labels": "b"}
    check_data(run, {"data": {"train": digests}})  # nothing is known of before
    run.made.write_text(json.dumps({"data": {"train": digests}}))
    check_data(run, {"data": {"train": {**digests, "gaze": "c"}, "val": digests}})
    check_data(run, {"data": {"train": {**digests, "labels": None}}})
    with pytest.raises(InputError, match="the labels of its train split are not what they were"):
        check_data(run, {"data": {"train": {**digests, "labels": "c"}}})
    run.made.write_text("{")
    with pytest.raises(InputError, match=r"made.json cannot be read"):
        check_data(run, {"data": {}})


@pytest.fixture
def finished(tmp_path) -> RunFolder:
    run = RunFolder(tmp_path / "a")
    run.path.mkdir()
    run.config.write_text(yaml.safe_dump({"seed": 1, "output_dir": "a", "folder": "a/b", "resume": None, "cache": "c"}))
    for path in (run.made, run.samples, run.maps):
        path.write_text("{}")
    run.metrics.write_text(json.dumps(signed(run.path, {"metrics": {"accuracy": 0.5}, 3: 1})))
    return run


def test_results_belong_to_what_made_them_wherever_they_lie(finished, tmp_path):
    summary = json.loads(finished.metrics.read_text())
    check_belongs(finished.path, summary)
    moved = RunFolder(finished.path.rename(tmp_path / "b"))
    moved.config.write_text(
        yaml.safe_dump({"cache": "d", "seed": 1, "output_dir": "/x/b", "folder": "/x/b/b", "resume": "last.ckpt"})
    )
    check_belongs(moved.path, summary)
    check_belongs(moved.path, {"metrics": {}})  # of before


@pytest.mark.parametrize("name", ["config.yaml", "made.json", "samples.parquet", "maps.npz"])
def test_results_beside_a_changed_file_are_refused(finished, name):
    summary, path = json.loads(finished.metrics.read_text()), finished.path / name
    path.write_text(path.read_text().replace("seed: 1", "seed: 2").replace("{}", "{ }"))
    with pytest.raises(InputError, match=rf"metrics.json was not .* {path}: run again"):
        check_belongs(finished.path, summary)
    path.unlink()
    with pytest.raises(InputError, match=f"{name}"):
        check_belongs(finished.path, summary)


def test_changed_results_are_refused(finished):
    summary = json.loads(finished.metrics.read_text())
    with pytest.raises(InputError, match=r"metrics.json has changed since the run wrote it"):
        check_belongs(finished.path, {**summary, "metrics": {"accuracy": 0.6}})


def test_a_finished_run_is_not_trained_into(cut_off, haa):
    (cut_off / "was.json").rename(cut_off / "metrics.json")
    before = {path: path.read_bytes() for path in cut_off.rglob("*") if path.is_file() and path.name != ".lock"}
    with pytest.raises(SystemExit, match="holds a finished run"):
        haa("train", *TINY, "seed=4")
    with pytest.raises(SystemExit, match="holds a finished run"):
        haa("evaluate", f"checkpoint={cut_off}/checkpoints/best.ckpt")
    assert before == {path: path.read_bytes() for path in before}


def test_a_disk_that_is_full_in_a_run_is_one_line_and_what_was_kept_stays(haa, monkeypatch):
    def full(*rest: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(results, "gather", full)
    with pytest.raises(SystemExit, match=r"run cannot be written \(No space left on device\)"):
        haa("train", *TINY)


def test_a_run_stopped_between_its_first_two_checkpoints_goes_on(haa, monkeypatch):
    write = checkpoints.write_whole

    def full(path, content):
        if path.name == "last.ckpt":
            raise InputError(f"{path} cannot be written (No space left on device): make room")
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "write_whole", full)
        with pytest.raises(SystemExit, match=r"last.ckpt cannot be written"):
            haa("train", *TINY)
    assert [file.name for file in Path("run/checkpoints").iterdir()] == ["best.ckpt"]
    with pytest.raises(SystemExit, match=r"half-done run: haa train resume=.*run goes on with it"):
        haa("train", *TINY)
    disturbed = haa("train", "resume=run")
    undisturbed = haa("train", *TINY, name="undisturbed")
    one, other = (json.loads((folder / "metrics.json").read_text()) for folder in (disturbed, undisturbed))
    assert one["metrics"] == other["metrics"]


@pytest.mark.parametrize("word", ["cache=file/c", "output_dir=file/x", "cache=/proc/c"])
def test_a_place_that_cannot_be_written_is_one_line(haa, tmp_path, word):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=rf"{word.split('=')[1]} cannot be written .*: give another place"):
        haa("train", *TINY, word)


def test_the_curves_of_a_run_survive_a_full_disk_and_a_second_start(tmp_path, monkeypatch):
    logger = csv(str(tmp_path))
    logger.log_metrics({"epoch": 0, "val/loss": 0.5}, 1)
    logger.save()
    before = (tmp_path / "metrics.csv").read_bytes()
    again = csv(str(tmp_path))
    again.log_metrics({"epoch": 1, "val/loss": 0.25, "train/loss": 0.125}, 2)
    assert (tmp_path / "metrics.csv").read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(InputError, match=r"metrics.csv cannot be written"):
            again.save()
    assert (tmp_path / "metrics.csv").read_bytes() == before
    again.save()
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert rows == ["epoch,step,train/loss,val/loss", "0,1,,0.5", "1,2,0.125,0.25"]
