"""Where people and the machine looked at a few samples: the file that a run keeps for the report's gallery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 64


@dataclass(frozen=True)
class Maps:
    """What a run's maps.npz holds, a row for each of ``n`` samples of the split that was scored.

    Args:
        id: ``(n,)`` as in samples.parquet.
        image: ``(n,)`` JPEG files.
        text: ``(n,)`` what was asked, or a reference caption.
        said: ``(n,)`` what the machine answered or wrote.
        human: ``(n, h, w)`` float16 densities, the largest value being 1; NaN where no gaze was recorded.
        machine: ``(n, i, j)`` float16 on the attention's own grid, the largest value being 1.
        words: ``(n, t, i, j)`` float16, the map of each word that was written; ``t`` is 0 for other tasks.
        simulated: whether the gaze is simulated.
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
        np.savez_compressed(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Maps:
        with np.load(path, allow_pickle=False) as file:
            return cls(**{**{name: file[name] for name in file.files}, "simulated": bool(file["simulated"])})


def chosen(count: int, samples: int = SAMPLES) -> list[int]:
    """Which samples of a split are kept: drawn once and for all, so that every run on the same data keeps the same.

    Example:
        >>> chosen(3), len(chosen(500)), chosen(500) == chosen(500)
        ([0, 1, 2], 64, True)
    """
    return sorted(np.random.default_rng(0).permutation(count)[:samples].tolist())


def class_name(node: Mapping[str, Any]) -> str:
    """The class that a node builds, without its module.

    Example:
        >>> class_name({"_target_": "haa.conditions.Shuffled", "seed": 1})
        'Shuffled'
    """
    return node["_target_"].rsplit(".", 1)[-1]
