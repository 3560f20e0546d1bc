"""Control of the centre bias."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from haa.conditions.condition import Fitted, per_frame
from haa.conditions.draw import place
from haa.data.dataset import GazeDataset
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze


class Center(Fitted[Tensor]):
    """A control: every sample has the data's own centre bias, one set of fixations drawn from all of the split's.

    It is what can be known about gaze without seeing the picture; most of what simple saliency models know is this
    (Tatler, Journal of Vision 2007). Positions are relative to the stimulus' sides. The pool holds the sample's own
    fixations too, as one share among all. Samples without gaze stay without.

    Args:
        seed: Seed of the draw of the fixations.
        points: Number of fixations; a smooth map needs more than one stimulus has. All of the split's, where it has
            fewer.

    Raises:
        InputError: If ``points`` is not positive.
    """

    role = "control"

    def __init__(self, seed: int = 0, points: int = 500) -> None:
        if points < 1:
            raise InputError(f"condition.points={points}: give a positive number of fixations")
        self.seed, self.points = seed, points

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None:
            return None
        return per_frame(own, lambda still: Gaze(place(self.fitted(dataset), still.size), still.size))

    def fit(self, dataset: GazeDataset) -> Float[Tensor, "n 2"]:
        """Return fixations of the split in shares of their stimulus' sides."""
        pool = [torch.zeros(0, 2)]
        for index in range(len(dataset)):
            gaze = dataset.gaze(index)
            if gaze is not None:
                sides = gaze.points.new_tensor([gaze.size[1], gaze.size[0]])
                pool.append((gaze.inside().points + 0.5) / sides)
        everything = torch.cat(pool)
        return everything[torch.randperm(len(everything), generator=generator(self.seed))[: self.points]]
