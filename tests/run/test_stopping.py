"""What is stopped from outside says so by its status and one line, and goes on from what it kept."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from haa.run.callbacks import EpochSeed
from haa.run.stopping import Stopped, check_stopped, stoppable

TINY = ("task=vqa", "trainer=cpu", "epochs=3", "data.train=8", "data.val=8", "data.test=8", "loader.batch_size=4")
TINY += ("callbacks.pictures=null", "model.dropout=0.2")
PROGRAM = """
import os, signal, sys, time
from haa.run.stopping import stoppable
with stoppable():
    for name in sys.argv[1:]:
        os.kill(os.getpid(), getattr(signal, name))
    time.sleep(0.2)
    print("went on")
"""


def _as_in_a_terminal() -> None:
    # a shell starts what runs in the background with SIGINT ignored, nohup with SIGHUP
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def program(*names: str, code: str = PROGRAM, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code, *names]
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        preexec_fn=_as_in_a_terminal,
    )


@pytest.mark.parametrize(
    ("name", "status"), [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129), ("SIGUSR1", 138), ("SIGUSR2", 140)]
)
def test_a_signal_is_one_line_and_a_status(name, status):
    done = program(name)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", f"haa: stopped by {name}\n")


def test_a_signal_that_is_ignored_or_somebody_elses_is_left_alone():
    done = program("SIGTERM", code="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + PROGRAM)
    assert (done.returncode, done.stdout) == (0, "went on\n")
    handler = "import signal; signal.signal(signal.SIGUSR1, lambda *_: print('theirs'))\n"
    assert program("SIGUSR1", code=handler + PROGRAM).stdout == "theirs\nwent on\n"


def test_an_echo_of_a_signal_changes_nothing():
    code = PROGRAM.replace("    time.sleep", "    pass\n    time.sleep").replace(
        "with stoppable():",
        "import contextlib\n@contextlib.contextmanager\ndef late():\n    try:\n        yield\n    finally:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\nwith stoppable(), late():",
    )
    done = program("SIGTERM", code=code)
    assert (done.returncode, done.stderr) == (143, "haa: stopped by SIGTERM\n")


@pytest.mark.parametrize(
    ("job", "asked"),
    [
        ({"SLURM_JOB_ID": "7"}, "requeue 7"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "requeue 7_2"),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "bash"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "1"}, None),
        ({}, None),
    ],
)
def test_a_job_whose_time_is_up_is_queued_again(tmp_path, job, asked):
    tool = tmp_path / "scontrol"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    tool.chmod(0o755)
    done = program("SIGUSR1", PATH=f"{tmp_path}:{os.environ['PATH']}", **job)
    assert done.returncode == 138
    found = (tmp_path / "asked").read_text().strip() if (tmp_path / "asked").exists() else None
    assert found == asked


def test_a_signal_whose_exception_was_lost_is_raised_again():
    with pytest.raises(SystemExit) as stop, stoppable():  # noqa: PT012
        with contextlib.suppress(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        check_stopped()
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    check_stopped()  # it is over


def stop_in(epoch: int, monkeypatch: pytest.MonkeyPatch, number: int, only: str = "") -> None:
    seed = EpochSeed.on_train_epoch_start

    def start(self, trainer, module):
        if trainer.current_epoch == epoch and only in trainer.default_root_dir:
            os.kill(os.getpid(), number)
        seed(self, trainer, module)

    monkeypatch.setattr(EpochSeed, "on_train_epoch_start", start)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_to_the_same_end(haa, capsys, monkeypatch, number):
    undisturbed = haa("train", *TINY, name="undisturbed")
    with monkeypatch.context() as patch:
        stop_in(2, patch, number)
        with pytest.raises(SystemExit) as stop:
            haa("train", *TINY)
    assert stop.value.code == 128 + number
    said = capsys.readouterr().err.splitlines()[-1]
    advice = f"haa train resume={Path('run').absolute()} goes on after the last epoch that was finished"
    assert said == f"haa: stopped by {signal.Signals(number).name}: {advice}"
    assert not Path("run/metrics.json").exists()
    haa("train", f"resume={Path('run').absolute()}")
    assert Path("run/metrics.json").read_text() == (undisturbed / "metrics.json").read_text()


def test_a_run_that_is_stopped_before_it_kept_anything_says_so(haa, capsys, monkeypatch):
    stop_in(0, monkeypatch, signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        haa("train", *TINY)
    assert stop.value.code == 143
    assert "keeps nothing yet; the same command begins again" in capsys.readouterr().err


@pytest.mark.slow
def test_a_stopped_study_names_the_run_that_was_cut_off(haa, capsys, monkeypatch):
    from haa.study import console

    with monkeypatch.context() as patch:
        stop_in(1, patch, signal.SIGTERM, only="seed=1")
        with pytest.raises(SystemExit) as stop:
            haa("train", "-m", *TINY, "seed=0,1,2")
    assert stop.value.code == 143
    assert [path.parent.name for path in Path("run").glob("*/metrics.json")] == ["seed=0"]
    assert not list(Path("run").glob("*/error.json"))
    console._watch.cut_off()
    assert "the study was cut off in seed=1; the same command" in capsys.readouterr().out
    haa("train", "-m", *TINY, "seed=0,1,2")
    assert len(list(Path("run").glob("*/metrics.json"))) == 3
    assert json.loads(Path("run/seed=1/metrics.json").read_text())["epochs"] == 3
