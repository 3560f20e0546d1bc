"""Commands of haa in forked processes that have imported everything: half a second each instead of eight."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.torture.crew import die_with_parent
from benchmarks.torture.watch import Watch

SMALL = [
    *("task=vqa", "epochs=2", "trainer=cpu", "data.train=48", "data.val=16", "data.test=16", "loader.batch_size=16"),
    *(
        "model.hidden=16",
        "model.embedding=8",
        "callbacks.progress=null",
        "callbacks.pictures=null",
        "model.dropout=0.2",
    ),
]
"""A run of a second."""


def warm() -> None:
    """Import what commands need, so that forked processes have it; one thread, since threads do not survive a fork."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["WANDB_MODE"] = "disabled"
    os.environ["COLUMNS"] = "200"
    import torch

    torch.set_num_threads(1)
    import matplotlib

    matplotlib.use("Agg")
    import hydra  # noqa: F401
    import matplotlib.pyplot
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import timm  # noqa: F401

    import haa.cli.main
    import haa.data.care.get
    import haa.pictures.show
    import haa.predict.folder
    import haa.reporting.page
    import haa.run.evaluate
    import haa.run.train  # noqa: F401


@dataclass
class Child:
    """A command at work in a forked process."""

    pid: int
    out: Path
    began: float = field(default_factory=time.monotonic)

    def wait(self, timeout: float = 120.0) -> int:
        """Return its status, as a shell's ``$?`` less the 128: negative for a signal; kill it after ``timeout``."""
        while time.monotonic() - self.began < timeout:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise TimeoutError(f"{self.out}: more than {timeout:.0f} s")

    def said(self) -> str:
        """Return what it printed."""
        return self.out.read_text(errors="replace") if self.out.exists() else ""


def start(
    work: Callable[[], Any],
    out: Path,
    folder: Path,
    env: Mapping[str, str] = {},
    watch: Callable[[], Watch] | None = None,
    memory: int | None = None,
) -> Child:
    """Run a function in a forked process, in a folder, its output going to a file.

    Args:
        work: The function.
        out: File of what it prints.
        folder: Folder to work in; it is made.
        env: Variables of the environment.
        watch: Makes the watch; what it saw goes to ``out`` with the ending ``.seen``, a line each.
        memory: Bytes that it may take beside what it has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Child(pid, out)
    status = 1
    watching: Watch | None = None
    try:
        die_with_parent()
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        file = os.open(out, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(file, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if memory:
            now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + memory,) * 2)
        os.chdir(folder)
        os.environ.update(env)
        if watch:
            watching = watch()
            watching.armed = True
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except KeyboardInterrupt:
        traceback.print_exc()
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        if watching:
            watching.armed = False
            out.with_suffix(".seen").write_text("".join(f"{' '.join(line.split())}\n" for line in watching.seen))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def told(work: Callable[[], Any]) -> None:
    """Run a function as the command line would: an `InputError` is one line and the status 1."""
    from haa.errors import InputError

    try:
        work()
    except InputError as error:
        raise SystemExit(f"haa: {error}") from None


def haa(words: Sequence[str]) -> Callable[[], None]:
    """Return a function that runs ``haa WORDS``, for `start`."""

    def run() -> None:
        from haa.cli.main import main

        sys.argv = ["haa", *words]
        main(list(words))

    return run
