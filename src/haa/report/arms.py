"""Studies: runs that differ in condition, weight and seed, and in nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from haa.errors import InputError, suggest
from haa.report.collect import Run, flat
from haa.run_folder import class_name

FAITHFULNESS = tuple(f"attention_{name}" for name in ("deletion", "insertion", "comprehensiveness", "sufficiency"))
"""Metrics of attention that ask the model, and no gaze."""
_ORDER = ("baseline", "treatment", "control", "less gaze", "oracle")


@dataclass(frozen=True)
class Arm:
    """Runs of one condition at one weight, by seed."""

    role: str
    """Part that it plays: baseline, treatment, control, oracle or less gaze."""
    condition: str
    weight: float
    loss: str
    """How the alignment was made, as `haa.report.collect.Run.loss` says it."""
    label: str
    runs: dict[int, Run]

    @property
    def oracle(self) -> bool:
        """Whether human gaze was its attention, at test time too: an upper bound, and no model."""
        return self.role == "oracle"

    @property
    def predicted(self) -> bool:
        """Whether its gaze, or that which its control exchanged, came from a model."""
        return any(run.predicted for run in self.runs.values())

    def values(self, metric: str) -> dict[int, float]:
        """Return the metric by seed, where it is defined."""
        known = {seed: run.summary["metrics"].get(metric) for seed, run in sorted(self.runs.items())}
        return {seed: value for seed, value in known.items() if value is not None}

    def sign(self, metric: str) -> int:
        """Return 1 where more of a metric is better, -1 where less is, 0 where nothing says so."""
        return _sign(self.runs.values(), metric)

    def matches(self, other: Arm) -> bool:
        """Return whether the other arm was aligned in the same way, with another condition's gaze."""
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
        """Arm without alignment, if there is one."""
        return next((arm for arm in self.arms if arm.role == "baseline"), None)

    def of(self, *roles: str) -> list[Arm]:
        """Return the arms that play one of these parts."""
        return [arm for arm in self.arms if arm.role in roles]

    def sign(self, metric: str) -> int:
        """Return 1 where more of a metric is better, -1 where less is, 0 where nothing says so."""
        return _sign(self.runs, metric)

    def controls(self, arm: Arm) -> list[Arm]:
        """Return the controls of an arm: the same weight and loss, with gaze that does not belong to the image.

        Where there are some of the same source (predicted gaze, or recorded), they are meant and not the others.
        """
        matching = [other for other in self.of("control") if other.matches(arm)]
        return [other for other in matching if other.predicted == arm.predicted] or matching

    @cached_property
    def runs(self) -> list[Run]:
        """Runs of all arms."""
        return [run for arm in self.arms for run in arm.runs.values()]

    @cached_property
    def metrics(self) -> list[str]:
        """Metrics of any run: the task's first, then its others, attention's, and the loss last.

        Those that no run has a value of are left out: the caveats tell of them.
        """
        values = [item for run in self.runs for item in run.summary["metrics"].items()]
        names = list(dict.fromkeys(name for name, value in values if value is not None or name == self.metric))
        return sorted(names, key=lambda n: (n != self.metric, n == "loss", n.startswith("attention_"), names.index(n)))

    @cached_property
    def attention(self) -> str | None:
        """Metric that says how human the attention is: NSS where it was scored; None where no gaze was recorded."""
        names = [name for name in self.metrics if name.startswith("attention_") and name not in FAITHFULNESS]
        return "attention_nss" if "attention_nss" in names else next(iter(names), None)

    @property
    def simulated(self) -> bool:
        """Whether gaze comes from a simulated observer."""
        return any(run.summary.get("simulated_gaze") for run in self.runs)


def studies(runs: Sequence[Run], metric: str | None = None) -> list[Study]:
    """Group runs by what has to be equal for a comparison: all settings but condition, weight and seed.

    Args:
        runs: Finished runs.
        metric: Metric that the verdict is about; None is the one by which checkpoints were selected (``task.monitor``).

    Raises:
        InputError: If no run has the metric, or nothing says which way it is better.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(sorted(run.settings.items())), []).append(run)
    # what sets a study apart from the others of its task and data, which its title names anyhow
    alike: dict[str, list[dict[str, str]]] = {}
    for key, members in groups.items():
        alike.setdefault(_subject(members[0]), []).append(dict(key))
    return [
        _study(dict(key), members, _differing(alike[_subject(members[0])]), metric) for key, members in groups.items()
    ]


def per_sample(arm: Arm, metric: str, seeds: Sequence[int], other: Arm | None = None) -> NDArray[np.float64] | None:
    """Return the metric's value of every test sample (less the other arm's), averaged over seeds; NaN is undefined.

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
            next(iter(by_seed.values())).role, condition, weight, loss, _label(condition, weight, loss, losses), by_seed
        )
        for (weight, condition, loss), by_seed in arms.items()
    ]
    made.sort(key=lambda arm: (_ORDER.index(arm.role), arm.condition, arm.weight, arm.loss))
    known = sorted({name for run in runs for name in run.summary["metrics"]})
    task = runs[0].config["task"]
    chosen = metric or task["monitor"].removeprefix("val/")
    if chosen not in known:
        raise InputError(f"metric={chosen} is in no run's metrics.json: {suggest(chosen, known)}")
    if not _sign(runs, chosen):
        raise InputError(
            f"metric={chosen}: nothing says whether more of it is better; set higher_is_better of its class, and "
            "evaluate the runs again"
        )
    return Study(_title(runs[0], settings, differing), settings, made, chosen, repeated)


def _sign(runs: Iterable[Run], metric: str) -> int:
    for run in runs:
        better = run.higher_is_better(metric)
        if better is not None:
            return 1 if better else -1
    return 0


def _label(condition: str, weight: float, loss: str, losses: list[str]) -> str:
    if weight == 0:
        return condition
    label = f"{condition}, weight {weight:g}"
    return label if len(losses) < 2 else f"{label}, {_short(loss, losses)}"


def _short(loss: str, losses: list[str]) -> str:
    """Return what sets one way to align apart from the others."""
    words = {text: dict(part.split("=", 1) for part in text.split(", ") if "=" in part) for text in losses}
    mine = words[loss]
    keys = [key for key in mine if len({other.get(key) for other in words.values()}) > 1]
    return ", ".join(mine[key].rsplit(".", 1)[-1] if "_target_" in key else f"{key}={mine[key]}" for key in keys)


def _differing(settings: list[dict[str, str]]) -> list[str]:
    keys = sorted({key for setting in settings for key in setting})
    return [key for key in keys if len({setting.get(key) for setting in settings}) > 1]


def _subject(run: Run) -> str:
    """Return what a run is about: the task and the data."""
    data = flat(run.config["data"])
    world = f", world={data['world']}" if "world" in data else ""
    return f"{run.config['task']['name']} on {class_name(data).lower()}{world}"


def _title(run: Run, settings: dict[str, str], differing: list[str]) -> str:
    told = ("task.", "data._target_", "data.world", "data.task", "model.backbone.")
    rest = [key for key in differing if key in settings and not key.startswith(told)]
    values = {key: settings[key].rsplit(".", 1)[-1] if "_target_" in key else settings[key] for key in rest}
    return ", ".join([_subject(run), *(f"{key.removesuffix('._target_')}={value}" for key, value in values.items())])
