"""Control of fixations at places that say nothing."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from haa.conditions.condition import Condition, published_map
from haa.conditions.draw import place, rolled, uniform
from haa.data.dataset import GazeDataset
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze


class Random(Condition):
    """A control: each sample has as many fixations, by as many people, as long as its own, anywhere on the stimulus.

    Does alignment help because people know where to look, or as any regulariser would? Random cues have matched human
    ones before (Shrestha et al., ACL 2020).

    All of a sample's fixations move together, by a random distance, with what leaves at one border coming back at the
    other. The map keeps its clusters, its entropy and its contrast, so that it pulls as hard as the human one, and says
    nothing about the picture. A published map moves in the same way, by whole pixels.

    Args:
        seed: Seed of the draw of the places.
        keep_shape: Whether a sample's fixations stay together. False draws every fixation for itself, anywhere on the
            stimulus: a map without clusters, which is smoother than a human one and pulls less.

    Raises:
        InputError: At the first sample, if ``keep_shape`` is False and the data publishes maps, not fixations.

    Example:
        >>> from haa.data.shapes import Shapes
        >>> data = Shapes("train", train=4)
        >>> mine, theirs = Random(seed=1).gaze(data, 2), data.gaze(2)
        >>> len(mine.points) == len(theirs.points), torch.equal(mine.points, theirs.points)
        (True, False)
    """

    role = "control"

    def __init__(self, seed: int = 0, keep_shape: bool = True) -> None:
        self.seed, self.keep_shape = seed, keep_shape

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None:
            return None
        own, rng = own.inside(), generator(self.seed, index)
        if not self.keep_shape:
            return replace(own, points=uniform(len(own.points), own.size, rng).to(own.points.dtype))
        sides = torch.tensor([own.size[1], own.size[0]], dtype=torch.float64)
        relative = (own.points.double() + 0.5) / sides + torch.rand(2, generator=rng, dtype=torch.float64)
        return replace(own, points=place(relative % 1.0, own.size).to(own.points.dtype))

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        if not self.keep_shape:
            raise InputError(
                f"condition.keep_shape=false moves each fixation for itself, and {type(dataset).__name__} publishes "
                "maps only: leave condition.keep_shape=true"
            )
        own = published_map(dataset, index)
        return None if own is None else rolled(own, generator(self.seed, index))
