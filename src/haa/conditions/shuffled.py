"""Control of another picture's gaze."""

from __future__ import annotations

from collections.abc import Callable

import torch

from haa.conditions.condition import Fitted, join_frames
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.gaze import Gaze


class Shuffled(Fitted[dict[int, int]]):
    """A control: each sample is given the fixations of another stimulus, the same one throughout training.

    The partner is fixed by ``seed`` and never shows the same picture. Samples without gaze stay without, so that
    exactly as many samples are aligned as under `Human`. The partner's points are scaled to the stimulus' size. The
    frames of a clip that have gaze get that of the partner's, in order, stretched in time where their numbers differ.

    Args:
        seed: Seed of the draw of the partners.

    Raises:
        InputError: If more than half of the samples with gaze show one and the same stimulus.
    """

    role = "control"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None:
            return None
        other = dataset.gaze(self.fitted(dataset)[index])
        assert other is not None
        return _in_step(other.resized(own.size), own)

    def fit(self, dataset: GazeDataset) -> dict[int, int]:
        """Return each sample's partner: nobody is paired with their own stimulus, and everybody serves once."""
        seen = [i for i in range(len(dataset)) if dataset.gaze(i) is not None]
        generator = torch.Generator().manual_seed(self.seed)
        order = [seen[k] for k in torch.randperm(len(seen), generator=generator).tolist()]
        # samples of one stimulus stand together, so that a shift by the longest group leaves every group
        order.sort(key=_rank([dataset.stimulus(i) for i in order], order))
        longest = max(_group_sizes(dataset, order).values(), default=0)
        if 2 * longest > len(order):
            raise InputError(
                f"condition=shuffled needs several stimuli, and {longest} of {len(order)} samples with gaze share one: "
                "give data with gaze at more pictures, or another control, condition=random for one"
            )
        return dict(zip(order, order[longest:] + order[:longest], strict=True))


def _in_step(other: Gaze, own: Gaze) -> Gaze:
    """Return the partner's gaze at the very frames at which the sample itself has some."""
    if own.frame is None or other.frame is None:
        return other
    theirs, mine = other.inside().frame.unique(), own.inside().frame.unique()  # type: ignore[union-attr]
    pairs = [(frame, theirs[k * len(theirs) // len(mine)]) for k, frame in enumerate(mine.tolist()) if len(theirs)]
    return join_frames([(frame, other.at(int(partner))) for frame, partner in pairs], own.size)


def _rank(stimuli: list[str], order: list[int]) -> Callable[[int], int]:
    first = {name: k for k, name in reversed(list(enumerate(stimuli)))}
    place = {i: first[name] for i, name in zip(order, stimuli, strict=True)}
    return place.__getitem__


def _group_sizes(dataset: GazeDataset, order: list[int]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for i in order:
        sizes[dataset.stimulus(i)] = sizes.get(dataset.stimulus(i), 0) + 1
    return sizes
