"""Studies: runs that differ in condition, weight and seed, and in nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from haa.errors import InputError, suggest
from haa.printing.plain import plain
from haa.reporting import names
from haa.reporting.collect import Run, Unfinished
from haa.reporting.settings import as_in, could_be
from haa.reporting.title import subject, title
from haa.reporting.whole import ROLES

FAITHFULNESS = tuple(f"attention_{name}" for name in ("deletion", "insertion", "comprehensiveness", "sufficiency"))
"""Metrics of attention that ask the model, and no gaze."""
_Key = tuple[float, str, str, str]
_Settings = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Arm:
    """Runs of one condition at one weight, by seed."""

    role: str
    """Part that it plays: baseline, treatment, control, oracle or less gaze."""
    condition: str
    weight: float
    loss: str
    """How the alignment was made, as `haa.reporting.collect.Run.loss` says it."""
    predictor: str
    """What predicted its gaze; empty for recorded gaze."""
    label: str
    """Its condition's name, its weight and what else tells it apart, in the words of the command line."""
    runs: dict[int, Run]
    lost: dict[int, str] = field(default_factory=dict)
    """Runs that failed, diverged or did not finish: what happened, by seed."""
    name: str = ""
    """The same as people read it; the weight is left out where the study has one alone. Without one it is the label."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.label)

    @property
    def oracle(self) -> bool:
        """Whether human gaze was its attention, at test time too: an upper bound, and no model."""
        return self.role == "oracle"

    @property
    def predicted(self) -> bool:
        """Whether its gaze, or that which its control exchanged, came from a model."""
        return any(run.predicted for run in self.runs.values())

    @property
    def matched(self) -> bool:
        """Whether its gaze is that of another stimulus, and differs from the treatment's in nothing else."""
        return bool(self.runs) and all(run.matched for run in self.runs.values())

    def values(self, metric: str) -> dict[int, float]:
        """Return the metric by seed, where it is defined."""
        known = {seed: run.summary["metrics"].get(metric) for seed, run in sorted(self.runs.items())}
        return {seed: value for seed, value in known.items() if value is not None}

    def missing(self, metric: str) -> dict[int, str]:
        """Return the seeds whose run was lost, or came to an end without a value of the metric, and why."""
        undefined = {seed: f"{metric} is undefined" for seed in self.runs if seed not in self.values(metric)}
        return {**self.lost, **undefined}

    @property
    def validation(self) -> float | None:
        """Mean over seeds of the best value on the validation split; None where a run has none."""
        values = [run.validation for run in self.runs.values()]
        known = [value for value in values if value is not None]
        return fmean(known) if known and len(known) == len(values) else None

    @property
    def align_loss_at_start(self) -> float | None:
        """Mean over seeds of the alignment loss before training: how hard its gaze pulls. None where unknown."""
        values = [run.summary.get("align_loss_at_start") for run in self.runs.values()]
        known = [value for value in values if value is not None]
        return fmean(known) if known else None

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
    repeated: list[tuple[Run, Run]]
    """Runs left out because a later one has the same condition, weight and seed, each with that one."""
    difference: float | None = None
    """Smallest difference worth having, in units of the metric; None where the runs name none, or several."""
    astray: list[str] = field(default_factory=list)
    """Damaged runs of which nothing says whether they are of this study, and of which arm."""

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
        """Return the controls of an arm: the same weight, loss and source of gaze, with gaze that is not the image's.

        Exchanged gaze of a predictor is no control of recorded gaze, nor of another predictor's.
        """
        return [other for other in self.of("control") if other.matches(arm) and other.predictor == arm.predictor]

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
    def references(self) -> dict[str, dict[str, float]]:
        """Rows of attention's scores that need no model, by name; empty where no run has them."""
        return next((run.summary["references"] for run in self.runs if "references" in run.summary), {})

    @property
    def simulated(self) -> bool:
        """Whether gaze comes from a simulated observer."""
        return any(run.summary.get("simulated_gaze") for run in self.runs)

    @cached_property
    def ids(self) -> NDArray[np.str_] | None:
        """Names of the test samples ``(n,)``, sorted; None where no run kept values per sample."""
        return next((np.sort(run.samples["id"]) for run in self.runs if "id" in run.samples), None)

    @cached_property
    def stimuli(self) -> NDArray[np.intp] | None:
        """For each of the `ids` the place of its picture or video; None where no run says it."""
        for run in self.runs:
            if "stimulus" in run.samples:
                names = run.samples["stimulus"][np.argsort(run.samples["id"])]
                return np.unique(names, return_inverse=True)[1]
        return None

    def column(self, run: Run, metric: str) -> NDArray[np.float64] | None:
        """Return the metric's value ``(n,)`` of every test sample, in the order of `ids`; NaN is undefined.

        Returns:
            None where the run has no values per sample, or where the metric is not their mean (a corpus score, a
            maximum over thresholds).
        """
        values, stated = run.samples.get(metric), run.summary["metrics"].get(metric)
        if values is None or stated is None or self.ids is None or not np.isfinite(values).any():
            return None
        if abs(float(np.nanmean(values)) - stated) > 1e-4 * max(1.0, abs(stated)):
            return None
        own = run.samples["id"]
        if np.array_equal(own, self.ids):
            return values
        order = np.argsort(own)
        return values[order] if np.array_equal(own[order], self.ids) else None


