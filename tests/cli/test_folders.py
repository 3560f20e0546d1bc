"""The folder of a run is its own, and what another run wrote is not touched."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from omegaconf import OmegaConf

from haa.cli import folders
from haa.cli.folders import OwnFolder
from haa.errors import InputError
from haa.run_folder import RunFolder


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    folders.release()


def begun(run_dir="outputs/${now:%Y}", task=(), hydra=(), **keys) -> OmegaConf:
    return OmegaConf.create(
        {
            "hydra": {
                "run": {"dir": run_dir},
                "overrides": {"task": list(task), "hydra": list(hydra)},
                "output_subdir": "x",
            },
            "resume": None,
            **keys,
        }
    )


def choose(results=True, **keys) -> str:
    import hydra.core.utils

    hydra.core.utils.setup_globals()  # ${now:...}
    cfg = begun(**keys)
    OwnFolder(results).on_run_start(cfg)
    return cfg.hydra.run.dir


def test_runs_of_one_second_have_folders_of_their_own():
    first, second, third = (choose() for _ in range(3))
    assert (second, third) == (f"{first}_2", f"{first}_3")
    assert all(Path(folder, ".lock").is_file() for folder in (first, second, third))
    folders.release()
    Path(first, "metrics.json").touch()
    assert choose() == second  # which nothing was written into


def _name(_: int) -> str:
    return choose()


def test_processes_that_start_at_once_have_folders_of_their_own():
    with ProcessPoolExecutor(8) as pool:
        # a process holds what it has until it ends
        names = list(pool.map(_name, range(24)))
    assert len(set(names)) == 24


@pytest.mark.parametrize("word", ["hydra.run.dir=mine", "output_dir=mine"])
def test_a_named_folder_that_holds_a_run_is_refused_untouched(word):
    keys = {"run_dir": "mine"} if word.startswith("hydra") else {"task": [word], "output_dir": "mine"}
    run = RunFolder(Path("mine"))
    assert choose(**keys) == "mine"
    folders.release()
    run.last.parent.mkdir()
    files = {path: "old" for path in (run.config, run.made, run.curves, run.last, run.overrides)}
    run.overrides.parent.mkdir()
    for path, text in files.items():
        path.write_text(text)
    with pytest.raises(SystemExit, match=r"mine holds a half-done run: haa train resume=mine goes on"):
        choose(**keys)
    folders.release()
    run.metrics.write_text(json.dumps({"metrics": {}}))
    with pytest.raises(SystemExit, match=r"mine holds a finished run: give another folder"):
        choose(**keys)
    assert {path: path.read_text() for path in files} == files


def test_what_an_attempt_without_a_checkpoint_left_goes(place):
    run = RunFolder(place / "mine")
    (run.path / "checkpoints").mkdir(parents=True)
    for path in (run.config, run.made, run.curves, run.path / ".config.yaml.123.456", run.path / "notes.txt"):
        path.write_text("old")
    (run.path / "checkpoints" / ".last.ckpt.77.88").touch()
    choose(run_dir="mine")
    assert sorted(path.name for path in run.path.rglob("*") if path.is_file()) == [".lock", "notes.txt"]


def test_a_folder_that_another_process_writes_is_refused(monkeypatch):
    monkeypatch.setattr(folders, "ENDING", 0.1)
    Path("mine").mkdir()
    with FileLock("mine/.lock"), pytest.raises(SystemExit, match="mine is being written by another process"):
        choose(run_dir="mine")


HOLDS = """
import sys, time
from pathlib import Path
from haa.run_folder import RunFolder

lock = RunFolder(Path("mine")).lock_now()
print("held", flush=True)
sys.stdin.readline()
time.sleep(1)
"""


def test_the_lock_of_a_process_goes_with_it_and_one_that_ends_is_waited_for(place, monkeypatch):
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLDS], stdin=pipe, stdout=pipe, cwd=place)
    assert process.stdout.readline() == b"held\n"
    with monkeypatch.context() as patch:
        patch.setattr(folders, "ENDING", 0)
        with pytest.raises(SystemExit, match="another process"):
            choose(run_dir="mine")
    process.stdin.close()
    assert choose(run_dir="mine") == "mine"
    folders.release()
    process.wait()

    process = subprocess.Popen([sys.executable, "-c", HOLDS], stdin=pipe, stdout=pipe, cwd=place)
    assert process.stdout.readline() == b"held\n"
    process.kill()
    process.wait()
    assert choose(run_dir="mine") == "mine"


def test_pictures_may_be_drawn_into_the_folder_of_a_run():
    Path("mine").mkdir()
    Path("mine/metrics.json").write_text("{}")
    assert choose(results=False, run_dir="mine") == "mine"
    assert Path("mine/metrics.json").read_text() == "{}"


def test_the_other_processes_of_a_run_write_to_the_folder_of_the_first(monkeypatch, place):
    monkeypatch.setenv("LOCAL_RANK", "1")
    cfg = begun("mine")
    OwnFolder().on_run_start(cfg)
    assert (cfg.hydra.run.dir, cfg.hydra.output_subdir) == ("mine", None)
    assert not (place / "mine").exists()


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_job_that_its_queue_gives_again_goes_on_in_all_its_processes(monkeypatch, rank):
    run = RunFolder(Path("mine"))
    run.last.parent.mkdir(parents=True)
    run.last.touch()
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    monkeypatch.setenv("SLURM_PROCID", rank)
    cfg = begun("mine")
    OwnFolder().on_run_start(cfg)
    assert cfg.resume == str(run.last.absolute())


def test_a_folder_below_a_file_or_in_a_place_for_reading_is_one_line(place):
    (place / "file").touch()
    for folder in ("file/x", "/proc/x"):
        with pytest.raises(SystemExit, match=f"{folder} cannot be written .*: give another place"):
            choose(run_dir=folder)
    with pytest.raises(SystemExit, match="cannot be written"):
        choose(run_dir="file/${now:%Y}")


@pytest.mark.parametrize("name", [".lock", "checkpoints", "metrics.csv", "checkpoints/last.ckpt"])
def test_nothing_is_written_through_a_link(place, name):
    mine = place / "mine"
    mine.mkdir()
    (mine / "a").write_text("mine")
    link = place / "run" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(mine if name == "checkpoints" else mine / "a")
    with pytest.raises(InputError, match=rf"{name}\S* is a link to {mine}"):
        RunFolder(place / "run").lock_now()
    assert [(path.name, path.read_text()) for path in mine.iterdir()] == [("a", "mine")]
