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

from haa.errors import InputError

State = Literal["new", "half", "finished"]

_BESIDE = ("hydra", "resume", "study", "output_dir", "logger", "cache", "trust")
_LAST = ("condition", "align_weight", "seed")


class RunFailed(Exception):
    """A run of a study failed; ``error.json`` in its folder says how."""


def name(overrides: Sequence[str], swept: Collection[str]) -> str:
    """The folder of a run: what the study varies, and always condition, weight and seed where they are given.

    Args:
        overrides: ``key=value``, of this run.
        swept: the keys that the study varies.

    Example:
        >>> name(["seed=1", "++model.hidden=64", "epochs=3", "align_weight=0.5"], swept={"seed", "model.hidden"})
        'model.hidden=64,align_weight=0.5,seed=1'
    """
    chosen = {}
    for word in overrides:
        key, value = word.lstrip("+").split("=", 1)
        if key in _LAST or (key in swept and not key.startswith("hydra")):
            chosen[key] = value.strip("'\"")
    order = [*(key for key in chosen if key not in _LAST), *(key for key in _LAST if key in chosen)]
    return re.sub(r"[^\w.,=+-]", "_", ",".join(f"{key}={chosen[key]}" for key in order))[:200] or "run"


def is_baseline(cfg: DictConfig) -> bool:
    """Whether the condition changes nothing: without a weight, and but for the oracle, which needs none.

    Example:
        >>> is_baseline(OmegaConf.create({"align_weight": 0, "condition": {"_target_": "haa.conditions.Shuffled"}}))
        True
    """
    return not cfg.align_weight and not cfg.condition["_target_"].endswith(".Oracle")


def state(folder: Path, config: dict[str, Any]) -> State:
    """What a run's folder holds of the run that has this config.

    Args:
        folder: of the run.
        config: resolved, with ``output_dir`` the folder.

    Raises:
        InputError: if results or a checkpoint of another config are there.
    """
    finished, half = _read(folder / "metrics.json") is not None, last_checkpoint(folder) is not None
    if not finished and not half:
        return "new"
    before, now = _essence(_read(folder / "config.yaml") or {}), _essence(config)
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise InputError(
                f"{folder} was made with {key}={before.get(key)}, not {now.get(key)}: "
                "give another study=NAME, or remove that folder"
            )
    return "finished" if finished else "half"


def last_checkpoint(folder: Path) -> Path | None:
    """Where a run that was cut off goes on."""
    path = folder / "checkpoints" / "last.ckpt"
    return path if path.is_file() else None


def job(cfg: DictConfig, work: Callable[[DictConfig], float | None]) -> float | None:
    """One run of a study: left alone if it is finished, taken up if it is half done, written down if it fails.

    What it prints goes to ``log.txt`` in its folder; the study has a line for it (`haa.study.console`).

    Args:
        cfg: the run's.
        work: trains.

    Returns:
        The best value of the monitored metric, for a sweeper that searches.

    Raises:
        RunFailed: with the message of what was raised; ``error.json`` holds the traceback.
    """
    folder = Path(cfg.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    # a worker that outlived a killed study may still be at it; the lock is the operating system's and goes with it
    with FileLock(folder / ".lock"), _log(folder / "log.txt"), _processes():
        try:
            found = state(folder, resolved(cfg))
            if found == "finished":
                return score(folder)
            (folder / "error.json").unlink(missing_ok=True)
            if found == "half":
                cfg.resume = str(last_checkpoint(folder))
                sys.argv.append(f"resume='{cfg.resume}'")  # for the other processes of a distributed run
            else:
                (folder / "metrics.csv").unlink(missing_ok=True)
            return work(cfg)
        except Exception as error:
            message = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            text = traceback.format_exc()
            print(text, file=sys.stderr)
            content = {"message": message, "traceback": text, "overrides": _overrides()}
            write(folder / "error.json", json.dumps(content, indent=2) + "\n")
        finally:
            _free()
    # raised out here without its cause, whose frames would keep the model (and its memory) until the study ends
    raise RunFailed(message)


def study_folder() -> Path | None:
    """The folder of the study that this process runs a run of; None outside a study."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized() or str(HydraConfig.get().mode) != "RunMode.MULTIRUN":
        return None
    return Path(HydraConfig.get().sweep.dir)


def score(folder: Path) -> float | None:
    """The best value of the monitored metric that ``metrics.csv`` holds; None where nothing was validated."""
    task = (_read(folder / "config.yaml") or {})["task"]
    with (folder / "metrics.csv").open(newline="") as file:
        values = [float(row[task["monitor"]]) for row in csv.DictReader(file) if row.get(task["monitor"])]
    return (max if task["mode"] == "max" else min)(values) if values else None


def resolved(cfg: DictConfig, folder: Path | None = None) -> dict[str, Any]:
    """A composed config as plain types, as if it wrote to ``folder``."""
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    for key in ("hydra", "logger"):  # which refer to what only a running job knows
        cfg.pop(key, None)
    if folder is not None:
        cfg.output_dir = str(folder)
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def write(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all, whenever the process is killed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def _essence(config: dict[str, Any]) -> dict[str, Any]:
    """What decides the results, by path: neither where they are written nor who is told."""
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
    """A yaml or json file; None where it is not there or was cut off."""
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError):
        return None


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
