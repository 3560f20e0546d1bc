"""Control of looking where people do not."""

from __future__ import annotations

import torch

from haa.conditions.condition import Condition, per_frame
from haa.conditions.draw import within_cells
from haa.data.dataset import GazeDataset
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze, density


class Inverted(Condition):
    """A control: each sample has fixations where people did not look.

    Gaze travels as points, so these are points too, drawn with replacement from the inverted density
    ``max(D) - D``, D being the density of the sample's own fixations. Nearly all of a picture is not looked at: the map
    is broad, and needs more points than the human one to be it. If this helps as much as human gaze does, what helps is
    not where people look.

    Args:
        seed: Seed of the draw of the fixations.
        points: Number of fixations for each sample.
        sigma: Standard deviation of the Gaussian around a fixation, as a share of the stimulus' longer side, as in
            `haa.alignment.Alignment`.
        cells: Number of cells along the longer side, at which the density is computed.

    Raises:
        InputError: If a number is not positive.
    """

    role = "control"

    def __init__(self, seed: int = 0, points: int = 200, sigma: float = 0.03, cells: int = 64) -> None:
        for name, value in (("points", points), ("sigma", sigma), ("cells", cells)):
            if value <= 0:
                raise InputError(f"condition.{name}={value}: give a positive number")
        self.seed, self.points, self.sigma, self.cells = seed, points, sigma, cells

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None:
            return None
        rng = generator(self.seed, index)
        return per_frame(own, lambda still: self._invert(still, rng))

    def _invert(self, own: Gaze, rng: torch.Generator) -> Gaze:
        own = own.inside()
        if not len(own.points):
            return own
        height, width = own.size
        longer = max(height, width)
        grid = max(1, round(self.cells * height / longer)), max(1, round(self.cells * width / longer))
        human = density(own.points[None].double(), own.size, self.sigma * longer, grid=grid)[0].flatten()
        # a density that is the same everywhere is its own inverse
        share = human.max() - human if human.max() > human.min() else torch.ones_like(human)
        cells = torch.multinomial(share, self.points, replacement=True, generator=rng)
        return Gaze(within_cells(cells, grid, own.size, rng), own.size)
