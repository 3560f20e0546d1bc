"""A study: the runs of a sweep, each in a folder of its own name, so that the same command goes on where it stopped."""

from __future__ import annotations

import contextlib
import csv
import gc
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock
from omegaconf import DictConfig, OmegaConf

from haa.disk import write_whole
from haa.errors import InputError
from haa.run_folder import RunFolder, modern

State = Literal["new", "half", "finished"]

PLAN = "study.json"
"""File in a study's folder that names its runs."""

_BESIDE = ("hydra", "resume", "study", "output_dir", "logger", "cache", "trust", "difference")
_LAST = ("condition", "align_weight", "seed")


class RunFailed(Exception):
    """A run of a study failed; ``error.json`` in its folder says how."""


def name(overrides: Sequence[str], swept: Collection[str]) -> str:
    """Return the folder name of a run: what the study varies, and condition, weight and seed where they are given.

    Args:
        overrides: Words ``key=value`` of this run.
        swept: Keys that the study varies.

    Example:
        >>> name(["seed=1", "++model.hidden=64", "epochs=3", "align_weight=0.5"], swept={"seed", "model.hidden"})
        'model.hidden=64,align_weight=0.5,seed=1'
    """
    values = {}
    for word in overrides:
        key, value = word.lstrip("+").split("=", 1)
        if key in _LAST or (key in swept and not key.startswith("hydra")):
            values[key] = value.strip("'\"")
    order = [*(key for key in values if key not in _LAST), *(key for key in _LAST if key in values)]
    return re.sub(r"[^\w.,=+-]", "_", ",".join(f"{key}={values[key]}" for key in order))[:200] or "run"


def is_baseline(cfg: DictConfig) -> bool:
    """Return whether the condition changes nothing: without a weight, unless it inserts its map.

    Example:
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
    finished, half = _read(run.metrics) is not None, run.last.is_file()
    if not finished and not half:
        return "new"
    before, now = _essence(_config(run)), _essence(config)
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise InputError(
                f"{folder} was made with {key}={before.get(key)}, not {now.get(key)}: "
                "give another study=NAME, or remove that folder"
            )
    return "finished" if finished else "half"


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
    run.path.mkdir(parents=True, exist_ok=True)
    # a worker that outlived a killed study may still be at it; the lock is the operating system's and goes with it
    with FileLock(run.lock), _log(run.log), _processes():
        try:
            state_before = state(run.path, resolved(cfg))
            if state_before == "finished":
                return best_value(run.path)
            run.error.unlink(missing_ok=True)
            if state_before == "half":
                cfg.resume = str(run.last)
                sys.argv.append(f"resume='{cfg.resume}'")  # for the other processes of a distributed run
            else:  # what an attempt left that did not come to a checkpoint may be of another config
                for file in (run.curves, run.config, run.made):
                    file.unlink(missing_ok=True)
            return work(cfg)
        except Exception as error:
            message = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            text = traceback.format_exc()
            print(text, file=sys.stderr)
            content = {"message": message, "traceback": text, "overrides": _overrides()}
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


def resolved(cfg: DictConfig, folder: Path | None = None) -> dict[str, Any]:
    """Return a composed config as plain types, as if it wrote to ``folder``."""
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    for key in ("hydra", "logger"):  # which refer to what only a running job knows
        cfg.pop(key, None)
    if folder is not None:
        cfg.output_dir = str(folder)
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def _essence(config: dict[str, Any]) -> dict[str, Any]:
    """Return what decides the results, by path: neither where they are written nor who is told."""
    place = str(config.get("output_dir"))
    kept = {"faithfulness": 0, **{key: value for key, value in config.items() if key not in _BESIDE}}
    flat = {
        path: value.replace(place, "") if isinstance(value, str) else value for path, value in _leaves(kept) if place
    }
    beside = ("loader.num_workers", "callbacks.progress", "callbacks.wandb")
    return {path: value for path, value in flat.items() if not path.startswith(beside)}


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}".lstrip("."))
    else:
        yield path, node


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
def _log(path: Path) -> Iterator[None]:
    with path.open("a", buffering=1) as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
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


def _free() -> None:
    """Let the next run of this process have the memory of this one."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
