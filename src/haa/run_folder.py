"""A run's folder: the names of its files, and how they are read back. Needs no torch.

`haa.run` writes these files; `haa.study`, `haa.reporting` and `haa.predict` read them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from haa.disk import make_folder, remove_partial, write_whole
from haa.disk.bounded import read_arrays, read_mapping
from haa.errors import InputError, reading, writing

SAMPLES = 64
"""Test samples whose maps a run keeps."""

PROBE = "probe.json"
"""Name of the file that ``haa probe`` writes."""

AGAIN = "run again, or take the folder away"
"""What to do about a run whose folder is damaged."""

_KINDS = {
    **{"id": ("U", 1), "image": ("S", 1), "text": ("U", 1), "said": ("U", 1)},
    **{"human": ("f", 3), "machine": ("f", 3), "words": ("f", 4)},
}
"""Kind and number of dimensions of the arrays of `Maps`."""

MOVED = {
    "haa.callbacks": "haa.run.callbacks",
    "haa.conditions.predicted": "haa.predict.condition",
    "haa.data.datamodule": "haa.data.loading.datamodule",
    "haa.data.transforms": "haa.data.loading.transforms",
    "haa.loggers": "haa.run.loggers",
    "haa.module": "haa.tasks.aligned_module",
    "haa.schedule": "haa.run.learning_rate",
    "haa.study_console": "haa.study.console",
    "haa.wandb_record": "haa.run.wandb",
    "haa.weight_schedule": "haa.alignment.schedule",
    **{
        f"haa.data.{reader}": f"haa.data.readers.{reader}"
        for reader in (
            *("air_d", "capgaze", "cat2000", "coco_captions", "coco_search18", "cub", "daquar", "dhf1k", "dut_omron"),
            *("duts", "ecssd", "flickr", "folder", "hollywood2", "mit1003", "osie", "pascal_s", "salicon"),
            *("ucf_sports", "video_folder", "vqa_hat", "vqa_v2"),
        )
    },
}
"""Modules of version 0.1 that a config may name, and where their classes are now."""


@dataclass(frozen=True)
class RunFolder:
    """Where the files of a run are.

    Args:
        path: The run's folder.

    Example:
        >>> RunFolder(Path("outputs/vqa/1")).last.as_posix()
        'outputs/vqa/1/checkpoints/last.ckpt'
    """

    path: Path

    @property
    def finished(self) -> bool:
        """Whether it holds results, whole."""
        try:
            return isinstance(json.loads(self.metrics.read_bytes()), dict)
        except (OSError, ValueError, RecursionError):
            return False

    @property
    def begun(self) -> bool:
        """Whether it holds a checkpoint."""
        return any(self.last.parent.glob("*.ckpt"))

    def refuse_links(self) -> None:
        """Refuse a folder in which the name of one of a run's files leads to another place.

        A folder from elsewhere could have another file read, shown, or written over.

        Raises:
            InputError: If one does.
        """
        home = os.path.realpath(self.path)
        files = (self.lock, self.config, self.made, self.curves, self.last, self.best, self.samples, self.maps)
        for path in (*files, self.metrics, self.pictures, self.log, self.error, self.overrides):
            place = os.path.realpath(path)
            if os.path.commonpath([home, place]) != home:
                raise InputError(f"{path} is a link to {place}: put the file itself there, or take the link away")

    def lock_now(self, wait: float = 0) -> FileLock | None:
        """Return the lock of the folder, acquired; None where another process holds it. It goes with a killed process.

        Args:
            wait: Seconds to wait for that process; below 0 is as long as it takes.

        Raises:
            InputError: If the disk refuses it, or see `refuse_links`.
        """
        make_folder(self.path)
        self.refuse_links()
        lock = FileLock(self.lock)
        with writing(self.path):
            try:
                lock.acquire(timeout=wait)
            except Timeout:
                return None
            os.utime(self.lock)
        return lock

    def keep_words(self, words: Sequence[str]) -> None:
        """Keep the words of the command line that began the run."""
        make_folder(self.overrides.parent)
        write_whole(self.overrides, yaml.safe_dump(list(words), allow_unicode=True))

    def clear(self) -> None:
        """Delete what an attempt left that did not come to a checkpoint: it may be of another config."""
        with writing(self.path):
            for file in (self.curves, self.config, self.made, self.samples, self.maps, self.metrics):
                file.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete what writers that were killed left half-written. Only who holds the folder may."""
        for folder in (self.path, self.last.parent, self.pictures):
            remove_partial(folder)

    @property
    def config(self) -> Path:
        """Resolved config."""
        return self.path / "config.yaml"

    @property
    def made(self) -> Path:
        """What made the run, written as it begins: its arm and its data, also of a run that fails or is cut off."""
        return self.path / "made.json"

    @property
    def curves(self) -> Path:
        """Losses and metrics by epoch."""
        return self.path / "metrics.csv"

    @property
    def best(self) -> Path:
        """Checkpoint of the epoch with the best value of the monitored metric."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last(self) -> Path:
        """Checkpoint where a run that was cut off goes on."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def resumable(self) -> Path | None:
        """Checkpoint that is there to go on from; None where no epoch was finished.

        It is the best one, which is written first, where the run was stopped before its first `last`.
        """
        return next((path for path in (self.last, self.best) if path.is_file()), None)

    @property
    def samples(self) -> Path:
        """Values of every metric for every test sample."""
        return self.path / "samples.parquet"

    @property
    def maps(self) -> Path:
        """Human and machine maps of some test samples, see `Maps`."""
        return self.path / "maps.npz"

    @property
    def metrics(self) -> Path:
        """Results; written last, so that a run that has it is finished."""
        return self.path / "metrics.json"

    @property
    def pictures(self) -> Path:
        """Folder of pictures."""
        return self.path / "pictures"

    @property
    def log(self) -> Path:
        """What a run of a study printed."""
        return self.path / "log.txt"

    @property
    def error(self) -> Path:
        """How a run of a study failed."""
        return self.path / "error.json"

    @property
    def lock(self) -> Path:
        """Held by the process that works on the run, and touched as it begins."""
        return self.path / ".lock"

    @property
    def overrides(self) -> Path:
        """Words of the command line that began the run, where Hydra keeps them."""
        return self.path / ".hydra" / "overrides.yaml"


