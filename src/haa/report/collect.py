"""Runs, read from their folders: those that finished, and those that did not."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from haa.errors import InputError
from haa.report import version_0_1
from haa.run_folder import RunFolder, read_config

_NAMES = RunFolder(Path())
CONFIG, METRICS, ERROR = _NAMES.config.name, _NAMES.metrics.name, _NAMES.error.name

_ARM = ("align_weight", "condition", "alignment")
_HOW_IT_WAS_RUN = ("output_dir", "resume", "cache", "trust", "logger", "callbacks", "trainer", "study", "hydra")
_WHAT_WAS_SCORED = ("test", "faithfulness")
_SAME_WHEREVER = ("seed", "root", "num_workers", "eval_batch_size")


@dataclass(frozen=True)
class Run:
    """One finished run: where it is, the config that it was made with and what came out."""

    folder: Path
    config: dict[str, Any]
    summary: dict[str, Any]

    @cached_property
    def role(self) -> str:
        """Part that it plays in a comparison: baseline, treatment, control, oracle or less gaze."""
        return self.summary["role"] if "role" in self.summary else version_0_1.role(self.config, self.summary)

    @cached_property
    def condition(self) -> str:
        """Name of its arm: baseline where nothing was aligned, else what the condition calls itself."""
        label = self.summary["label"] if "label" in self.summary else version_0_1.label(self.config, self.role)
        return f"{label} (upper bound)" if self.role == "oracle" else label

    @property
    def weight(self) -> float:
        """Weight of the alignment."""
        return float(self.config["align_weight"])

    @property
    def oracle(self) -> bool:
        """Whether the human map was the attention itself, at test time too, whatever the weight."""
        return self.role == "oracle"

    @property
    def predicted(self) -> bool:
        """Whether its gaze, or that which its control exchanged, came from a model."""
        return self.role != "baseline" and self.summary.get("gaze") == "predicted"

    def higher_is_better(self, metric: str) -> bool | None:
        """Return whether more of a metric is better; None where neither is, or nothing says so."""
        if "higher_is_better" not in self.summary:
            return version_0_1.higher_is_better(metric)
        better = self.summary["higher_is_better"].get(metric)
        task = self.config["task"]
        if better is None and task["monitor"] == f"val/{metric}":
            return task["mode"] == "max"
        return better

    @property
    def seed(self) -> int:
        """Seed of weights, data order and draws."""
        return self.config["seed"]

    @cached_property
    def loss(self) -> str:
        """How it was aligned: everything of the alignment but its weight. Empty for a baseline, which was not."""
        if self.weight == 0:
            return ""
        rest = {key: value for key, value in (self.config.get("alignment") or {}).items() if key != "weight"}
        return ", ".join(f"{key}={value}" for key, value in sorted(flat(rest).items()) if not key.endswith("_partial_"))

    @cached_property
    def settings(self) -> dict[str, str]:
        """All else: what has to be the same in runs that are compared, by dotted key."""
        rest = {
            key: value for key, value in self.config.items() if key not in (*_ARM, *_HOW_IT_WAS_RUN, *_WHAT_WAS_SCORED)
        }
        rest["split"] = self.summary["split"]
        if "checkpoint" in self.summary:
            rest["evaluated"] = "from checkpoints"
        else:  # an evaluation has a trainer of its own, which trained nothing
            trainer = self.config.get("trainer") or {}
            rest["trainer"] = {key: trainer[key] for key in ("max_epochs", "precision") if key in trainer}
        return {key: str(value) for key, value in flat(rest).items() if key.split(".")[-1] not in _SAME_WHEREVER}

    @cached_property
    def samples(self) -> dict[str, NDArray[Any]]:
        """Columns of samples.parquet: ``id`` and a float array for each metric that has values per sample."""
        path = RunFolder(self.folder).samples
        if not path.is_file():
            return {}
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        columns = {name: table[name].to_numpy().astype(float) for name in table.column_names if name != "id"}
        return {"id": np.array(table["id"].to_pylist()), **columns}

    @cached_property
    def history(self) -> dict[str, dict[int, float]]:
        """Curves of metrics.csv: for each column its value by epoch."""
        path = RunFolder(self.folder).curves
        if not path.is_file():
            return {}
        curves: dict[str, dict[int, float]] = {}
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if value and name.startswith(("train/", "val/")):
                        curves.setdefault(name, {})[int(row["epoch"])] = float(value)
        return curves


@dataclass(frozen=True)
class Unfinished:
    """A run without metrics: its error, or None where it was cut off, is still going on, or was told not to test."""

    folder: Path
    error: str | None


def collect(folders: Iterable[Path]) -> list[Run]:
    """Return all finished runs in these folders and below, each once.

    Raises:
        InputError: If a folder is not there, holds something else, or no run in any of them has finished.
    """
    folders = list(folders)
    runs = {}
    for path in _find(folders, METRICS):
        run = RunFolder(path.parent)
        if not run.config.is_file():
            raise InputError(f"{run.path} holds {METRICS} and no {run.config.name}: it is not a run of haa")
        try:
            summary = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"{path} is not valid JSON ({error}): run again, or take the folder away") from None
        runs[run.path.resolve()] = Run(run.path, read_config(run.config), summary)
    if not runs:
        errors = [f"{run.folder} failed: {run.error}" for run in unfinished(folders) if run.error]
        why = f"; {errors[0]}" if errors else ""
        raise InputError(f"no finished run in {', '.join(map(str, folders))}: a finished run has a metrics.json{why}")
    return list(runs.values())


def unfinished(folders: Iterable[Path]) -> list[Unfinished]:
    """Return the runs in these folders and below that have a config and no metrics."""
    runs = {}
    for path in _find(folders, CONFIG):
        run = RunFolder(path.parent)
        if run.path.name != run.overrides.parent.name and not run.metrics.is_file():
            runs[run.path.resolve()] = Unfinished(run.path, _error(run.error))
    for path in _find(folders, ERROR):
        if not RunFolder(path.parent).metrics.is_file():
            runs[path.parent.resolve()] = Unfinished(path.parent, _error(path))
    return list(runs.values())


def flat(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return a nested dict by dotted keys.

    Example:
        >>> flat({"a": {"b": 1, "c": {"d": 2}}, "e": 3})
        {'a.b': 1, 'a.c.d': 2, 'e': 3}
    """
    out: dict[str, Any] = {}
    for key, value in tree.items():
        out |= flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return out


def _find(folders: Iterable[Path], name: str) -> list[Path]:
    paths = []
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: give a run's folder, or a sweep's")
        paths += sorted(folder.glob(f"**/{name}"), key=_natural)
    return paths


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in path.parts]


def _error(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
    except ValueError:
        return "error.json cannot be read"
    content = content if isinstance(content, dict) else {"error": content}
    text = str(content.get("error") or content.get("message") or content)
    return (text.strip().splitlines() or ["unknown error"])[-1]
