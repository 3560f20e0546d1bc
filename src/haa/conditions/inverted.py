"""Control of looking where people do not."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from haa.conditions.clusters import move, move_map, relative
from haa.conditions.condition import Condition, per_frame, published_map
from haa.conditions.draw import within_cells
from haa.data.dataset import GazeDataset
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze, Size, density


class Inverted(Condition):
    """A control: each sample has fixations where people did not look, as many and as clustered as its own.

    Each cluster of the sample's own fixations moves, as it is, to a place drawn from the inverted density
    ``max(D) - D``, D being the density of these fixations; what would leave the stimulus is reflected at its border. So
    the map is as peaked as the human one and pulls as hard. If this helps as much as human gaze does, what helps is not
    where people look.

    A published map is D itself, and its clusters move in the same way.

    Args:
        seed: Seed of the draw of the fixations.
        points: None moves the sample's own fixations. A number draws as many from the inverted density one by one, for
            each sample and each frame of a clip; 200 make a broad map.
        sigma: Standard deviation of the Gaussian around a fixation, as a share of the stimulus' longer side, as in
            `haa.alignment.Alignment`.
        cells: Number of cells along the longer side, at which the density is computed.
        cluster: Largest distance of a fixation from the first one of its cluster, as a share of the stimulus' longer
            side; 0 draws every fixation for itself.

    Raises:
        InputError: If a number is not positive, or ``cluster`` is negative.
    """

    role = "control"

    def __init__(
        self,
        seed: int = 0,
        points: int | None = None,
        sigma: float = 0.03,
        cells: int = 64,
        cluster: float = 0.08,
    ) -> None:
        for name, value in (("points", points), ("sigma", sigma), ("cells", cells)):
            if value is not None and value <= 0:
                raise InputError(f"condition.{name}={value}: give a positive number")
        if cluster < 0:
            raise InputError(f"condition.cluster={cluster}: give a share of the longer side, 0 or more")
        self.seed, self.points, self.sigma, self.cells, self.cluster = seed, points, sigma, cells, cluster

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None:
            return None
        rng = generator(self.seed, index)
        return per_frame(own, lambda still: self._invert(still, rng))

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        own = published_map(dataset, index)
        if own is None:
            return None
        if self.points is not None:
            raise InputError("condition.points draws fixations, and these data publish maps: leave it at null")
        h, w = own.shape[-2:]
        grid = min(h, max(1, round(self.cells * h / max(h, w)))), min(w, max(1, round(self.cells * w / max(h, w))))
        human = adaptive_avg_pool2d(own.reshape(1, -1, h, w).sum(1), grid)[0].flatten()
        rng = generator(self.seed, index)
        return move_map(own, self.cluster, lambda count: relative(_drawn(human, count, grid, (h, w), rng), (h, w)))

    def _invert(self, own: Gaze, rng: torch.Generator) -> Gaze:
        own = own.inside()
        if not len(own.points):
            return own
        height, width = own.size
        longer = max(height, width)
        grid = max(1, round(self.cells * height / longer)), max(1, round(self.cells * width / longer))
        weights = None if own.weight is None else own.weight[None].double()
        human = density(own.points[None].double(), own.size, self.sigma * longer, grid=grid, weights=weights)[
            0
        ].flatten()
        if self.points is not None:
            return Gaze(_drawn(human, self.points, grid, own.size, rng), own.size)
        return move(own, self.cluster, lambda count: relative(_drawn(human, count, grid, own.size, rng), own.size))


def _drawn(
    human: Float[Tensor, " c"], count: int, grid: Size, size: Size, rng: torch.Generator
) -> Float[Tensor, "k 2"]:
    """Return points drawn from the inverse of a density on a grid, which where it is the same everywhere is itself."""
    share = human.max() - human if human.max() > human.min() else torch.ones_like(human)
    return within_cells(torch.multinomial(share, count, replacement=True, generator=rng), grid, size, rng)
