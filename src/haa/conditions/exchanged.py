"""Conditions for data sets that haa has never seen: the gaze of any of them, exchanged for a control's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from haa import conditions
from haa.conditions.condition import Condition
from haa.data.dataset import GazeDataset
from haa.errors import InputError, suggest
from haa.gaze import Gaze

CONDITIONS = ("human", "shuffled", "random", "center", "inverted", "corrupted")
"""Conditions that need no more than the data set."""


class Exchanged(Dataset[dict[str, Any]]):
    """A data set of yours with the gaze of a condition of haa's in the place of its own.

    Its samples are mappings with ``image`` (tensor ``(c, h, w)``) and ``fixations`` (tensor ``(n, 2)``; x, y in pixels
    of the image, NaN pads, none is empty). All else stays as it is. Train on it, and evaluate on what you have.

    Args:
        dataset: Any data set with a length whose samples are such mappings.
        condition: One of `CONDITIONS`, as ``condition=`` of the command line takes them, or an object of
            `haa.conditions`.
        seed: Seed of the condition's draws.
        fixations: Function from an index to the sample's fixations and (height, width) of its image, where that is
            cheaper than to read the sample: a control looks at all of them.

    Raises:
        InputError: If there is no such condition, or a sample is no such mapping.

    Example:
        >>> own = [{"image": torch.zeros(3, 8, 8), "fixations": torch.full((1, 2), float(k))} for k in range(4)]
        >>> others = Exchanged(own, "shuffled")
        >>> any(torch.equal(mine["fixations"], theirs["fixations"]) for mine, theirs in zip(own, others))
        False
    """

    def __init__(
        self,
        dataset: Any,
        condition: str | Condition,
        seed: int = 0,
        fixations: Callable[[int], tuple[Float[Tensor, "n 2"], tuple[int, int]]] | None = None,
    ) -> None:
        self.dataset = dataset
        self.condition = named(condition, seed)
        self._gaze = _Gaze(dataset, fixations)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        sample = self.dataset[index]
        own = _points(sample, index)
        if not self.condition.exchanges:
            return dict(sample)
        given = self.condition.gaze(self._gaze, index)
        points = own.new_zeros(0, 2) if given is None else given.points.to(own)
        missing = len(own) - len(points)
        if missing > 0:  # as long as it was, so that samples of one length still make a batch
            points = torch.cat([points, points.new_full((missing, 2), torch.nan)])
        return {**sample, "fixations": points}


class _Gaze(GazeDataset):
    """What a condition asks of a data set."""

    def __init__(self, dataset: Any, fixations: Callable[[int], tuple[Tensor, tuple[int, int]]] | None) -> None:
        self.dataset, self.fixations = dataset, fixations
        self._known: dict[int, Gaze] = {}

    def __len__(self) -> int:
        return len(self.dataset)

    def gaze(self, index: int) -> Gaze | None:
        if index not in self._known:
            if self.fixations is None:
                sample = self.dataset[index]
                points, size = _points(sample, index), tuple(sample["image"].shape[-2:])
            else:
                points, size = self.fixations(index)
            points = torch.as_tensor(points, dtype=torch.float32)
            self._known[index] = Gaze(points[points.isfinite().all(1)], (int(size[0]), int(size[1])))
        gaze = self._known[index]
        return gaze if len(gaze.points) else None


def named(condition: str | Condition, seed: int = 0) -> Condition:
    """Return the condition of a name, as ``condition=`` of the command line takes it.

    Raises:
        InputError: If there is none, or it needs more than a data set.
    """
    if isinstance(condition, Condition):
        return condition
    if condition not in CONDITIONS:
        raise InputError(f"condition={condition}: {suggest(str(condition), CONDITIONS)}")
    made = getattr(conditions, condition.capitalize())
    found: Condition = made() if condition == "human" else made(seed=seed)
    return found


def _points(sample: Any, index: int) -> Tensor:
    if not isinstance(sample, Mapping) or not {"image", "fixations"} <= set(sample):
        what = f"has {', '.join(map(str, sample))}" if isinstance(sample, Mapping) else f"is a {type(sample).__name__}"
        raise InputError(f"sample {index} {what}: give a mapping with image (c, h, w) and fixations (n, 2)")
    points = torch.as_tensor(sample["fixations"])
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"sample {index} has fixations of shape {tuple(points.shape)}: give (n, 2), x and y in pixels")
    return points
