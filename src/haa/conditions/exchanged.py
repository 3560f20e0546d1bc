"""Conditions for data sets that haa has never seen: the gaze of any of them, exchanged for a control's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from haa import conditions
from haa.alignment.any_batch import Named, replaced, suggestion
from haa.alignment.any_batch import named as parts
from haa.conditions.condition import Condition
from haa.data.dataset import GazeDataset
from haa.errors import InputError, suggest
from haa.gaze import Gaze

CONDITIONS = ("human", "shuffled", "random", "center", "inverted", "corrupted")
"""Conditions that need no more than the data set."""


class Exchanged(Dataset[Any]):
    """A data set of yours with the gaze of a condition of haa's in the place of its own.

    Its samples are mappings with ``image`` (tensor ``(c, h, w)``) and ``fixations`` (tensor ``(n, 2)``; x, y in pixels
    of the image, NaN pads, none is empty); or they are of another form, and ``sample=`` says where these are in it. All
    else stays as it is. Train on it, and evaluate on what you have.

    Args:
        dataset: Any data set with a length.
        condition: One of `CONDITIONS`, as ``condition=`` of the command line takes them, or an object of
            `haa.conditions`.
        seed: Seed of the condition's draws.
        fixations: Function from an index to the sample's fixations and (height, width) of its image, where that is
            cheaper than to read the sample: a control looks at all of them.
        sample: Function from a sample of another form to such a mapping, of the sample's own tensors, such as
            ``lambda s: {"image": s[0], "fixations": s[2]}``. Samples keep their form.

    Attributes:
        own: The gaze of the data set itself (`haa.data.dataset.GazeDataset`).

    Raises:
        InputError: If there is no such condition, or a sample is no such mapping.

    Example:
        >>> own = [{"image": torch.zeros(3, 8, 8), "fixations": torch.full((1, 2), float(k))} for k in range(4)]
        >>> others = Exchanged(own, "shuffled")
        >>> any(torch.equal(mine["fixations"], theirs["fixations"]) for mine, theirs in zip(own, others))
        False
        >>> pairs = [(sample["image"], sample["fixations"]) for sample in own]
        >>> others = Exchanged(pairs, "shuffled", sample=lambda s: {"image": s[0], "fixations": s[1]})
        >>> len(others[0]), torch.equal(others[0][1], pairs[0][1])
        (2, False)
    """

    def __init__(
        self,
        dataset: Any,
        condition: str | Condition,
        seed: int = 0,
        fixations: Callable[[int], tuple[Float[Tensor, "n 2"], tuple[int, int]]] | None = None,
        sample: Named | None = None,
    ) -> None:
        self.dataset, self.sample = dataset, sample
        self.condition = named(condition, seed)
        self.own = _Gaze(dataset, fixations, sample)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        sample = self.dataset[index]
        _, own = _parts(sample, index, self.sample)
        if not self.condition.exchanges:
            return dict(sample) if isinstance(sample, dict) else sample
        given = self.condition.gaze(self.own, index)
        points = own.new_zeros(0, 2) if given is None else given.points.to(own)
        missing = len(own) - len(points)
        if missing > 0:  # as long as it was, so that samples of one length still make a batch
            points = torch.cat([points, points.new_full((missing, 2), torch.nan)])
        return {**sample, "fixations": points} if self.sample is None else replaced(sample, own, points)


class _Gaze(GazeDataset):
    """What a condition asks of a data set."""

    def __init__(
        self,
        dataset: Any,
        fixations: Callable[[int], tuple[Tensor, tuple[int, int]]] | None,
        sample: Named | None,
    ) -> None:
        self.dataset, self.fixations, self.sample = dataset, fixations, sample
        self._known: dict[int, Gaze] = {}

    def __len__(self) -> int:
        return len(self.dataset)

    def gaze(self, index: int) -> Gaze | None:
        if index not in self._known:
            if self.fixations is None:
                image, points = _parts(self.dataset[index], index, self.sample)
                size = (image.shape[-2], image.shape[-1])
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


def _parts(sample: Any, index: int, function: Named | None) -> tuple[Tensor, Tensor]:
    """Return image and fixations of a sample."""
    try:
        found = parts(sample, function, sample=True)
    except InputError as error:
        raise InputError(f"sample {index}: {error}") from None
    if "fixations" not in found:
        raise InputError(f"sample {index} has {', '.join(map(str, found))}: {suggestion(sample, sample=True)}")
    points = torch.as_tensor(found["fixations"])
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"sample {index} has fixations of shape {tuple(points.shape)}: give (n, 2), x and y in pixels")
    return found["image"], points
