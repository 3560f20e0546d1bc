"""The commands as functions: `train`, `evaluate` and `report`, with the command line's words as keywords."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from haa.errors import InputError
from haa.interface.here import run_here
from haa.interface.run import Run
from haa.interface.study import Study
from haa.interface.words import command_words, completed
from haa.run_folder import RunFolder

if TYPE_CHECKING:
    from haa.interface.report import Report

Folder: TypeAlias = str | os.PathLike[str]
"""A folder, by its path, or by an object that has one: `Run`, `Study`."""
Group: TypeAlias = str | dict[str, Any] | None
"""An option of a group of the config, or what is set in it."""


@overload
def train(
    *,
    task: str = ...,
    data: Group = ...,
    model: Group = ...,
    backbone: Group = ...,
    attention: Group = ...,
    loss: Group = ...,
    condition: Group = ...,
    align_weight: float = ...,
    epochs: int = ...,
    lr: float = ...,
    seed: int = ...,
    loader: dict[str, Any] = ...,
    trainer: Group = ...,
    output_dir: Folder = ...,
    resume: Folder | None = ...,
    experiment: None = ...,
    progress: bool = ...,
    **words: Any,
) -> Run: ...
@overload
def train(
    *,
    task: str | list[str] = ...,
    data: Group | list[str] = ...,
    model: Group | list[str] = ...,
    backbone: Group | list[str] = ...,
    attention: Group | list[str] = ...,
    loss: Group | list[str] = ...,
    condition: Group | list[str] = ...,
    align_weight: float | Sequence[float] = ...,
    epochs: int | Sequence[int] = ...,
    lr: float | Sequence[float] = ...,
    seed: int | Sequence[int] = ...,
    loader: dict[str, Any] = ...,
    trainer: Group = ...,
    study: str = ...,
    experiment: str | None = ...,
    progress: bool = ...,
    **words: Any,
) -> Study: ...
@completed("train")
def train(*, progress: bool = True, **words: Any) -> Run | Study:
    """Train a model, with or without human attention: ``haa train``.

    The words are the command line's, and the result is the one of the same command, bit for bit. ``data__root=DIR``,
    ``data={"root": DIR}`` and ``**{"data.root": DIR}`` say the same. Lists are swept over and make a study, which goes
    on where it stopped when the same words are given again with the same ``study=NAME``. A tuple is one value that is
    a list.

    Args:
        progress: Whether to print what the command line prints.
        **words: Groups and keys of the config; ``haa train --help`` lists them.

    Returns:
        The run; a `Study` where a word is a list, or an experiment asks for one. Runs of a study that fail are in its
        ``failed``, and a warning says so.

    Raises:
        InputError: If a word, the data or the disk is at fault, by the message of the command line.
        KeyboardInterrupt: If it is stopped; its message says how to go on.

    Example:
        >>> import haa, tempfile
        >>> few = {"train": 32, "val": 16, "test": 16}
        >>> words = {"epochs": 1, "cache": None, "output_dir": tempfile.mkdtemp(), "progress": False}
        >>> run = haa.train(task="finegrained", data=few, align_weight=0.5, **words)
        >>> run.title
        'finegrained on shapes, human, weight 0.5, seed 0'
        >>> run.samples.num_rows
        16
        >>> haa.train(task="finegrained", aling_weight=0.5)
        Traceback (most recent call last):
        haa.errors.InputError: there is no key aling_weight in train: did you mean align_weight? There are: ...
    """
    if (resume := words.get("resume")) is not None and RunFolder(Path(resume).expanduser()).finished:
        return Run(resume)
    texts, sweeps = command_words(words)
    folder, is_study = run_here("train", texts, sweeps, progress)
    if not is_study:
        return Run(folder)
    study = Study(folder)
    if study.failed:
        first = next(iter(study.failed.values()))
        message = f"{len(study.failed)} of {len(study.failed) + len(study.runs)} runs failed, the first by: {first}"
        if not study.runs:
            raise InputError(message)
        warnings.warn(f"{message}; .failed has the others", stacklevel=2)
    return study


@completed("evaluate")
def evaluate(checkpoint: Folder, *, progress: bool = True, **words: Any) -> Run:
    """Score a checkpoint on the test split that it was trained beside, or on other data: ``haa evaluate``.

    Args:
        checkpoint: A checkpoint, or a run, whose best one it is.
        progress: Whether to print what the command line prints.
        **words: Keys and groups of the config, as in `train`: ``split="val"``, ``data__root=DIR``.

    Returns:
        The evaluation: a run without curves.

    Raises:
        InputError: If a word, the checkpoint or the data are at fault, or a word is a list.

    Example:
        >>> import haa
        >>> haa.evaluate("outputs/none.ckpt")
        Traceback (most recent call last):
        haa.errors.InputError: .../outputs/none.ckpt ...
    """
    file = checkpoint.checkpoint if isinstance(checkpoint, Run) else Path(checkpoint).expanduser()
    if file.is_dir() and RunFolder(file).config.is_file():
        file = Run(file).checkpoint
    return Run(_once("evaluate", {"checkpoint": file, **words}, progress))


def report(
    *folders: Folder | Sequence[Folder],
    metric: str | None = None,
    difference: float | None = None,
    output: Folder | None = None,
) -> Report:
    """Compare finished runs, by condition and weight, and write the page: ``haa report``.

    Args:
        *folders: Runs, studies or folders that hold some.
        metric: Metric that the answer is about; None is the one that the task selects checkpoints by.
        difference: Smallest difference worth having, in units of the metric.
        output: Folder that the page goes to; None is report/ in the first of the folders.

    Returns:
        The answer, which shows itself.

    Raises:
        InputError: If there is no finished run, or none has the metric.

    Example:
        >>> import haa
        >>> haa.report("studies/none")
        Traceback (most recent call last):
        haa.errors.InputError: studies/none is not a folder: give a run's folder, or a sweep's
    """
    from haa.interface.report import answered
    from haa.reporting.arms import studies
    from haa.reporting.collect import read
    from haa.reporting.page import write
    from haa.reporting.verdict import family

    single = (str, os.PathLike)
    paths = [Path(one).expanduser() for part in folders for one in ([part] if isinstance(part, single) else part)]
    if not paths:
        raise InputError("no folder is given: give runs, a study, or folders that hold some")
    if difference is not None and difference <= 0:
        raise InputError(f"difference={difference}: give a positive number, in units of the metric")
    found = read(paths, none_finished=True)
    page = write(paths, paths[0] / "report" if output is None else Path(output), metric, difference, found)
    runs, lost = found
    compared = studies(runs, metric, lost)
    if difference is not None:
        compared = [replace(study, difference=difference) for study in compared]
    return answered(page, compared, family(compared))


def _once(command: str, words: dict[str, Any], progress: bool) -> Path:
    """Do a command that does not sweep, and return the folder that it wrote to."""
    texts, sweeps = command_words(words)
    if sweeps:
        raise InputError(f"haa.{command} takes no list to sweep over: call it once for each value")
    return run_here(command, texts, sweeps, progress)[0]