@dataclass(frozen=True)
class Maps:
    """What a run's maps.npz holds, a row for each of ``n`` samples of the split that was scored.

    Args:
        id: ``(n,)`` names of the samples, as in samples.parquet.
        image: ``(n,)`` JPEG files.
        text: ``(n,)`` what was asked, or a reference caption.
        said: ``(n,)`` what the machine answered or wrote.
        human: ``(n, h, w)`` float16 densities, the largest value being 1; NaN where no gaze was recorded.
        machine: ``(n, i, j)`` float16 on the attention's own grid, the largest value being 1; where pictures differ in
            shape, so do grids, and all maps are stretched to the largest.
        words: ``(n, t, i, j)`` float16, the map of each word that was written; ``t`` is 0 for other tasks.
        simulated: Whether the gaze is simulated.
    """

    id: NDArray[np.str_]
    image: NDArray[np.bytes_]
    text: NDArray[np.str_]
    said: NDArray[np.str_]
    human: NDArray[np.float16]
    machine: NDArray[np.float16]
    words: NDArray[np.float16]
    simulated: bool

    def save(self, path: Path) -> None:
        """Write the maps, whole or not at all."""
        write_whole(path, lambda file: np.savez_compressed(file, **vars(self)))

    @classmethod
    def load(cls, path: Path) -> Maps:
        """Read what `save` wrote.

        Raises:
            InputError: If it is damaged, or holds something else.
        """
        found = read_arrays(path, AGAIN)
        with reading(path, AGAIN):
            maps = cls(**{**found, "simulated": bool(found["simulated"])})  # type: ignore[arg-type]
            for name, (kinds, dimensions) in _KINDS.items():
                values = getattr(maps, name)
                if values.dtype.kind not in kinds or values.ndim != dimensions or len(values) != len(maps.id):
                    raise ValueError(f"{name} is no array of {len(maps.id)} samples as it should be")
            if np.isinf(maps.human).any() or not all(np.isfinite(each).all() for each in (maps.machine, maps.words)):
                raise ValueError("a map is not finite")
        return maps


def chosen(count: int, samples: int = SAMPLES) -> list[int]:
    """Return which samples of a split are kept.

    They are drawn once and for all, so that every run on the same data keeps the same.

    Example:
        >>> chosen(3), len(chosen(500)), chosen(500) == chosen(500)
        ([0, 1, 2], 64, True)
    """
    return sorted(np.random.default_rng(0).permutation(count)[:samples].tolist())


def read_config(path: Path) -> dict[str, Any]:
    """Read a run's config, with the names that its classes have now.

    Raises:
        InputError: If it is damaged, or larger than any config.
    """
    return modern(read_mapping(path, AGAIN))


def modern(config: Any) -> Any:
    """Return a config of haa 0.1 with today's names; one of today as it is.

    Classes have moved between modules (`MOVED`), and ``task.epochs_on_shapes`` is now a recipe's.

    Example:
        >>> modern({"data": {"_target_": "haa.data.osie.OSIE"}, "task": {"name": "sos", "epochs_on_shapes": 10}})
        {'data': {'_target_': 'haa.data.readers.osie.OSIE'}, 'task': {'name': 'sos'}}
    """
    if isinstance(config, Mapping):
        # a run's own, from before there was a choice
        unsaid = {"geometry": "stretched"} if {"task", "model"} <= config.keys() and "geometry" not in config else {}
        return unsaid | {
            key: _moved(value) if key == "_target_" else modern(value)
            for key, value in config.items()
            if key != "epochs_on_shapes"
        }
    return [modern(item) for item in config] if isinstance(config, list) else config


def _moved(target: Any) -> Any:
    if not isinstance(target, str):
        return target
    module, _, name = target.rpartition(".")
    return f"{MOVED[module]}.{name}" if module in MOVED else target


def class_name(node: Mapping[str, Any]) -> str:
    """Return the class that a node of a config builds, without its module.

    Example:
        >>> class_name({"_target_": "haa.conditions.Shuffled", "seed": 1})
        'Shuffled'
    """
    return node["_target_"].rsplit(".", 1)[-1]


def quoted(path: str | Path) -> str:
    """Return a path as Hydra's command line takes it, whatever is in it.

    Example:
        >>> quoted("runs/a,b=1")
        "'runs/a,b=1'"
    """
    return "'" + re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)\Z", r"\1\1", str(path))) + "'"


def unquoted(value: str) -> str:
    """Return what a value of a command line says to Hydra: what `quoted` was given, where it is quoted.

    Example:
        >>> unquoted("'runs/a,b=1'"), unquoted("runs/1"), unquoted(quoted("it's"))
        ('runs/a,b=1', 'runs/1', "it's")
    """
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    return re.sub(rf"\\+({value[0]}|\Z)", lambda found: found.group()[1::2], value[1:-1])
