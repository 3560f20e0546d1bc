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
import yaml
from numpy.typing import NDArray

from haa.errors import InputError
from haa.run_folder import class_name

CONTROLS = ("shuffled", "random", "center", "inverted")
"""Conditions whose maps do not say where people looked at the image at hand."""
TREATMENTS = ("human", "predicted")
"""Conditions for which the question is whether they help."""

_ARM = ("align_weight", "condition", "alignment", "weight_schedule")
_HOW_IT_WAS_RUN = ("output_dir", "resume", "cache", "trust", "logger", "callbacks", "trainer", "study", "hydra")
_WHAT_WAS_SCORED = ("test", "faithfulness")
_SAME_WHEREVER = ("seed", "root", "num_workers", "eval_batch_size")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Run:
    """One finished run: where it is, the config that it was made with and what came out."""

    folder: Path
    config: dict[str, Any]
    summary: dict[str, Any]

    @property
    def condition(self) -> str:
        """baseline where nothing was aligned, else the condition's name and arguments."""
        if self.oracle:
            return "oracle (upper bound)"
        return "baseline" if self.weight == 0 else _describe(self.config["condition"])

    @property
    def kind(self) -> str:
        """baseline, treatment, control, or other: a variant that the verdict is not about."""
        if self.oracle:
            return "other"
        if self.weight == 0:
            return "baseline"
        name = _name(self.config["condition"])
        return "control" if name in CONTROLS else "treatment" if name in TREATMENTS else "other"

    @property
    def weight(self) -> float:
        return float(self.config["align_weight"])

    @property
    def oracle(self) -> bool:
        """Whether the human map was the attention itself, at test time too, whatever the weight."""
        return self.summary.get("oracle", False)

    @property
    def seed(self) -> int:
        return self.config["seed"]

    @cached_property
    def loss(self) -> str:
        """How it was aligned: everything of the alignment but its weight. Empty for a baseline, which was not."""
        if self.weight == 0:
            return ""
        rest = {key: value for key, value in (self.config.get("alignment") or {}).items() if key != "weight"}
        rest["weight_schedule"] = self.config.get("weight_schedule")
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
        """The columns of samples.parquet: ``id`` and a float array for each metric that has values per sample."""
        path = self.folder / "samples.parquet"
        if not path.is_file():
            return {}
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        columns = {name: table[name].to_numpy().astype(float) for name in table.column_names if name != "id"}
        return {"id": np.array(table["id"].to_pylist()), **columns}

    @cached_property
    def history(self) -> dict[str, dict[int, float]]:
        """The curves of metrics.csv: for each column its value by epoch."""
        path = self.folder / "metrics.csv"
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
    """All finished runs in these folders and below, each once.

    Raises:
        InputError: if a folder is not there, holds something else, or no run in any of them has finished.
    """
    folders = list(folders)
    runs = {}
    for path in _find(folders, "metrics.json"):
        config = path.parent / "config.yaml"
        if not config.is_file():
            raise InputError(f"{path.parent} holds metrics.json and no config.yaml: it is not a run of haa")
        try:
            summary = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"{path} is not valid JSON ({error}): run again, or take the folder away") from None
        runs[path.parent.resolve()] = Run(path.parent, yaml.load(config.read_text(), _LOADER), summary)
    if not runs:
        errors = [f"{run.folder} failed: {run.error}" for run in unfinished(folders) if run.error]
        why = f"; {errors[0]}" if errors else ""
        raise InputError(f"no finished run in {', '.join(map(str, folders))}: a finished run has a metrics.json{why}")
    return list(runs.values())


def unfinished(folders: Iterable[Path]) -> list[Unfinished]:
    """The runs in these folders and below that have a config and no metrics."""
    found = {}
    for path in _find(folders, "config.yaml"):
        folder = path.parent
        if folder.name == ".hydra" or (folder / "metrics.json").is_file():
            continue
        found[folder.resolve()] = Unfinished(folder, _error(folder / "error.json"))
    for path in _find(folders, "error.json"):
        if not (path.parent / "metrics.json").is_file():
            found[path.parent.resolve()] = Unfinished(path.parent, _error(path))
    return list(found.values())


def flat(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    """A nested dict by dotted keys.

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


def _name(condition: dict[str, Any]) -> str:
    # a control of predicted gaze is that control
    return class_name(condition.get("control") or condition).lower()


def _describe(condition: dict[str, Any]) -> str:
    """shuffled; corrupted p=0.5; predicted; shuffled predicted, for a control of predicted gaze."""
    control = condition.get("control")
    words = [_describe(control), "predicted"] if control else [_name(condition)]
    for key, value in condition.items():
        if key not in ("_target_", "seed", "root", "folder", "path", "checkpoint", "cache", "control"):
            words.append(f"{key}={value}")
    return " ".join(words)
