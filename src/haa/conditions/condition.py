"""What a condition is, and the one that changes nothing."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, Literal, NamedTuple, TypeVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from haa.data.dataset import GazeDataset
from haa.data.loading.samples import GazeSource
from haa.errors import InputError
from haa.gaze import Gaze, Size

T = TypeVar("T")

Role = Literal["treatment", "control", "oracle", "less gaze"]
"""Part of a condition in a comparison.

- ``treatment``: the question is whether its gaze helps.
- ``control``: its gaze does not say where people looked at the image at hand; a treatment has to beat it.
- ``oracle``: an upper bound, which uses human gaze at test time.
- ``less gaze``: human gaze of fewer people, at fewer pictures, or of lower quality; shown beside the others.
"""

UNTOLD = ("seed", "root", "folder", "path", "checkpoint", "cache", "batch_size", "control")
"""Arguments of a condition that its label leaves out: they say where things are, not what the condition is."""


class Condition(GazeSource, ABC):
    """Where the gaze that training sees comes from, and which part that plays in a comparison.

    A subclass implements `gaze`, and says its `role`; for data that publishes maps of gaze and no fixations, it
    implements `density` too. Console, Weights & Biases and the report learn from here what an arm is called and which
    part it plays, so that a condition of your own takes its part in the verdict.

    Example:
        >>> class Corner(Condition):
        ...     '''A control: everybody looked at the first pixel.'''
        ...     role = "control"
        ...     def gaze(self, dataset, index):
        ...         return Gaze(torch.zeros(1, 2), dataset.gaze(index).size)
        >>> Corner().label, arm(Corner(), 0.5), arm(Corner(), 0.0)
        ('corner', Arm(role='control', label='corner'), Arm(role='baseline', label='baseline'))
    """

    role: Role
    """Part that a run with this condition and a positive weight plays: see `Role`."""
    matched: bool = False
    """Whether its gaze is real gaze of another stimulus, so that it has the data's centre bias, its clusters and its
    number, and differs from the treatment only in whose it is. A claim that gaze helps asks for such a control."""
    inserts: ClassVar[bool] = False
    """Whether the human map takes the place of the model's attention, in training and in evaluation."""

    @property
    def label(self) -> str:
        """Name of the condition where people read of it: its class, and the arguments that are not at their default.

        Arguments that change nothing of what the condition is (`UNTOLD`) are left out.
        """
        words = [type(self).__name__.lower()]
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, name, parameter.default)
            if name not in UNTOLD and value != parameter.default:
                words.append(f"{name}={value}")
        return " ".join(words)

    @abstractmethod
    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        """Return the fixations to train sample ``index`` with; None where there are none.

        Points are in pixels of the sample's own stimulus.
        """

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        """Return the map of gaze to train sample ``index`` with; None where there is none.

        It is asked in the place of `gaze` where a dataset publishes maps, and gives a map of the same shape as the
        sample's own ``density``: ``(h, w)``, or ``(t, h, w)`` for a clip, non-negative, each summing to 1 or, where
        nobody looked, to 0.

        Raises:
            InputError: If the condition knows fixations only, as one does that implements `gaze` alone.
        """
        name = type(self).__name__
        raise InputError(
            f"condition={name.lower()} exchanges fixations, and {type(dataset).__name__} publishes maps only: give "
            f"{name} a method density(dataset, index), which returns a map, or choose condition=human"
        )


class Arm(NamedTuple):
    """Part that a run plays in a comparison, and the name of its condition there."""

    role: Role | Literal["baseline"]
    label: str


def check_role(condition: object) -> None:
    """Refuse a condition that does not say which part it plays.

    Raises:
        InputError: If it is not derived from `Condition`, or has no `Role`.
    """
    if not isinstance(condition, Condition) or getattr(condition, "role", None) not in get_args(Role):
        raise InputError(
            f"condition {type(condition).__name__} does not say which part it plays: derive it from "
            f"haa.conditions.Condition and give it a role, one of {', '.join(get_args(Role))}"
        )


