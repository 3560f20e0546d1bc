"""A study: runs that differ in condition, weight and seed, and in nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from haa.errors import InputError, suggest
from haa.report.collect import Run, flat
from haa.run_folder import class_name

LOWER_IS_BETTER = ("loss", "kl", "mae", "emd", "deletion", "sufficiency", "perplexity")
FAITHFULNESS = tuple(f"attention_{name}" for name in ("deletion", "insertion", "comprehensiveness", "sufficiency"))
"""Metrics of attention that ask the model, and no gaze."""
_ORDER = ("baseline", "treatment", "control", "other")


@dataclass(frozen=True)
class Arm:
    """The runs of one condition at one weight, by seed."""

    kind: str
    condition: str
    weight: float
    loss: str
    """How the alignment was made, as `haa.report.collect.Run.loss` says it."""
    label: str
    runs: dict[int, Run]

    @property
    def oracle(self) -> bool:
        """Whether human gaze was its attention, at test time too: an upper bound, and no model."""
        return any(run.oracle for run in self.runs.values())

    @property
    def predicted(self) -> bool:
        """Whether its gaze, or that which its control exchanged, came from a model."""
        return "predicted" in self.condition.split()

    def values(self, metric: str) -> dict[int, float]:
        """The metric by seed, where it is defined."""
        known = {seed: run.summary["metrics"].get(metric) for seed, run in sorted(self.runs.items())}
        return {seed: value for seed, value in known.items() if value is not None}

    def matches(self, other: Arm) -> bool:
        """Whether the other arm was aligned in the same way, with another condition's gaze."""
        return (self.weight, self.loss) == (other.weight, other.loss)


@dataclass(frozen=True)
class Study:
    """Arms that can be compared, since all else is equal."""

    title: str
    settings: dict[str, str]
    arms: list[Arm]
    metric: str
    """The task's metric, which the verdict is about."""
    repeated: int
    """Runs left out because another one has the same condition, weight and seed."""

    @property
    def baseline(self) -> Arm | None:
        return next((arm for arm in self.arms if arm.kind == "baseline"), None)

    def of(self, *kinds: str) -> list[Arm]:
        return [arm for arm in self.arms if arm.kind in kinds]

    def controls(self, arm: Arm) -> list[Arm]:
        """The controls of an arm: the same weight and loss, with gaze that does not belong to the image.

        Where there are some of the same source (predicted gaze, or recorded), they are meant and not the others.
        """
        matching = [other for other in self.of("control") if other.matches(arm)]
        return [other for other in matching if other.predicted == arm.predicted] or matching

    @cached_property
    def runs(self) -> list[Run]:
        return [run for arm in self.arms for run in arm.runs.values()]

    @cached_property
    def metrics(self) -> list[str]:
        """All metrics of any run: the task's first, then its others, attention's, and the loss last.

        Those that no run has a value of are left out: the caveats tell of them.
        """
        values = [item for run in self.runs for item in run.summary["metrics"].items()]
        names = list(dict.fromkeys(name for name, value in values if value is not None or name == self.metric))
        return sorted(names, key=lambda n: (n != self.metric, n == "loss", n.startswith("attention_"), names.index(n)))

    @cached_property
    def attention(self) -> str | None:
        """The metric that says how human the attention is: NSS where it was scored; None where no gaze was recorded."""
        names = [name for name in self.metrics if name.startswith("attention_") and name not in FAITHFULNESS]
        return "attention_nss" if "attention_nss" in names else next(iter(names), None)

    @property
    def simulated(self) -> bool:
        return any(run.summary.get("simulated_gaze") for run in self.runs)


def sign(metric: str) -> int:
    """1 where more is better, -1 where less is."""
    return -1 if metric.split("/")[-1].removeprefix("attention_") in LOWER_IS_BETTER else 1


