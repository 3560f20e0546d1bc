"""Runs, read from their folders: those that finished, and those that did not."""

from __future__ import annotations

import csv
import hashlib
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
from haa.report.settings import NOT_RECORDED, SCORES_SIGMA, TEST_SAMPLES, flat, settings
from haa.run_folder import RunFolder, read_config

_FILES = RunFolder(Path())
CONFIG, METRICS, ERROR = _FILES.config.name, _FILES.metrics.name, _FILES.error.name
NAMES = ("id", "stimulus")
"""Columns of a run's samples that are no metrics."""


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
    def predictor(self) -> str:
        """What predicted the gaze of its arm: the digest of a checkpoint, or its path; empty for recorded gaze."""
        if not self.predicted:
            return ""
        given = self.config.get("condition", {}).get("checkpoint")
        return str(self.summary.get("gaze_by_digest") or self.summary.get("gaze_by") or given or "")

    @cached_property
    def matched(self) -> bool:
        """Whether its gaze is real gaze of another stimulus, with the centre bias that all gaze has."""
        if "matched" in self.summary:
            return bool(self.summary["matched"])
        return self.role == "control" and version_0_1.matched(self.config)

    @cached_property
    def validation(self) -> float | None:
        """Best value of the task's metric on the validation split; None where nothing was validated."""
        if "validation" in self.summary:
            value = self.summary["validation"]
            return None if value is None else float(value)
        task = self.config["task"]
        curve = self.history.get(task["monitor"], {})
        return (max if task["mode"] == "max" else min)(curve.values()) if curve else None

    @cached_property
    def settings(self) -> dict[str, str]:
        """All else: what has to be the same in runs that are compared, by dotted key."""
        return settings(self.config, self.summary, {TEST_SAMPLES: self._tested, SCORES_SIGMA: self._sigma})

    @property
    def _tested(self) -> str:
        """What stands for the test samples: the digest that the run recorded, or one of its table's ids."""
        data = self.summary.get("data") or {}
        recorded = (data.get(self.summary.get("split", "test")) or {}).get("ids")
        if recorded:
            return str(recorded)
        ids = self.samples.get("id")
        if ids is None:
            return NOT_RECORDED
        return hashlib.sha256("\n".join(np.sort(ids.astype(str)).tolist()).encode()).hexdigest()[:16]

    @property
    def _sigma(self) -> str:
        """Blur of the human maps that attention was scored against; in 0.1 it was that of the loss."""
        if "sigma" in self.summary:
            return str(self.summary["sigma"])
        alignment = self.config.get("alignment") or {}
        return NOT_RECORDED if "haa" in self.summary else str(alignment.get("sigma", 0.03))

    @cached_property
    def samples(self) -> dict[str, NDArray[Any]]:
        """Columns of samples.parquet: ``id``, ``stimulus``, and a float array for each metric with values per sample.

        Runs of version 0.1 do not say which samples share a stimulus, and have no such column.
        """
        path = RunFolder(self.folder).samples
        if not path.is_file():
            return {}
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        names = {name: np.array(table[name].to_pylist()) for name in table.column_names if name in NAMES}
        return names | {name: table[name].to_numpy().astype(float) for name in table.column_names if name not in NAMES}

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
    run: Run | None = None
    """What it would have been, as far as its folder says: its config and made.json; None where they are not there."""


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
            runs[run.path.resolve()] = Unfinished(run.path, _error(run.error), _begun(run))
    for path in _find(folders, ERROR):
        if not RunFolder(path.parent).metrics.is_file():
            runs[path.parent.resolve()] = Unfinished(path.parent, _error(path), _begun(RunFolder(path.parent)))
    return list(runs.values())


def _begun(folder: RunFolder) -> Run | None:
    if not folder.config.is_file():
        return None
    try:
        made = json.loads(folder.made.read_text()) if folder.made.is_file() else {}
        return Run(folder.path, read_config(folder.config), {"split": "test", "metrics": {}, **made})
    except (InputError, ValueError):
        return None


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