def studies(runs: Sequence[Run], metric: str | None = None, unfinished: Sequence[Unfinished] = ()) -> list[Study]:
    """Group runs by what has to be equal for a comparison: see `haa.reporting.settings`.

    Args:
        runs: Finished runs.
        metric: Metric that the verdict is about; None is the one by which checkpoints were selected (``task.monitor``).
        unfinished: Runs that failed, were cut off or are damaged. Each is told of in the arm that it would have been
            part of; a damaged one that fits into no study may be of any arm of each.

    Raises:
        InputError: If no run has the metric, or nothing says which way it is better.
    """
    groups: dict[_Settings, list[Run]] = {}
    known = {tuple(sorted(run.settings.items())): run.settings for run in runs}
    for run in runs:
        groups.setdefault(_settings_of(run, known), []).append(run)
    # what sets a study apart from the others of its task and data, which its title names anyhow
    alike: dict[str, list[dict[str, str]]] = {}
    for key, members in groups.items():
        alike.setdefault(subject(members[0]), []).append(dict(key))
    astray = [
        str(broken.folder)
        for broken in unfinished
        if broken.damaged and not any(_could_be(broken, dict(key)) for key in groups)
    ]
    return [
        _study(dict(key), members, alike[subject(members[0])], metric, unfinished, astray)
        for key, members in groups.items()
    ]


def _settings_of(run: Run, known: Mapping[_Settings, Mapping[str, str]]) -> _Settings:
    """Return the settings that a run is grouped by: another run's where a fixed seed of both is its own by chance."""
    for key, other in known.items():
        if len(other) > len(run.settings) and as_in(other, run.settings, run.seeded) == other:
            return key
    return tuple(sorted(run.settings.items()))


def _could_be(broken: Unfinished, settings: dict[str, str]) -> bool:
    return broken.run is not None and could_be(as_in(settings, broken.run.settings, broken.run.seeded), settings)


