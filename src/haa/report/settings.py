"""What has to be equal in runs that are compared: everything but condition, weight, seed and what is harmless."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from haa.report.collect import Run

HARMLESS: Mapping[str, str] = {
    "output_dir": "where results are written",
    "cache": "where features are kept",
    "resume": "where a run went on",
    "study": "the sweep's name",
    "hydra": "how the sweep was launched",
    "trust": "packages that a config may call",
    "logger": "loggers",
    "difference": "the difference that the verdict looks for",
    "test": "whether a run scored its test split at once",
    "faithfulness": "how many samples faithfulness was measured on",
    "callbacks.progress": "progress bar",
    "callbacks.pictures": "pictures",
    "callbacks.wandb": "what Weights & Biases is told",
    "callbacks.last": "the checkpoint for going on",
    "loader.num_workers": "workers",
    "loader.eval_batch_size": "batch size of evaluation",
    "trainer.logger": "loggers",
    "trainer.default_root_dir": "where results are written",
    "trainer.enable_progress_bar": "progress bar",
    "trainer.enable_model_summary": "printing",
    "trainer.log_every_n_steps": "how often is logged",
    "trainer.profiler": "profiler",
}
"""Settings in which runs of one study may differ, and what they are."""

ARM = ("align_weight", "condition", "alignment")
"""Settings that make an arm of a study, not another study."""

NOT_RECORDED = "not recorded"
"""Value of what a run of version 0.1 does not say of itself."""

_DATA = ("data train.", "data val.", "data test.")
_KNOWN_LATER = (*_DATA, "haa", "trained_by", "split", "samples", "test samples", "sigma of")
_MADE = ("haa", "trained_by", "split", "samples")


def settings(run: Run) -> dict[str, str]:
    """Return all that has to be the same in runs that are compared, by dotted key.

    These are the resolved config, less `ARM`, the seed and what is `HARMLESS`; haa's version; the fingerprints of the
    data that were read, which stand for their path; and the test samples.
    """
    config, summary = run.config, run.summary
    place = str(config.get("output_dir") or "")
    found: dict[str, str] = {}
    for key, value in flat({name: node for name, node in config.items() if name not in ARM}).items():
        if value is None or _harmless(key) or _is_the_seed(key, value, run.seed):
            continue
        text = str(value)
        found[key] = text.replace(place, "") if place else text
    if data := summary.get("data"):
        found = {key: value for key, value in found.items() if key.split(".")[-1] != "root"}
        for key, value in flat(data).items():
            found[f"data {key}"] = str(value)
    found["haa"] = summary.get("haa", NOT_RECORDED)
    found |= {key: str(summary[key]) for key in _MADE if key in summary}
    found["test samples"] = _ids(run)
    found["sigma of the scores"] = _sigma(run)
    if "checkpoint" in summary:
        found["evaluated"] = "from checkpoints"
    return found


def differing(many: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the keys in which some settings differ.

    Example:
        >>> differing([{"lr": "1", "epochs": "2"}, {"lr": "3", "epochs": "2"}, {"epochs": "2"}])
        ['lr']
    """
    listed = list(many)
    keys = sorted({key for one in listed for key in one})
    return [key for key in keys if len({one.get(key) for one in listed}) > 1]


def could_be(begun: Mapping[str, str], study: Mapping[str, str]) -> bool:
    """Return whether a run that did not finish would have been of a study, by the settings that it has already."""
    keys = [key for key in {*begun, *study} if not key.startswith(_KNOWN_LATER) and key.split(".")[-1] != "root"]
    return all(begun.get(key) == study.get(key) for key in keys)


def flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return a nested dict by dotted keys.

    Example:
        >>> flat({"a": {"b": 1, "c": {"d": 2}}, "e": 3})
        {'a.b': 1, 'a.c.d': 2, 'e': 3}
    """
    out: dict[str, Any] = {}
    for key, value in tree.items():
        out |= flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return out


def _harmless(key: str) -> bool:
    key = key.removeprefix("trained.")
    return any(key == name or key.startswith(f"{name}.") for name in HARMLESS)


def _is_the_seed(key: str, value: Any, seed: int) -> bool:
    """Return whether a setting is the run's seed, handed on; the seed of the data is one of the data."""
    return key == "seed" or (key.endswith(".seed") and not key.startswith("data.") and value == seed)


def _ids(run: Run) -> str:
    """Return what stands for the test samples: the digest that the run recorded, or one of its table's ids."""
    split = run.summary.get("split", "test")
    recorded = ((run.summary.get("data") or {}).get(split) or {}).get("ids")
    if recorded:
        return str(recorded)
    ids = run.samples.get("id")
    if ids is None:
        return NOT_RECORDED
    return hashlib.sha256("\n".join(np.sort(ids.astype(str)).tolist()).encode()).hexdigest()[:16]


def _sigma(run: Run) -> str:
    """Return the blur of the human maps that attention was scored against; in 0.1 it was that of the loss."""
    if "sigma" in run.summary:
        return str(run.summary["sigma"])
    alignment = run.config.get("alignment") or {}
    return str(alignment.get("sigma", 0.03)) if "haa" not in run.summary else NOT_RECORDED