def studies(runs: Sequence[Run], metric: str | None = None) -> list[Study]:
    """Runs by what has to be equal for a comparison: task, data, model and all settings but condition, weight and seed.

    Args:
        runs: finished ones.
        metric: what the verdict is about; None is what the task's runs were selected by (``task.monitor``).

    Raises:
        InputError: if no run has the metric.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(sorted(run.settings.items())), []).append(run)
    differing = _differing([dict(key) for key in groups])
    return [_study(dict(key), members, differing, metric) for key, members in groups.items()]


def per_sample(arm: Arm, metric: str, seeds: Sequence[int], other: Arm | None = None) -> NDArray[np.float64] | None:
    """The metric's value of every test sample (less the other arm's), averaged over seeds; NaN is undefined.

    Returns:
        None where a run has no values per sample, or where the metric is not their mean (a corpus score, a maximum
        over thresholds): resampling would then be about something else.
    """
    columns = []
    for seed in seeds:
        own = _column(arm.runs[seed], metric)
        minus = None if other is None else _column(other.runs[seed], metric)
        if own is None or (other is not None and minus is None):
            return None
        columns.append(own if minus is None else _less(own, minus))
    if not columns:
        return None
    ids = columns[0][0]
    for names, _ in columns[1:]:
        if not np.array_equal(names, ids):
            ids = np.intersect1d(ids, names)
    rows = [values if np.array_equal(names, ids) else _pick(names, values, ids) for names, values in columns]
    defined = np.isfinite(rows).all(0)
    return np.where(defined, np.where(defined, rows, 0.0).mean(0), np.nan)


Column = tuple[NDArray[np.str_], NDArray[np.float64]]


def _column(run: Run, metric: str) -> Column | None:
    values, stated = run.samples.get(metric), run.summary["metrics"].get(metric)
    if values is None or stated is None or not np.isfinite(values).any():
        return None
    if abs(float(np.nanmean(values)) - stated) > 1e-4 * max(1.0, abs(stated)):
        return None
    return run.samples["id"], values


def _less(one: Column, other: Column) -> Column:
    if np.array_equal(one[0], other[0]):
        return one[0], one[1] - other[1]
    ids = np.intersect1d(one[0], other[0])
    return ids, _pick(*one, ids) - _pick(*other, ids)


def _pick(names: NDArray[np.str_], values: NDArray[np.float64], ids: NDArray[np.str_]) -> NDArray[np.float64]:
    order = np.argsort(names)
    return values[order[np.searchsorted(names, ids, sorter=order)]]


def _study(settings: dict[str, str], runs: list[Run], differing: list[str], metric: str | None) -> Study:
    arms: dict[tuple[float, str, str], dict[int, Run]] = {}
    repeated = 0
    for run in runs:
        # without alignment the condition changes nothing: a baseline swept over conditions is one run per seed
        # and so for an oracle, which has nothing left to align
        unaligned = run.weight == 0 or run.oracle
        seeds = arms.setdefault((0.0, run.condition, "") if unaligned else (run.weight, run.condition, run.loss), {})
        repeated += run.seed in seeds and not unaligned
        seeds[run.seed] = run
    losses = sorted({loss for _, _, loss in arms if loss})
    made = [
        Arm(
            next(iter(by_seed.values())).kind, condition, weight, loss, _label(condition, weight, loss, losses), by_seed
        )
        for (weight, condition, loss), by_seed in arms.items()
    ]
    made.sort(key=lambda arm: (_ORDER.index(arm.kind), arm.condition, arm.weight, arm.loss))
    known = sorted({name for run in runs for name in run.summary["metrics"]})
    task = runs[0].config["task"]
    chosen = metric or task["monitor"].removeprefix("val/")
    if chosen not in known:
        raise InputError(f"--metric {chosen} is in no run's metrics.json: {suggest(chosen, known)}")
    return Study(_title(runs[0], settings, differing), settings, made, chosen, repeated)


def _label(condition: str, weight: float, loss: str, losses: list[str]) -> str:
    if weight == 0:
        return condition
    label = f"{condition}, weight {weight:g}"
    return label if len(losses) < 2 else f"{label}, {_short(loss, losses)}"


def _short(loss: str, losses: list[str]) -> str:
    """What sets one way to align apart from the others."""
    words = {text: dict(part.split("=", 1) for part in text.split(", ") if "=" in part) for text in losses}
    mine = words[loss]
    keys = [key for key in mine if len({other.get(key) for other in words.values()}) > 1]
    return ", ".join(mine[key].rsplit(".", 1)[-1] if "_target_" in key else f"{key}={mine[key]}" for key in keys)


def _differing(settings: list[dict[str, str]]) -> list[str]:
    keys = sorted({key for setting in settings for key in setting})
    return [key for key in keys if len({setting.get(key) for setting in settings}) > 1]


def _title(run: Run, settings: dict[str, str], differing: list[str]) -> str:
    data = flat(run.config["data"])
    words = f"{run.config['task']['name']} on {class_name(data).lower()}"
    if "world" in data:
        words += f", world={data['world']}"
    told = ("task.", "data._target_", "data.world", "data.task", "model.backbone.")
    rest = [key for key in differing if key in settings and not key.startswith(told)]
    values = {key: settings[key].rsplit(".", 1)[-1] if "_target_" in key else settings[key] for key in rest}
    return ", ".join([words, *(f"{key.removesuffix('._target_')}={value}" for key, value in values.items())])
