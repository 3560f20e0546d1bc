"""A study: the runs of a sweep, each in a folder of its own name, so that the same command goes on where it stopped."""

from __future__ import annotations

import contextlib
import csv
import functools
import gc
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from omegaconf import DictConfig

from haa.digests import check_belongs
from haa.disk import write_whole
from haa.errors import InputError
from haa.run_folder import RunFolder, modern, quoted
from haa.study.config import difference, resolved

State = Literal["new", "half", "finished"]

PLAN = "study.json"
"""File in a study's folder that names its runs."""


class RunFailed(Exception):
    """A run of a study failed; ``error.json`` in its folder says how."""


def is_baseline(cfg: DictConfig) -> bool:
    """Return whether the condition changes nothing: without a weight, unless it inserts its map.

    Example:
        >>> from omegaconf import OmegaConf
        >>> is_baseline(OmegaConf.create({"align_weight": 0, "condition": {"_target_": "haa.conditions.Shuffled"}}))
        True
        >>> is_baseline(OmegaConf.create({"align_weight": 0, "condition": {"_target_": "haa.conditions.Oracle"}}))
        False
    """
    if cfg.align_weight:
        return False
    from haa.build import condition_class  # which loads torch

    return not condition_class(cfg).inserts


def state(folder: Path, config: dict[str, Any]) -> State:
    """Return what a run's folder holds of the run that has this config.

    Args:
        folder: The run's folder.
        config: Resolved config, whose ``output_dir`` is the folder.

    Raises:
        InputError: If results or a checkpoint of another config are there.
    """
    run = RunFolder(folder)
    finished = run.finished
    if not finished and run.resumable is None:
        return "new"
    if changed := difference(_config(run), config):
        raise InputError(f"{folder} was made with {changed}: give another study=NAME, or remove that folder")
    if finished:
        check_belongs(folder, json.loads(run.metrics.read_bytes()))
        return "finished"
    return "half"


def job(cfg: DictConfig, work: Callable[[DictConfig], float | None]) -> float | None:
    """Do one run of a study: leave a finished one alone, take up a half-done one, keep the error of one that fails.

    What it prints goes to ``log.txt`` in its folder; the study has a line for it (`haa.study.console`).

    Args:
        cfg: The run's config.
        work: Trains.

    Returns:
        The best value of the monitored metric, for a sweeper that searches.

    Raises:
        RunFailed: With the message of what was raised; ``error.json`` holds the traceback.
    """
    run = RunFolder(Path(cfg.output_dir))
    # a worker that outlived a killed study may still be at it
    with _held(run), _log(run.log), _processes():
        try:
            state_before = state(run.path, resolved(cfg))
            if state_before == "finished":
                return best_value(run.path)
            run.tidy()
            run.error.unlink(missing_ok=True)
            if state_before == "half":
                cfg.resume = str(run.resumable)
                sys.argv.append(f"resume={quoted(cfg.resume)}")  # for the other processes of a distributed run
            else:
                run.clear()
                run.keep_words(_overrides())
            return work(cfg)
        except Exception as error:
            message = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            text = traceback.format_exc()
            print(text, file=sys.stderr)
            content = {"message": message, "traceback": text, "overrides": _overrides()}
            with contextlib.suppress(InputError):  # of a full disk: what failed first is what is told
                write_whole(run.error, json.dumps(content, indent=2) + "\n")
        finally:
            _free()
    # raised out here without its cause, whose frames would keep the model (and its memory) until the study ends
    raise RunFailed(message)


def study_folder() -> Path | None:
    """Return the folder of the study that this process does a run of; None outside a study."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized() or str(HydraConfig.get().mode) != "RunMode.MULTIRUN":
        return None
    return Path(HydraConfig.get().sweep.dir)


def best_value(folder: Path) -> float | None:
    """Return the best value of the monitored metric over a run's epochs; None where nothing was validated."""
    run = RunFolder(folder)
    task = _config(run)["task"]
    with run.curves.open(newline="") as file:
        values = [float(row[task["monitor"]]) for row in csv.DictReader(file) if row.get(task["monitor"])]
    return (max if task["mode"] == "max" else min)(values) if values else None


def _read(path: Path) -> Any:
    """Return what a yaml or json file holds; None where it is not there or was cut off."""
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError):
        return None


def _config(run: RunFolder) -> dict[str, Any]:
    """Return a run's config with today's names; empty where it is not there or was cut off."""
    return modern(_read(run.config)) or {}


def _overrides() -> list[str]:
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


@contextlib.contextmanager
def _held(run: RunFolder) -> Iterator[None]:
    lock = run.lock_now(wait=-1)
    assert lock is not None
    try:
        yield
    finally:
        lock.release()


class _Log(io.TextIOBase):
    """File of what a run prints. A disk that takes no more of it does not end the run."""

    def __init__(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            self.file = path.open("ab", buffering=0)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, AttributeError):
            self.file.write(text.encode(errors="replace"))
        return len(text)

    def fileno(self) -> int:
        return self.file.fileno()

    def close(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self.file.close()
        super().close()


@contextlib.contextmanager
def _log(path: Path) -> Iterator[None]:
    with _Log(path) as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        yield


@contextlib.contextmanager
def _processes() -> Iterator[None]:
    """Forget the other processes that Lightning started for a run: the next run of this process needs its own."""
    names = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    before = {name for name in names if name in os.environ}
    try:
        yield
    finally:
        distributed = getattr(sys.modules.get("torch"), "distributed", None)
        if "LOCAL_RANK" not in before and distributed and distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        for name in set(names) - before:
            os.environ.pop(name, None)


_freeze_once = functools.cache(gc.freeze)
"""What is left after the first run are modules and shared data: never looked at again."""


def _free() -> None:
    """Let the next run of this process have the memory of this one."""
    gc.collect()
    _freeze_once()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
