"""Condition of less human gaze."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.conditions.condition import Fitted, published_map, with_gaze
from haa.data.dataset import GazeDataset
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze


class Subset(Fitted[set[str]]):
    """Human gaze of fewer people, or at fewer pictures: how much of it is needed?

    With one seed, a smaller subset is part of a larger one.

    Args:
        observers: Number of people kept per sample, drawn among those who looked at it; all, where they are fewer. None
            keeps everybody.
        share: Share kept of the pictures that have gaze, rounded to whole pictures, at least one; all samples that show
            a picture go with it. Others are trained on without gaze.
        seed: Seed of the draws of people and pictures.

    Raises:
        InputError: If nothing would be left out, or nothing kept; or, at the first sample, if the data does not tell
            people apart and ``observers`` is given.
    """

    role = "less gaze"

    def __init__(self, observers: int | None = None, share: float | None = None, seed: int = 0) -> None:
        if observers is None and share is None:
            raise InputError("condition=subset leaves nothing out: give condition.observers=3, or condition.share=0.1")
        if observers is not None and observers < 1:
            raise InputError(f"condition.observers={observers}: give a positive number of people")
        if share is not None and not 0 < share <= 1:
            raise InputError(f"condition.share={share}: give a share above 0 and up to 1")
        self.observers, self.share, self.seed = observers, share, seed

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None or not self._keeps(dataset, index):
            return None
        if self.observers is None:
            return own
        if own.subject is None:
            raise InputError(
                f"condition.observers={self.observers}: {type(dataset).__name__} does not say who looked; "
                "give condition.share instead"
            )
        people = own.subject.unique()
        order = torch.randperm(len(people), generator=generator(self.seed, index))
        return own.of(*people[order[: self.observers]].tolist())

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        if self.observers is not None:
            raise InputError(
                f"condition.observers={self.observers}: {type(dataset).__name__} publishes maps only, which do not say "
                "who looked; give condition.share instead"
            )
        return published_map(dataset, index) if self._keeps(dataset, index) else None

    def fit(self, dataset: GazeDataset) -> set[str]:
        """Return the names of the pictures at which gaze is kept."""
        assert self.share is not None
        pictures = list(dict.fromkeys(dataset.stimulus(i) for i in with_gaze(dataset)))
        order = torch.randperm(len(pictures), generator=generator(self.seed)).tolist()
        return {pictures[k] for k in order[: max(1, round(self.share * len(pictures)))]}

    def _keeps(self, dataset: GazeDataset, index: int) -> bool:
        return self.share is None or dataset.stimulus(index) in self.fitted(dataset)
