"""AUC with sampled negatives: random pixels (Borji), or the fixations of other images (shuffled)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from haa.errors import InputError
from haa.gaze import Gaze
from haa.geometry.to_device import to_device
from haa.metrics import functional
from haa.metrics.base import FixationMetric


class AUCBorji(FixationMetric):
    """AUC-Borji with seeded draws, see `haa.metrics.functional.auc_borji`.

    Args:
        splits: Number of draws.
        step: Distance of two thresholds; None gives the exact area.
        seed: Seed of the draws.

    Example:
        >>> metric = AUCBorji()
        >>> metric.update(torch.ones(1, 3, 4), torch.tensor([[[2.0, 0.0]]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def __init__(self, splits: int = 100, step: float | None = 0.1, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.splits, self.step, self.seed = splits, step, seed

    def update(self, prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> None:
        self.locate(prediction, fixations)
        self.add(functional.auc_borji(prediction, fixations, self.splits, self.step, self.seed))


class AUCShuffled(FixationMetric):
    """Shuffled AUC, see `haa.metrics.functional.auc_shuffled`.

    The negatives of an image are the fixations of all *other* images, scaled to its size. `collect` them from the data
    before the first update; `reset` keeps them. Every process must collect the same.

    Args:
        gaze: Pairs (name of the stimulus, gaze) of every image, as `collect` takes them.

    Example:
        >>> import torch
        >>> from haa.gaze import Gaze
        >>> metric = AUCShuffled()
        >>> metric.collect([("a", Gaze(torch.zeros(1, 2), (1, 2))), ("b", Gaze(torch.tensor([[3.0, 0.0]]), (1, 4)))])
        >>> metric.update(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 0.0]]]), ["a"])
        >>> metric.compute()
        tensor(1.)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def __init__(self, gaze: Iterable[tuple[str, Gaze | None]] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows: dict[str, slice] = {}
        self.shares = torch.zeros(0, 2, dtype=torch.float64)
        self.collect(gaze)

    def collect(self, gaze: Iterable[tuple[str, Gaze | None]]) -> None:
        """Add fixations to the pool of negatives.

        Args:
            gaze: Pairs (name of the stimulus, its gaze), once per stimulus; a gaze of None is left out.

        Raises:
            InputError: If the gaze of a stimulus was collected before.
        """
        parts, start = [self.shares], len(self.shares)
        for name, each in gaze:
            if each is None:
                continue
            each = each.inside()
            if name in self.rows:
                raise InputError(f"gaze of stimulus {name!r} was collected before: collect each stimulus once")
            h, w = each.size
            parts.append((each.points.double() + 0.5) / torch.tensor([w, h], dtype=torch.float64))
            self.rows[name] = slice(start, start + len(each.points))
            start += len(each.points)
        self.shares = torch.cat(parts)

    def update(
        self, prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"], stimulus: Sequence[str]
    ) -> None:
        """Score a batch; ``stimulus`` names each image, so that its own fixations are not its negatives.

        Raises:
            InputError: If there is not one name per map, or no negatives were collected.
        """
        if len(stimulus) != len(prediction):
            raise InputError(f"{len(stimulus)} stimulus names for {len(prediction)} maps: give one per map")
        if not len(self.shares):
            raise InputError("AUCShuffled has no negatives: call collect(...) with the gaze of the data set first")
        self.locate(prediction, fixations)
        h, w = prediction.shape[1:]
        points = (self.shares * torch.tensor([w, h], dtype=torch.float64) - 0.5).float()
        values = []
        for i, name in enumerate(stimulus):
            own = self.rows.get(name, slice(0, 0))
            others = to_device(torch.cat([points[: own.start], points[own.stop :]])[None], prediction.device)
            values.append(functional.auc_shuffled(prediction[i : i + 1], fixations[i : i + 1], others))
        self.add(torch.cat(values) if values else prediction.new_zeros(0, dtype=torch.float32))
