"""Processes forked from one that has imported everything: the imports take as long as several runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkstemp

ROOT = Path(__file__).parents[1]

FORKED = get_context("forkserver")
FORKED.set_forkserver_preload(["haa.run.train", "haa.run.evaluate", "haa.alignment.callback", "tests.processes"])


def in_processes(work: Callable[..., None], count: int, *rest: object) -> None:
    """Call ``work(rank, *rest)`` in each of several processes at once, and wait until all have ended well."""
    processes = [FORKED.Process(target=work, args=(rank, *rest)) for rank in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * count


class Command:
    """A command of haa at work in a folder, as in a terminal of its own.

    Args:
        words: The command line after ``haa``.
        folder: Folder to work in.
        code: Works in the place of haa, as with ``python -c``: the folder is on its path.
        told: What its environment says besides.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, code: str | None = None, told: Mapping[str, str] | None = None
    ) -> None:
        handle, name = mkstemp(suffix=".out", dir=folder)
        os.close(handle)
        self.printed = Path(name)
        self.process = FORKED.Process(target=_command, args=(list(words), folder, self.printed, code, dict(told or {})))
        self.process.start()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.join()

    def finish(self) -> str:
        """Return what it printed, once it has ended well."""
        self.process.join(300)
        assert self.process.exitcode == 0, self.printed.read_text()
        return self.printed.read_text()


def _command(words: list[str], folder: Path, printed: Path, code: str | None, told: dict[str, str]) -> None:
    from haa.cli.main import main

    os.environ.update(told)
    file = os.open(printed, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(file, number)
    os.chdir(folder)
    if code is not None:
        sys.path.insert(0, str(folder))
        sys.argv = ["-c", *words]
        exec(code, {"__name__": "__main__"})
        return
    sys.argv = [str(ROOT / f"{words[0]}.py"), *words[1:]]  # what the other processes of a run are started with
    main(words)
