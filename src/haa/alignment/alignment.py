"""Alignment: a loss between the machine's map and the human map, times a weight, over the samples that have gaze."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.alignment.schedule import GradientNorm, WeightSchedule, constant
from haa.batch import Batch, human_maps, image_size, maps_of_stills, stills
from haa.errors import InputError
from haa.gaze import Size
from haa.geometry.extent import WHOLE, Extent, on_cells
from haa.losses import asks_for, kl_divergence

Loss = Callable[..., Tensor]
"""``(attention (b, h, w), human (b, h, w)) -> (b,)``, or with ``fixations (b, n, 2)``, as in `haa.losses`."""


class Alignment(nn.Module):
    """Alignment loss of a batch.

    What a loss compares the machine's map with depends on how it names its second parameter. ``human`` is the density
    of the fixations, made on the device at the resolution of the machine's map; ``fixations`` are the points
    themselves, in pixels of that map. Samples without gaze are masked and the loss is the mean over those that have it,
    across all processes.

    Args:
        loss: Compares the two maps, one value per sample.
        weight: Factor of the loss when it is added to the task loss. 0 is the baseline, for which no graph is kept.
        sigma: Standard deviation of the Gaussian around a fixation, as a share of the image's longer side. The default
            is OSIE's 24 px of 800.
        schedule: Factor of ``weight`` as a function of how much of the training is done, or `GradientNorm`; see
            `haa.alignment.schedule`.

    Example:
        >>> batch = {"image": torch.zeros(2, 3, 64, 64), "fixations": torch.tensor([[[31.5, 31.5]], [[torch.nan] * 2]])}
        >>> Alignment(weight=0.5)(torch.rand(2, 8, 8), batch).ndim
        0
    """

    def __init__(
        self,
        loss: Loss = kl_divergence,
        weight: float = 0.0,
        sigma: float = 0.03,
        schedule: WeightSchedule | GradientNorm = constant,
    ) -> None:
        super().__init__()
        if weight < 0 or sigma <= 0:
            raise ValueError(f"alignment needs weight >= 0 and sigma > 0, got weight={weight}, sigma={sigma}")
        self.loss, self.weight, self.sigma, self.schedule = loss, weight, sigma, schedule
        self._forms = asks_for(loss)

    def forward(self, attention: Float[Tensor, "b *t h w"], batch: Batch, extent: Extent = WHOLE) -> Float[Tensor, ""]:
        """Return the unweighted alignment loss: its mean over samples with gaze (of clips, frames); 0 without any.

        Args:
            attention: The machine's maps.
            batch: Batch with the image and the gaze.
            extent: Where the cells of the maps lie in the picture.
        """
        attention, batch = maps_of_stills(attention, batch), stills(batch)
        grid = (attention.shape[1], attention.shape[2])
        human, has_human = human_maps(batch, grid, self.sigma, extent)
        gaze = {"human": human}
        if "fixations" in self._forms:
            gaze["fixations"] = self.points(batch, grid, extent)
        values = self.loss(attention, *(gaze[form].to(attention.device) for form in self._forms))
        # where, not a product: 0 * NaN is NaN
        total, count = torch.where(has_human, values, 0.0).sum(), has_human.sum().to(values.dtype)
        if self.training and torch.distributed.is_available() and torch.distributed.is_initialized():
            # gradients are averaged over processes afterwards, which must come out as the mean over all samples
            torch.distributed.all_reduce(count)
            total = total * torch.distributed.get_world_size()
        return total / count.clamp_min(1)

    def weight_at(self, progress: float) -> float:
        """Return the weight in force at this share of training; `GradientNorm` multiplies it batch by batch."""
        if self.weight == 0 or isinstance(self.schedule, GradientNorm):
            return self.weight
        return self.weight * self.schedule(progress)

    @property
    def scheduled(self) -> bool:
        """Whether the weight depends on how much of the training is done."""
        return self.weight > 0 and self.schedule is not constant and not isinstance(self.schedule, GradientNorm)

    def progress(self, step: int, steps: float) -> float:
        """Return the share of training that is done, in [0, 1]; 0 where the weight does not depend on it.

        Args:
            step: Optimiser steps done.
            steps: Optimiser steps in all.

        Raises:
            InputError: If the weight follows a schedule, and training has no end to measure it by.
        """
        if not self.scheduled:
            return 0.0
        if not 0 < steps < math.inf:
            raise InputError(
                "alignment.schedule needs to know how long training is: give trainer.max_epochs or trainer.max_steps"
            )
        return min(1.0, step / steps)

    def join(
        self,
        task_loss: Float[Tensor, ""],
        attention: Float[Tensor, "b *t h w"],
        batch: Batch,
        progress: float = 0.0,
        parameters: Iterable[tuple[str, nn.Parameter]] = (),
        extent: Extent = WHOLE,
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the task loss with the weighted alignment added.

        Args:
            task_loss: Task loss, a scalar.
            attention: The machine's maps.
            batch: Batch with the image and the gaze.
            progress: Share of the training that is done, in [0, 1].
            parameters: Name and parameter of what is trained; only `GradientNorm` looks at them.
            extent: Where the cells of the maps lie in the picture.

        Returns:
            The sum, and what to log: ``align_loss`` (unweighted) and ``align_weight`` (in force), detached.

        Raises:
            InputError: If the weight is positive and the map has no gradient.
        """
        weight = self.weight_at(progress)
        with torch.set_grad_enabled(weight > 0 and torch.is_grad_enabled()):
            aligned = self(attention, batch, extent)
        if weight > 0 and torch.is_grad_enabled() and not aligned.requires_grad:
            raise InputError(
                "the attention has no gradient, so that aligning it would change nothing: it was detached, computed "
                "under no_grad or in a reentrant checkpoint, or nothing that it depends on is trained"
            )
        force = aligned.new_full((), weight)
        if weight > 0:
            if isinstance(self.schedule, GradientNorm):
                force = force * self.schedule(task_loss, aligned, parameters)
                task_loss = task_loss + force * aligned
            else:
                task_loss = task_loss + weight * aligned
        return task_loss, {"align_loss": aligned.detach(), "align_weight": force}

    def points(self, batch: Batch, grid: Size, extent: Extent = WHOLE) -> Float[Tensor, "b n 2"]:
        """Return the fixations of a batch in pixels of a grid (h, w); NaN for who has none."""
        image = batch["image"]
        if "fixations" in batch:
            return on_cells(batch["fixations"], image_size(batch), grid, extent)
        if "density" in batch:
            raise InputError(
                "alignment.loss needs fixations, and this dataset publishes maps only: "
                "choose a loss of maps, loss=kl for one"
            )
        return image.new_full((len(image), 1, 2), torch.nan, dtype=torch.float32)