def _study(
    settings: dict[str, str],
    runs: list[Run],
    alike: list[dict[str, str]],
    metric: str | None,
    unfinished: Sequence[Unfinished],
    astray: list[str],
) -> Study:
    arms: dict[_Key, dict[int, Run]] = {}
    repeated = []
    for run in runs:
        seeds = arms.setdefault(_arm_of(run), {})
        if run.seed in seeds:
            repeated.append((seeds[run.seed], run))
        seeds[run.seed] = run
    lost: dict[_Key, dict[int, str]] = {}
    for broken in unfinished:
        if broken.run is not None and _could_be(broken, settings):
            key = _arm_of(broken.run)
            if broken.run.seed not in arms.get(key, {}):
                lost.setdefault(key, {})[broken.run.seed] = (
                    "damaged" if broken.damaged else broken.error or "cut off, or still running"
                )
                arms.setdefault(key, {})
    named = [*runs, *(broken.run for broken in unfinished if broken.run is not None)]
    roles = {_arm_of(run): run.role for run in reversed(named)}
    losses = sorted({loss for _, _, loss, _ in arms if loss})
    predictors = sorted({predictor for *_, predictor in arms if predictor})
    weights = {weight for weight, *_ in arms if weight}
    made = []
    for key, by_seed in arms.items():
        label, name = _label(key, losses, predictors), _name(key, losses, predictors, len(weights) > 1)
        made.append(Arm(roles[key], key[1], key[0], *key[2:], label, by_seed, lost.get(key, {}), name))
    made.sort(key=lambda arm: (ROLES.index(arm.role), arm.condition, arm.weight, arm.loss, arm.predictor))
    known = sorted({name for run in runs for name in run.summary["metrics"]})
    task = runs[0].config["task"]
    chosen = plain(metric or task["monitor"].removeprefix("val/"))
    if chosen not in known:
        raise InputError(f"metric={chosen} is in no run's metrics.json: {suggest(chosen, known)}")
    if not _sign(runs, chosen):
        raise InputError(
            f"metric={chosen}: nothing says whether more of it is better; set higher_is_better of its class, and "
            "evaluate the runs again"
        )
    given = [run.config.get("difference") for run in runs]
    difference = given[0] if all(value == given[0] for value in given) else None
    typical = next((run for run in runs if run.settings == settings), runs[0])
    return Study(title(typical, alike), settings, made, chosen, repeated, difference, astray)


def _arm_of(run: Run) -> _Key:
    # without alignment the condition changes nothing: a baseline swept over conditions is one run per seed
    # and so for an oracle, which has nothing left to align
    if run.role in ("baseline", "oracle"):
        return 0.0, run.condition, "", ""
    return run.weight, run.condition, run.loss, run.predictor


def _sign(runs: Iterable[Run], metric: str) -> int:
    for run in runs:
        better = run.higher_is_better(metric)
        if better is not None:
            return 1 if better else -1
    return 0


def _label(key: _Key, losses: list[str], predictors: list[str]) -> str:
    weight, condition, loss, predictor = key
    if weight == 0:
        return condition
    words = [condition, f"weight {weight:g}"]
    if len(losses) > 1:
        words.append(_short(loss, losses))
    if predictor and len(predictors) > 1:
        words.append(f"predictor {predictors.index(predictor) + 1}")
    return ", ".join(words)


def _name(key: _Key, losses: list[str], predictors: list[str], several_weights: bool) -> str:
    weight, condition, loss, predictor = key
    words = [names.condition(condition)]
    if weight and several_weights:
        words.append(f"weight {weight:g}")
    if weight and len(losses) > 1:
        words.append(_short(loss, losses, readable=True))
    if predictor and len(predictors) > 1:
        words.append(f"predictor {predictors.index(predictor) + 1}")
    return ", ".join(words)


def _short(loss: str, losses: list[str], readable: bool = False) -> str:
    """Return what sets one way to align apart from the others."""
    words = {text: dict(part.split("=", 1) for part in text.split(", ") if "=" in part) for text in losses}
    mine = words[loss]
    keys = [key for key in mine if len({other.get(key) for other in words.values()}) > 1]
    texts = [mine[key].rsplit(".", 1)[-1] if "_target_" in key else f"{key}={mine[key]}" for key in keys]
    if readable and "loss._target_" in keys:
        own = names.loss({key.removeprefix("loss."): value for key, value in mine.items() if key.startswith("loss.")})
        texts[keys.index("loss._target_")] = own.text
    return ", ".join(texts)