def arm(condition: Condition, align_weight: float) -> Arm:
    """Return which arm a run belongs to.

    Without a weight nothing is aligned, whatever the condition, and the run is a baseline; but a condition that inserts
    its map needs no weight.

    Raises:
        InputError: If the condition does not say which part it plays.
    """
    check_role(condition)
    if align_weight == 0 and not condition.inserts:
        return Arm("baseline", "baseline")
    return Arm(condition.role, condition.label)


class Human(Condition):
    """The gaze that was recorded for the sample itself."""

    role: Role = "treatment"
    exchanges = False

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        return dataset.gaze(index)

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        return published_map(dataset, index)


def with_gaze(dataset: GazeDataset) -> list[int]:
    """Return the samples of which gaze is known, fixations or a published map; no image is read."""
    return [i for i in range(len(dataset)) if dataset.gaze(i) is not None or dataset.looked(i)]


def published_map(dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
    """Return the map of gaze that is published for a sample, made to sum to 1; None where nobody looked.

    No image is read where the dataset's `record` can do without. A frame of a clip at which nobody looked is zero.
    """
    own = dataset.record(index).get("density")
    return normalised(own) if own is not None and own.any() else None


def normalised(map_: Float[Tensor, "*t h w"]) -> Float[Tensor, "*t h w"]:
    """Return a map that sums to 1, as each frame's does; zeros stay.

    Example:
        >>> normalised(torch.tensor([[[1.0, 3.0]], [[0.0, 0.0]]]))
        tensor([[[0.2500, 0.7500]],
        <BLANKLINE>
                [[0.0000, 0.0000]]])
    """
    return map_ / map_.sum((-2, -1), keepdim=True).clamp_min(torch.finfo(map_.dtype).tiny)


def per_frame(own: Gaze, change: Callable[[Gaze], Gaze]) -> Gaze:
    """Return what ``change`` makes of a still's gaze; of a clip's gaze, frame by frame, where a frame has any."""
    if own.frame is None:
        return change(own)
    frames = own.inside().frame.unique().tolist()  # type: ignore[union-attr]
    return join_frames([(frame, change(own.at(frame))) for frame in frames], own.size)


def join_frames(parts: Sequence[tuple[int, Gaze]], size: Size) -> Gaze:
    """Return frames and the gaze at each as the gaze at one clip, without who looked and for how long.

    Example:
        >>> clip = join_frames([(0, Gaze(torch.zeros(2, 2), (9, 9))), (5, Gaze(torch.ones(1, 2), (9, 9)))], (9, 9))
        >>> clip.frame, clip.at(5).points
        (tensor([0, 0, 5]), tensor([[1., 1.]]))
    """
    points = torch.cat([torch.zeros(0, 2), *(gaze.points for _, gaze in parts)])
    frame = torch.cat([torch.full((len(gaze.points),), frame) for frame, gaze in [(0, Gaze(points[:0], size)), *parts]])
    weights = [gaze.weight for _, gaze in parts if gaze.weight is not None]
    weight = torch.cat(weights) if weights and len(weights) == len(parts) else None
    return Gaze(points, size, frame=frame, weight=weight)


class Fitted(Condition, Generic[T]):
    """Condition that has to look at the whole split once, at its first sample.

    A subclass implements `fit` and asks for its result with `fitted`.
    """

    # the dataset itself and not its id(), which another may have once this one is gone
    _known: tuple[GazeDataset, T] | None = None

    @abstractmethod
    def fit(self, dataset: GazeDataset) -> T:
        """Return what the condition needs to know of a split."""

    def fitted(self, dataset: GazeDataset) -> T:
        """Return the result of `fit`, computed once per split."""
        if self._known is None or self._known[0] is not dataset:
            self._known = dataset, self.fit(dataset)
        return self._known[1]
