"""Human gaze of a lower quality."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from haa.conditions.condition import Condition, published_map
from haa.conditions.draw import rolled, uniform
from haa.data.dataset import GazeDataset
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze


class Corrupted(Condition):
    """Human gaze of which a share is replaced by places drawn uniformly over the stimulus.

    Between `Human` (p = 0) and `Random` of ``keep_shape=False`` (p = 1): how good must gaze be? With one seed, what a
    smaller p replaces a larger one replaces too, by the same places. A published map has no single fixations to
    replace: this share of it is that of `Random`, the same map at a random place.

    Args:
        p: Share of each sample's fixations that is replaced, rounded to whole fixations; or of its published map.
        seed: Seed of the draws: which fixations, and where to.

    Raises:
        InputError: If p is not in [0, 1].

    Example:
        >>> from haa.data.shapes import Shapes
        >>> data = Shapes("train", train=4)
        >>> kept = (Corrupted(p=0.25).gaze(data, 2).points == data.gaze(2).points).all(1)
        >>> round((~kept).float().mean().item(), 1)
        0.2
    """

    role = "less gaze"

    def __init__(self, p: float = 0.5, seed: int = 0) -> None:
        if not 0 <= p <= 1:
            raise InputError(f"condition.p={p}: give a share between 0 and 1")
        self.p, self.seed = p, seed

    @property
    def label(self) -> str:
        return f"corrupted p={self.p:g}"

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None:
            return None
        own, rng = own.inside(), generator(self.seed, index)
        count = len(own.points)
        elsewhere = uniform(count, own.size, rng).to(own.points.dtype)
        chosen = torch.randperm(count, generator=rng)[: round(self.p * count)]
        points = own.points.clone()
        points[chosen] = elsewhere[chosen]
        return replace(own, points=points)

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        own = published_map(dataset, index)
        return None if own is None else torch.lerp(own, rolled(own, generator(self.seed, index)), self.p)
