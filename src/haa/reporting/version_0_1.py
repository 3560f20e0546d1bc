"""Runs of haa 0.1, which do not say which part they play: it is read from their config, as 0.1 did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haa.run_folder import class_name

LOWER_IS_BETTER = ("loss", "kl", "mae", "emd", "deletion", "sufficiency", "perplexity")
"""Metrics of 0.1 of which less is better."""

TREATMENTS = ("human", "predicted")
LESS_GAZE = ("corrupted", "subset")

_THEN: Mapping[str, Mapping[str, Any]] = {
    "center": {"points": 500},
    "inverted": {"points": 200},
    "random": {"keep_shape": False},
}
"""Arguments at their defaults of 0.1 that have other defaults today: a label tells them."""
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "inverted": {"sigma": 0.03, "cells": 64},
    "predicted": {"points": 200},
    "random": {"keep_shape": True},
}
_UNTOLD = ("_target_", "seed", "root", "folder", "path", "checkpoint", "cache", "batch_size", "control")


def role(config: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Return the part that a run plays in a comparison.

    A condition that 0.1 did not know counts as a control: nothing is claimed to help that does not beat it.

    Example:
        >>> mine = {"align_weight": 0.5, "condition": {"_target_": "mine.Upside"}}
        >>> role(mine, {}), role({**mine, "align_weight": 0}, {}), role(mine, {"oracle": True})
        ('control', 'baseline', 'oracle')
    """
    if summary.get("oracle"):
        return "oracle"
    if not float(config["align_weight"]):
        return "baseline"
    name = _name(config["condition"].get("control") or config["condition"])
    return "treatment" if name in TREATMENTS else "less gaze" if name in LESS_GAZE else "control"


def label(config: Mapping[str, Any], role: str) -> str:
    """Return the name of a run's arm, the same as the condition would give it today.

    Example:
        >>> label({"condition": {"_target_": "haa.conditions.Corrupted", "seed": 1}}, "less gaze")
        'corrupted p=0.5'
        >>> label({"condition": {"_target_": "Predicted", "control": {"_target_": "Shuffled"}}}, "control")
        'shuffled predicted'
    """
    return "baseline" if role == "baseline" else _describe(config["condition"])


def matched(config: Mapping[str, Any]) -> bool:
    """Return whether a control's gaze was that of another stimulus.

    Example:
        >>> matched({"condition": {"_target_": "haa.conditions.Shuffled"}})
        True
        >>> matched({"condition": {"_target_": "haa.conditions.Inverted"}})
        False
    """
    return _name(config["condition"].get("control") or config["condition"]) == "shuffled"


def higher_is_better(metric: str) -> bool:
    """Return whether more of a metric is better."""
    return metric.removeprefix("attention_") not in LOWER_IS_BETTER


def _describe(condition: Mapping[str, Any]) -> str:
    name, control = _name(condition), condition.get("control")
    if name == "corrupted":
        return f"corrupted p={float(condition.get('p', 0.5)):g}"
    defaults: Mapping[str, Any] = _DEFAULTS.get(name, {})
    words = [] if control is None or _name(control) == "human" else [_describe(control)]
    words.append(name)
    told = {**_THEN.get(name, {}), **condition}
    words += [f"{k}={v}" for k, v in told.items() if k not in _UNTOLD and v is not None and v != defaults.get(k)]
    return " ".join(words)


def _name(condition: Mapping[str, Any]) -> str:
    return class_name(condition).lower()
