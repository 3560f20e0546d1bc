"""Control of the centre bias."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from haa.conditions.clusters import Places, move, move_map, relative
from haa.conditions.condition import Fitted, per_frame, published_map, with_gaze
from haa.conditions.draw import place, sample
from haa.data.dataset import GazeDataset
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze

MOST_OF_ONE = 100
"""Largest number of a sample's fixations that the pool holds, so that it fits in memory for big splits too."""

MOST_MAPS = 1000
"""Largest number of published maps that the pool is drawn from: each is a file that has to be read."""


class Pool(NamedTuple):
    """Fixations of a split, in shares of their stimulus' sides, those at one stimulus side by side.

    Args:
        places: x and y in [0, 1], ``(n, 2)``.
        spans: First fixation at each stimulus, and the one after its last.
        same: Those that all samples get, ``(m, 2)``, where they get the same.
    """

    places: Float[Tensor, "n 2"]
    spans: dict[str, tuple[int, int]]
    same: Float[Tensor, "m 2"]

    def draw(self, count: int, stimulus: str, generator: torch.Generator) -> Float[Tensor, "k 2"]:
        """Draw ``count`` fixations with replacement, of other stimuli than this one where there are any.

        Raises:
            InputError: If the pool is empty.
        """
        if not len(self.places):
            raise InputError("condition=center draws from gaze, and the data's own method looked says there is none")
        first, end = self.spans.get(stimulus, (0, 0))
        others = len(self.places) - (end - first)
        if not others:
            first, end, others = 0, 0, len(self.places)
        drawn = torch.randint(others, (count,), generator=generator)
        return self.places[torch.where(drawn >= first, drawn + (end - first), drawn)]


class Center(Fitted[Pool]):
    """A control: each sample has fixations by the data's own centre bias, as many and as clustered as its own.

    The centre bias is what can be known about gaze without seeing the picture; most of what simple saliency models know
    is this (Tatler, Journal of Vision 2007). It is the pool of all of the split's fixations, in shares of their
    stimulus' sides. Each cluster of the sample's own fixations moves, as it is, to a fixation drawn from the pool, not
    one of the same stimulus where there are others; what would leave the stimulus is reflected at its border. So the
    mean of the maps is the split's, and each map is as peaked as a human one and pulls as hard. Fixations drawn one by
    one make a smoother map, and the pool itself the smoothest. Samples without gaze stay without.

    A published map moves in the same way, in pieces: the places around its highest value move together, then those
    around the highest of the rest. Its pool is drawn from the split's maps.

    Args:
        seed: Seed of the draws.
        points: None moves the sample's own fixations. A number gives all samples one set of as many fixations, drawn
            once from the pool, all of it where it holds fewer; 500 make it smooth.
        cluster: Largest distance of a fixation from the first one of its cluster, as a share of the stimulus' longer
            side; 0 draws every fixation for itself.

    Raises:
        InputError: If ``points`` is not positive or ``cluster`` is negative; at the first sample, if ``points`` is a
            number and the data publishes maps, not fixations.
    """

    role = "control"

    def __init__(self, seed: int = 0, points: int | None = None, cluster: float = 0.08) -> None:
        if points is not None and points < 1:
            raise InputError(f"condition.points={points}: give a positive number of fixations")
        if cluster < 0:
            raise InputError(f"condition.cluster={cluster}: give a share of the longer side, 0 or more")
        self.seed, self.points, self.cluster = seed, points, cluster

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        own = dataset.gaze(index)
        if own is None:
            return None
        if self.points is not None:
            same = self.fitted(dataset).same
            return per_frame(own, lambda still: Gaze(place(same, still.size), still.size))
        own = own.inside()
        return move(own, self.cluster, self._places_for(dataset, index)) if len(own.points) else own

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        if self.points is not None:
            raise InputError(
                f"condition.points={self.points} is a number of fixations, and {type(dataset).__name__} publishes maps "
                "only: leave condition.points=null"
            )
        own = published_map(dataset, index)
        return None if own is None else move_map(own, self.cluster, self._places_for(dataset, index))

    def fit(self, dataset: GazeDataset) -> Pool:
        """Return the split's fixations, or some drawn from its published maps, as one pool."""
        seen = with_gaze(dataset)
        if all(dataset.gaze(i) is None for i in seen):
            chosen = torch.randperm(len(seen), generator=generator(self.seed))[:MOST_MAPS].tolist()
            seen = [seen[k] for k in chosen]
        found: dict[str, list[Tensor]] = {}
        for i in seen:
            found.setdefault(dataset.stimulus(i), []).append(self._some_of(dataset, i))
        parts, spans, count = [torch.zeros(0, 2)], {}, 0
        for stimulus, at_it in found.items():
            parts += at_it
            spans[stimulus] = count, (count := count + sum(map(len, at_it)))
        places = torch.cat(parts)
        return Pool(places, spans, places[torch.randperm(count, generator=generator(self.seed))[: self.points or 0]])

    def _places_for(self, dataset: GazeDataset, index: int) -> Places:
        """Return what draws places for the clusters of sample ``index``."""
        pool, rng = self.fitted(dataset), generator(self.seed, index)
        return lambda count: pool.draw(count, dataset.stimulus(index), rng)

    def _some_of(self, dataset: GazeDataset, index: int) -> Float[Tensor, "n 2"]:
        """Return up to `MOST_OF_ONE` fixations of a sample in shares of its stimulus' sides."""
        gaze, rng = dataset.gaze(index), generator(self.seed, index)
        if gaze is not None:
            points = gaze.inside().points
            return relative(points[torch.randperm(len(points), generator=rng)[:MOST_OF_ONE]], gaze.size).float()
        map_ = published_map(dataset, index)
        if map_ is None:
            return torch.zeros(0, 2)
        h, w = map_.shape[-2:]
        return relative(sample(map_.reshape(-1, h, w).sum(0), MOST_OF_ONE, (h, w), rng), (h, w)).float()
