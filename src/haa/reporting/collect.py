"""Runs, read from their folders: those that finished, and those that did not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from haa.digests import check_belongs
from haa.disk.bounded import read_mapping, read_object
from haa.errors import InputError, reading
from haa.printing.plain import plain
from haa.reporting import version_0_1
from haa.reporting.columns import read_curves, read_samples
from haa.reporting.settings import NOT_RECORDED, SCORES_SIGMA, TEST_SAMPLES, flat, seeded, settings
from haa.reporting.whole import check_config, check_made, check_summary
from haa.run_folder import AGAIN, RunFolder, modern, read_config

_FILES = RunFolder(Path())
CONFIG, METRICS, ERROR = _FILES.config.name, _FILES.metrics.name, _FILES.error.name


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
        label = plain(label)
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
        if better is None and plain(task["monitor"]) == f"val/{metric}":
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
        told = sorted((key, value) for key, value in flat(rest).items() if not key.endswith("_partial_"))
        return plain(", ".join(f"{key}={value}" for key, value in told))

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

    @cached_property
    def seeded(self) -> dict[str, str]:
        """Settings that hold its own seed, by dotted key, which `settings` leaves out."""
        return seeded(self.config)

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
        return read_samples(path, self.summary["samples"]) if path.exists() else {}

    @cached_property
    def history(self) -> dict[str, dict[int, float]]:
        """Curves of metrics.csv: for each column its value by epoch."""
        path = RunFolder(self.folder).curves
        return read_curves(path) if path.exists() else {}


class Begun(Run):
    """A run as far as it came: of what it may have written of its results, nothing is read."""

    @property
    def samples(self) -> dict[str, NDArray[Any]]:  # type: ignore[override]
        """None."""
        return {}

    @property
    def history(self) -> dict[str, dict[int, float]]:  # type: ignore[override]
        """None."""
        return {}


@dataclass(frozen=True)
class Unfinished:
    """A run without results: its error, or None where it was cut off, is still going on, or was told not to test."""

    folder: Path
    error: str | None
    run: Run | None = None
    """What it would have been, as far as its folder says: its config and made.json; None where they are not there."""
    damaged: bool = False
    """Whether it had results that cannot be read, or that do not belong to its config; the error says which."""


Found = tuple[list[Run], list[Unfinished]]
"""Finished runs, and those that gave no results."""


def collect(folders: Iterable[Path]) -> list[Run]:
    """Return all finished runs in these folders and below, each once; those that are damaged count as `unfinished`.

    Raises:
        InputError: If a folder is not there, or no run in any of them has finished.
    """
    return read(folders)[0]


def unfinished(folders: Iterable[Path]) -> list[Unfinished]:
    """Return the runs in these folders and below that have no results, or damaged ones."""
    return read(folders, none_finished=True)[1]


def read(folders: Iterable[Path], none_finished: bool = False) -> Found:
    """Return the finished runs in these folders and below, each once, and those without results, or with damaged ones.

    Args:
        folders: Run folders, or folders that hold some.
        none_finished: Whether it is right that none has finished.

    Raises:
        InputError: If a folder is not there, or no run in any of them has finished.
    """
    folders = list(folders)
    runs: dict[str, Run] = {}
    lost: dict[str, Unfinished] = {}
    for name in (METRICS, CONFIG, ERROR):
        for path in _find(folders, name):
            folder, place = RunFolder(path.parent), os.path.realpath(path.parent)
            if place in runs or place in lost or folder.path.name == folder.overrides.parent.name:
                continue
            try:
                folder.refuse_links()
            except InputError as error:
                lost[place] = Unfinished(folder.path, str(error), None, damaged=True)
                continue
            if name != METRICS:
                lost[place] = Unfinished(folder.path, _error(folder.error), _begun(folder))
                continue
            try:
                runs[place] = _finished(folder)
            except InputError as error:
                lost[place] = Unfinished(folder.path, str(error), _begun(folder), damaged=True)
    if not runs and not none_finished:
        raise nothing(folders, list(lost.values()))
    return list(runs.values()), list(lost.values())


def nothing(folders: Iterable[Path], lost: Iterable[Unfinished]) -> InputError:
    """Return the error of folders without a finished run."""
    errors = [f"{run.folder} {'is damaged' if run.damaged else 'failed'}: {run.error}" for run in lost if run.error]
    why = f"; {errors[0]}" if errors else ""
    return InputError(f"no finished run in {', '.join(map(str, folders))}: a finished run has a metrics.json{why}")


def _finished(folder: RunFolder) -> Run:
    """Return a run all of whose files that the report reads are whole, and belong together."""
    if not folder.config.is_file():
        raise InputError(f"{folder.path} holds {METRICS} and no {CONFIG}: {AGAIN}")
    summary = read_object(folder.metrics, AGAIN)
    with reading(folder.path, AGAIN):
        stored = read_mapping(folder.config, AGAIN)
        check_belongs(folder.path, summary, stored)
        config = modern(stored)
        check_config(config)
        check_summary(summary, config)
        begun, run = (kind(folder.path, config, _plain(summary)) for kind in (Begun, Run))
        _check_derived(begun)
        _ = run.samples, run.history, run.validation
    return run


def _begun(folder: RunFolder) -> Run | None:
    """Return what a run would have been; None where nothing says it."""
    try:
        with reading(folder.path, AGAIN):
            config = read_config(folder.config)
            check_config(config)
            made = _made(folder)
            check_made(made, config)
            run = Begun(folder.path, config, _plain({"split": "test", **made, "metrics": {}, "samples": 0}))
            _check_derived(run)
            return run
    except InputError:
        return None


def _check_derived(run: Run) -> None:
    """Ask for what is derived of a run, which can fail where a config of version 0.1 is strange."""
    _ = run.condition, run.loss, run.predictor, run.matched, run.settings


def _made(folder: RunFolder) -> dict[str, Any]:
    """Return what made.json says; where it is damaged, metrics.json, which repeats it."""
    if not folder.made.exists():
        return {}
    try:
        return read_object(folder.made, AGAIN)
    except InputError:
        return read_object(folder.metrics, AGAIN)


def _plain(summary: dict[str, Any]) -> dict[str, Any]:
    """Return what a run says of itself with names that can be printed and drawn."""
    named = ("metrics", "higher_is_better", "undefined", "references")
    return {
        key: plain(value)
        if isinstance(value, str)
        else {plain(name): _plain(of) if isinstance(of, dict) else of for name, of in value.items()}
        if key in named
        else value
        for key, value in summary.items()
    }


def _find(folders: Iterable[Path], name: str) -> list[Path]:
    paths = []
    for folder in folders:
        if not os.path.isdir(folder):
            raise InputError(f"{folder} is not a folder: give a run's folder, or a sweep's")
        paths += sorted(folder.glob(f"**/{name}"), key=_natural)
    return paths


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() and len(part) < 20 else (-1, part) for part in path.parts]


def _error(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        content = read_object(path, AGAIN)
    except InputError:
        return f"{path.name} cannot be read"
    text = str(content.get("error") or content.get("message") or content)
    return plain((text.strip().splitlines() or ["unknown error"])[-1][:1000])
