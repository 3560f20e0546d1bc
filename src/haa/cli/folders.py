"""The folder of one run: chosen, held and refused before anything in it is touched."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from haa.cli.overrides import stop
from haa.errors import InputError
from haa.run.stopping import rank

if TYPE_CHECKING:  # it loads numpy, which --help does without
    from filelock import FileLock

    from haa.run_folder import RunFolder

ENDING = 6.0
"""Seconds for which what is left of a run that was killed, the workers of its loader say, may still hold its folder."""

_held: list[FileLock] = []


class OwnFolder(Callback):
    """Give a run a folder of its own before Hydra writes into it, and hold it while the run lasts.

    The default folder is named by the second; where it is taken, ``_2`` follows. One that the user names is refused if
    it holds a run. The other processes of a distributed run write to the folder of the first.

    Args:
        results: Whether results are written into it, which nothing may be mixed with.
    """

    def __init__(self, results: bool = True) -> None:
        self.results = results

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        with read_write(config):
            if rank() > 0:
                config.hydra.output_subdir = None
                if self.results and _named(config)[1]:
                    _go_on(config, _named(config)[0])  # as the first process does
                return
            try:
                path, given = _named(config)
                run = _given(path) if given else _new(path)
                if self.results and given:
                    self._prepare(run, config)
            except InputError as error:
                stop(error)
            config.hydra.run.dir = str(run.path)

    def _prepare(self, run: RunFolder, config: DictConfig) -> None:
        """Refuse a folder that holds a run; make one ready that holds what was left of an attempt."""
        _go_on(config, run.path)
        resumed = config.get("resume") is not None
        if run.finished:
            raise InputError(f"{run.path} holds a finished run: give another folder, or take it away")
        if run.begun and not resumed:
            cure = f"haa train resume={run.path} goes on with it; or give another folder"
            raise InputError(f"{run.path} holds a half-done run: {cure}")
        run.tidy()
        if not resumed:
            run.clear()


def _go_on(config: DictConfig, path: Path) -> None:
    """Take up the run in a folder where a queue gives its command once more."""
    from haa.run_folder import RunFolder

    run = RunFolder(path)
    if "resume" in config and _requeued() and not run.finished and run.resumable is not None:
        config.resume = str(run.resumable.absolute())


def release() -> None:
    """Give up the folders that this process holds."""
    while _held:
        _held.pop().release()


def _named(config: DictConfig) -> tuple[Path, bool]:
    """Return the folder of a run, and whether the user named it: by ``output_dir``, ``output`` or ``hydra.run.dir``."""
    for key in ("output_dir", "output"):
        if any(word.lstrip("+").startswith(f"{key}=") for word in config.hydra.overrides.task):
            return Path(config[key]), True
    text = OmegaConf.to_container(config.hydra.run, resolve=False)["dir"]  # type: ignore[index,call-overload]
    return Path(config.hydra.run.dir), "${now:" not in str(text)


def _given(path: Path) -> RunFolder:
    from haa.run_folder import RunFolder

    run = RunFolder(path)
    if (lock := run.lock_now(ENDING)) is None:
        raise InputError(f"{path} is being written by another process: wait, or give another folder")
    _held.append(lock)
    return run


def _new(path: Path) -> RunFolder:
    """Return a folder that holds nothing, for this process alone."""
    from haa.run_folder import RunFolder

    for number in count(1):
        run = RunFolder(path if number == 1 else path.with_name(f"{path.name}_{number}"))
        if (lock := run.lock_now()) is None:
            continue
        if all(file == run.lock for file in run.path.iterdir()):
            _held.append(lock)
            return run
        lock.release()
    raise AssertionError


def _requeued() -> bool:
    """Return whether a queue gives the same command a second time, after it had stopped it."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
