"""What a run's files have to say before the report believes them: kinds and bounds of every value that it reads."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

ROLES = ("baseline", "treatment", "control", "less gaze", "oracle")
"""Parts that a run plays in a comparison, in the order in which the page has them."""

LARGEST = 3.5e38
"""Values are of single precision: no run has written a larger one."""

_Check = Callable[[Any], bool]


def number(value: Any) -> bool:
    """Return whether a value is a finite number that a run can have written."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _or_none(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _by_name(check: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


_CONFIG: Mapping[str, _Check] = {
    "align_weight": lambda value: number(value) and value >= 0,
    "seed": lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63,
    "task.name": _text,
    "task.monitor": _text,
    "task.mode": lambda value: value in ("max", "min"),
    "data._target_": _text,
}
_CONFIG_MAY: Mapping[str, _Check] = {
    "alignment": lambda value: isinstance(value, dict | None),
    "condition": lambda value: isinstance(value, dict | None),
    "condition._target_": _text,
    "difference": lambda value: value is None or (number(value) and value > 0),
}
_SUMMARY: Mapping[str, _Check] = {"metrics": _by_name(_or_none(number)), "samples": _count, "split": _text}
_SUMMARY_MAY: Mapping[str, _Check] = {
    "role": lambda value: value in ROLES,
    "label": lambda value: isinstance(value, str) and bool(value.strip()),
    "haa": _text,
    "trained_by": _text,
    "checkpoint": _text,
    "gaze": _text,
    "matched": _truth,
    "oracle": _truth,
    "inserts_map": _truth,
    "simulated_gaze": _truth,
    "faithfulness": _count,
    "undefined": _by_name(_count),
    "higher_is_better": _by_name(_or_none(_truth)),
    "references": _by_name(_by_name(number)),
    "validation": _or_none(number),
    "align_loss_at_start": _or_none(number),
    "sigma": _or_none(number),
    "data": _by_name(lambda value: isinstance(value, dict)),
}
_ABSENT = object()


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse a config without what says which arm of which study a run is of.

    Raises:
        ValueError: If a value is not there, or of another kind.
    """
    _check("config.yaml", config, _CONFIG, _CONFIG_MAY)


def check_made(made: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuse what a run says of itself where it is of another kind, or does not go with its config.

    Raises:
        ValueError: If a value is of another kind, or the run's part is not one of its weight.
    """
    _check("made.json", made, {}, _SUMMARY_MAY)
    role = made.get("role")
    aligned = config["align_weight"] > 0
    fits = not aligned if role == "baseline" else aligned or role == "oracle" or made.get("inserts_map")
    if role is not None and not fits:
        raise ValueError(f"its role is {role}, and its align_weight {config['align_weight']:g}")


def check_summary(summary: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuse results that no run can have.

    Raises:
        ValueError: If a value is not there, of another kind, or the task's metric is not among them.
    """
    _check("metrics.json", summary, _SUMMARY, _SUMMARY_MAY)
    check_made(summary, config)
    metric = config["task"]["monitor"].removeprefix("val/")
    if metric not in summary["metrics"]:
        raise ValueError(f"metrics.json has no {metric}, the metric of its task.monitor")
    largest = summary["samples"]
    for key in ("undefined", "faithfulness"):
        counts = summary.get(key, 0)
        for count in counts.values() if isinstance(counts, dict) else (counts,):
            if count > largest:
                raise ValueError(f"metrics.json has {key} of {count} of {largest} samples")


def _check(file: str, tree: Mapping[str, Any], must: Mapping[str, _Check], may: Mapping[str, _Check]) -> None:
    for key, check in {**must, **may}.items():
        value: Any = tree
        for part in key.split("."):
            value = value.get(part, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        if value is _ABSENT and key in must:
            raise ValueError(f"{file} has no {key}")
        if value is not _ABSENT and not check(value):
            raise ValueError(f"{file} has {key}={reprlib.repr(value)}")


def finite(value: float) -> bool:
    """Return whether a value of a table is one that a run can have written; NaN is undefined."""
    return math.isnan(value) or abs(value) <= LARGEST
