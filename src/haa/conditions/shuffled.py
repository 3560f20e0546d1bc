"""Control of another picture's gaze."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from haa.conditions.condition import Fitted, join_frames, normalised, published_map, with_gaze
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.gaze import Gaze


class Shuffled(Fitted[dict[int, int]]):
    """A control: each sample is given the gaze of another stimulus, the same one throughout training.

    The partner is fixed by ``seed`` and never shows the same picture. Samples without gaze stay without, so that
    exactly as many samples are aligned as under `Human`. The partner's points, or its published map, are scaled to the
    stimulus' size. The frames of a clip that have gaze get that of the partner's, in order, stretched in time where
    their numbers differ.

    Args:
        seed: Seed of the draw of the partners.

    Raises:
        InputError: If more than half of the samples with gaze show one and the same stimulus.
    """

    role = "control"
    matched = True

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None:
            return None
        other = dataset.gaze(self.fitted(dataset)[index])
        assert other is not None
        return _in_step(other.resized(own.size), own)

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        own = published_map(dataset, index)
        if own is None:
            return None
        partners = self.fitted(dataset)
        if index not in partners:
            raise InputError(
                f"sample {index} of {type(dataset).__name__} has a map of gaze, and looked({index}) is False: give the "
                "dataset a method looked that says for which samples there is a map"
            )
        other = published_map(dataset, partners[index])
        return None if other is None else _map_in_step(other, own)

    def fit(self, dataset: GazeDataset) -> dict[int, int]:
        """Return each sample's partner: nobody is paired with their own stimulus, and everybody serves once."""
        seen = with_gaze(dataset)
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


def _map_in_step(other: Float[Tensor, "*t h w"], own: Float[Tensor, "*t h w"]) -> Float[Tensor, "*t h w"]:
    """Return the partner's map at the size, and at the very frames, at which the sample itself has one."""
    if other.ndim == 2:
        other = other[None]
    theirs, frames = other[other.any(-1).any(-1)], own.reshape(-1, *own.shape[-2:])
    mine = frames.any(-1).any(-1).nonzero()[:, 0]
    given = torch.zeros_like(frames)
    for k, frame in enumerate(mine.tolist()):
        partner = theirs[k * len(theirs) // len(mine)]
        given[frame] = resize(partner[None], list(own.shape[-2:]), antialias=True)[0]
    return normalised(given).view_as(own)


def _rank(stimuli: list[str], order: list[int]) -> Callable[[int], int]:
    first = {name: k for k, name in reversed(list(enumerate(stimuli)))}
    place = {i: first[name] for i, name in zip(order, stimuli, strict=True)}
    return place.__getitem__


def _group_sizes(dataset: GazeDataset, order: list[int]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for i in order:
        sizes[dataset.stimulus(i)] = sizes.get(dataset.stimulus(i), 0) + 1
    return sizes
