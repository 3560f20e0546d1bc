"""What a condition is, and the one that changes nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from haa.data.dataset import GazeDataset
from haa.gaze import Gaze

T = TypeVar("T")


class Condition(Protocol):
    """Where the fixations that the training sees come from."""

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        """The fixations to train sample ``index`` with, in pixels of its own stimulus; None where there are none."""
        ...


class Human:
    """The fixations that were recorded for the sample itself."""

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        return dataset.gaze(index)


class Fitted(ABC, Generic[T]):
    """A condition that has to look at the whole split once, at its first sample.

    A subclass implements `fit` and asks for its result with `fitted`.
    """

    # the dataset itself and not its id(), which another may have once this one is gone
    _known: tuple[GazeDataset, T] | None = None

    @abstractmethod
    def fit(self, dataset: GazeDataset) -> T:
        """What the condition needs to know of a split."""

    def fitted(self, dataset: GazeDataset) -> T:
        """The result of `fit`, computed once per split."""
        if self._known is None or self._known[0] is not dataset:
            self._known = dataset, self.fit(dataset)
        return self._known[1]
