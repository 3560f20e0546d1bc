"""The commands as functions: `train`, `evaluate` and `score`, with the command line's words as keywords."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from haa.errors import InputError
from haa.interface.here import run_here
from haa.interface.run import Run
from haa.interface.study import Study
from haa.interface.words import command_words, completed, value_text
from haa.run_folder import RunFolder

if TYPE_CHECKING:  # it loads torch
    from haa.scoring.scores import Scores

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
    done = run_here("train", texts, sweeps, progress)
    if not done.is_study:
        return Run(done.folder)
    study = Study(done.folder)
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


@completed("score")
def score(maps: Folder | Sequence[Folder] | Mapping[str, Folder], *, progress: bool = True, **words: Any) -> Scores:
    """Score maps, captions or answers that lie in files against a data set: ``haa score``.

    Args:
        maps: A folder of maps, an HDF5 file of them or a JSON file of texts; several, or by the models' names.
        progress: Whether to print what the command line prints.
        **words: Keys and groups of the config: ``data="osie"``, ``data__root=DIR``, ``split="all"``,
            ``metrics=["auc_shuffled", "nss"]``, ``task="sos"``, ``output=DIR`` for the page and the tables.

    Returns:
        The table, which shows itself: a row for each model, the centre prior and the human ceiling.

    Raises:
        InputError: If a word, a file or the data are at fault.

    Example:
        >>> import haa, numpy, pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / "mine").mkdir()
        >>> for k in range(4):
        ...     numpy.save(folder / "mine" / f"shapes-test-{k:05d}.npy", numpy.random.default_rng(k).random((64, 64)))
        >>> few = {"data": "shapes", "data__train": 8, "data__test": 4, "num_workers": 0, "output": folder / "page"}
        >>> scores = haa.score(folder / "mine", metrics=["nss", "cc"], progress=False, **few)
        >>> scores.models[0].name
        'mine'
    """
    texts, sweeps = command_words(words)
    if sweeps:
        raise InputError("haa.score takes no list to sweep over: call it once for each value")
    return run_here("score", [f"maps={value_text('maps', maps)}", *texts], sweeps, progress).result


def _once(command: str, words: dict[str, Any], progress: bool) -> Path:
    """Do a command that does not sweep, and return the folder that it wrote to."""
    texts, sweeps = command_words(words)
    if sweeps:
        raise InputError(f"haa.{command} takes no list to sweep over: call it once for each value")
    return run_here(command, texts, sweeps, progress).folder
