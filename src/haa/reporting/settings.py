"""What has to be equal in runs that are compared: everything but condition, weight, seed and what is harmless."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from haa.digests import within
from haa.printing.plain import plain

HARMLESS: Mapping[str, str] = {
    "output_dir": "where results are written",
    "cache": "where features are kept",
    "data.cache": "where the data set's index is kept",
    "resume": "where a run went on",
    "study": "the sweep's name",
    "hydra": "how the sweep was launched",
    "parallel": "how many runs were done at a time",
    "trust": "packages that a config may call",
    "logger": "loggers",
    "difference": "the difference that the verdict looks for",
    "test": "whether a run scored its test split at once",
    "faithfulness": "how many samples faithfulness was measured on",
    "callbacks.progress": "progress bar",
    "callbacks.pictures": "pictures",
    "callbacks.wandb": "what Weights & Biases is told",
    "callbacks.last": "the checkpoint for going on",
    "callbacks.checkpoint.dirpath": "where checkpoints are written",
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

TEST_SAMPLES, SCORES_SIGMA = "test samples", "sigma of the scores"
"""Names of two settings that a run records, or that are read from what it wrote."""

_DATA = ("data train.", "data val.", "data test.")
_MADE = ("haa", "trained_by", "split", "samples", "samples_a_step")
_KNOWN_LATER = (*_DATA, *_MADE, TEST_SAMPLES, SCORES_SIGMA)


def settings(config: Mapping[str, Any], summary: Mapping[str, Any], recorded: Mapping[str, str]) -> dict[str, str]:
    """Return all that has to be the same in runs that are compared, by dotted key.

    These are the resolved config, less `ARM`, the seed and what is `HARMLESS`; haa's version; the fingerprints of the
    data that were read, which stand for their path; and what else a run says of itself.

    Args:
        config: Resolved config of a run.
        summary: What it wrote in metrics.json.
        recorded: Further settings, by name.
    """
    place, seed = str(config.get("output_dir") or ""), config["seed"]
    found: dict[str, str] = {}
    for key, value in flat({name: node for name, node in config.items() if name not in ARM}).items():
        if _harmless(key) or _is_the_seed(key, value, seed):
            continue
        found[key] = plain(str(within(value, place)))
    if data := summary.get("data"):
        found = {key: value for key, value in found.items() if key.split(".")[-1] != "root"}
        found |= {f"data {key}": str(value) for key, value in flat(data).items()}
    found["haa"] = summary.get("haa", NOT_RECORDED)
    found |= {key: str(summary[key]) for key in _MADE if key in summary}
    if "checkpoint" in summary:
        found["evaluated"] = "from checkpoints"
    return found | dict(recorded)


def seeded(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that hold the run's own seed, which `settings` leaves out, by dotted key.

    Example:
        >>> seeded({"seed": 3, "loader": {"per_class": 3, "per_class_seed": 3}})
        {'loader.per_class_seed': '3'}
    """
    values, seed = flat(config), config["seed"]
    return {
        key: str(value)
        for key, value in values.items()
        if key != "seed" and not _harmless(key) and _is_the_seed(key, value, seed)
    }


def as_in(study: Mapping[str, str], own: Mapping[str, str], seeds: Mapping[str, str]) -> dict[str, str]:
    """Return a run's settings as a study has them: with its `seeded` ones where the study's runs all have one value.

    A study of ``loader.per_class_seed=0`` has a run of seed 0, in which the two are equal by chance.

    Args:
        study: Settings of the study.
        own: Settings of the run.
        seeds: Its settings that hold its seed.

    Example:
        >>> as_in({"lr": "1", "a_seed": "0"}, {"lr": "1"}, {"a_seed": "0", "b_seed": "0"})
        {'lr': '1', 'a_seed': '0'}
    """
    return {**own, **{key: value for key, value in seeds.items() if key in study}}


def handed_on(configs: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the keys that hold the run's own seed in every run; where all runs have one seed nothing tells, so none.

    Args:
        configs: Resolved configs of a study's runs.

    Example:
        >>> sorted(handed_on([{"seed": 0, "a_seed": 0, "b_seed": 0}, {"seed": 1, "a_seed": 1, "b_seed": 0}]))
        ['a_seed']
    """
    listed = list(configs)
    if len({config["seed"] for config in listed}) < 2:
        return set()
    return set.intersection(*(set(seeded(config)) for config in listed))


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
    named = key.endswith((".seed", "_seed")) and not key.startswith("data.")
    return key == "seed" or (named and value == seed)
