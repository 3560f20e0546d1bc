"""What a condition is, and the one that changes nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import torch

from haa.data.dataset import GazeDataset
from haa.gaze import Gaze, Size

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


def per_frame(own: Gaze, change: Callable[[Gaze], Gaze]) -> Gaze:
    """What ``change`` makes of a still's gaze; of a clip's, of each frame's that has any, for itself."""
    if own.frame is None:
        return change(own)
    frames = own.inside().frame.unique().tolist()  # type: ignore[union-attr]
    return join_frames([(frame, change(own.at(frame))) for frame in frames], own.size)


def join_frames(parts: Sequence[tuple[int, Gaze]], size: Size) -> Gaze:
    """Frames and the gaze at each, as the gaze at a clip; who looked and for how long is left behind.

    Example:
        >>> clip = join_frames([(0, Gaze(torch.zeros(2, 2), (9, 9))), (5, Gaze(torch.ones(1, 2), (9, 9)))], (9, 9))
        >>> clip.frame, clip.at(5).points
        (tensor([0, 0, 5]), tensor([[1., 1.]]))
    """
    points = torch.cat([torch.zeros(0, 2), *(gaze.points for _, gaze in parts)])
    frame = torch.cat([torch.full((len(gaze.points),), frame) for frame, gaze in [(0, Gaze(points[:0], size)), *parts]])
    return Gaze(points, size, frame=frame)


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
