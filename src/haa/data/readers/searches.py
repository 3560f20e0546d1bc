"""Searches for something in a picture, in the lists of trials that COCO-Search18 has and that others have since."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from haa.data.files.json_file import field, read_json
from haa.data.files.matlab import vector
from haa.data.splits import published
from haa.errors import reading

SPLITS = ("train", "valid", "test")


def read_trials(path: Path, publisher: str) -> list[dict[str, Any]]:
    """Return the trials of a list: ``name, task, condition, split, subject`` and ``X, Y, T`` of as many fixations each.

    Args:
        path: A JSON file.
        publisher: Whose the file should be, for the error.

    Raises:
        InputError: If the file is none, or a trial lacks something or has it twice as long as it says.
    """
    trials = read_json(path)
    with reading(path, f"it is not laid out as {publisher}'s, fetch it again"):
        for trial in trials:
            for key in ("name", "task", "condition", "split"):
                field(trial, key, str, path)
            field(trial, "subject", int, path)
            lengths = {len(vector(field(trial, key, list, path))) for key in ("X", "Y", "T")}
            if lengths != {trial.get("length", len(trial["X"]))} or trial["split"] not in SPLITS:
                raise ValueError(f"a trial of {trial['name']} has {sorted(lengths)} fixations, split {trial['split']}")
    return trials


def pool_of_pictures(trials: Iterable[dict[str, Any]]) -> dict[str, str | None]:
    """Return the pool of splits of each picture, by name; one that is held out in any search is so in all.

    Example:
        >>> two = [{"name": "a", "split": "train"}, {"name": "a", "split": "test"}, {"name": "b", "split": "valid"}]
        >>> pool_of_pictures([*two, {"name": "c", "split": "train"}])
        {'c': 'train', 'b': 'val', 'a': 'test'}
    """
    order = sorted(trials, key=lambda trial: SPLITS.index(trial["split"]))
    splits: dict[str, str] = {}
    for trial in order:
        splits.pop(trial["name"], None)
        splits[trial["name"]] = trial["split"].replace("valid", "val")
    pools = published(splits.values())
    return {name: pools[split] for name, split in splits.items()}


def by_search(trials: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the trials of each search: what was looked for, and the picture's name."""
    searches: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for trial in trials:
        searches.setdefault((trial["task"], trial["name"]), []).append(trial)
    return searches


def gaze_of_search(trials: Iterable[dict[str, Any]], left_out: int = 0, time: float = 1.0) -> dict[str, list[Any]]:
    """Return ``x``, ``y``, ``duration`` and ``subject`` of all people who did a search, as a reader's scan yields them.

    Args:
        trials: Their trials.
        left_out: Number of fixations that are left out at the beginning of each trial.
        time: Milliseconds in the unit of ``T``.
    """
    gaze: dict[str, list[Any]] = {key: [] for key in ("x", "y", "duration", "subject")}
    for trial in trials:
        for key, name in (("x", "X"), ("y", "Y")):
            gaze[key] += trial[name][left_out:]
        gaze["duration"] += [duration * time for duration in trial["T"][left_out:]]
        gaze["subject"] += [trial["subject"]] * (len(gaze["x"]) - len(gaze["subject"]))
    return gaze
