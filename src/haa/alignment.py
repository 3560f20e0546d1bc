"""Alignment: a loss between the machine's map and the human one, times a weight, over the samples that have gaze."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from haa.batch import Batch
from haa.gaze import Size, density, valid
from haa.losses import kl_divergence

Loss = Callable[[Tensor, Tensor], Tensor]
"""``(attention (b, h, w), human (b, h, w)) -> (b,)``, as in `haa.losses`."""


class Alignment(nn.Module):
    """The alignment loss of a batch.

    The human map is made from the fixations on the device, at the resolution of the machine's map; samples without gaze
    are masked and the loss is the mean over those that have it, across all processes.

    Args:
        loss: compares the two maps, one value per sample.
        weight: what the loss is multiplied with before it is added to the task loss; 0 is the baseline, for which no
            graph is kept.
        sigma: standard deviation of the Gaussian around a fixation, as a share of the image's longer side. The default
            is OSIE's 24 px of 800.

    Example:
        >>> batch = {"image": torch.zeros(2, 3, 64, 64), "fixations": torch.tensor([[[31.5, 31.5]], [[torch.nan] * 2]])}
        >>> Alignment(weight=0.5)(torch.rand(2, 8, 8), batch).ndim
        0
    """

    def __init__(self, loss: Loss = kl_divergence, weight: float = 0.0, sigma: float = 0.03) -> None:
        super().__init__()
        if weight < 0 or sigma <= 0:
            raise ValueError(f"alignment needs weight >= 0 and sigma > 0, got weight={weight}, sigma={sigma}")
        self.loss, self.weight, self.sigma = loss, weight, sigma

    def forward(self, attention: Float[Tensor, "b h w"], batch: Batch) -> Float[Tensor, ""]:
        """The unweighted alignment loss: the mean over the samples with gaze; 0 where no sample has any."""
        human, has = self.human(batch, (attention.shape[1], attention.shape[2]))
        values = self.loss(attention, human.to(attention.device))
        # where, not a product: 0 * NaN is NaN
        total, count = torch.where(has, values, 0.0).sum(), has.sum().to(values.dtype)
        if self.training and torch.distributed.is_available() and torch.distributed.is_initialized():
            # gradients are averaged over processes afterwards, which must come out as the mean over all samples
            torch.distributed.all_reduce(count)
            total = total * torch.distributed.get_world_size()
        return total / count.clamp_min(1)

    def human(self, batch: Batch, grid: Size) -> tuple[Float[Tensor, "b h w"], Bool[Tensor, " b"]]:
        """The human maps of a batch on a grid (h, w), each cell holding its share of the density, and who has one."""
        image = batch["image"]
        has = batch.get("has_human")
        if "fixations" in batch:
            size = (image.shape[-2], image.shape[-1])
            points = batch["fixations"]
            seen = valid(points, size).any(1)
            has = seen if has is None else has & seen
            return density(points, size, self.sigma * max(size), grid=grid), has
        if "density" in batch:
            maps = nn.functional.adaptive_avg_pool2d(batch["density"][:, None], grid)[:, 0]
            return maps, torch.ones_like(maps[:, 0, 0], dtype=torch.bool) if has is None else has
        nobody = torch.zeros(len(image), dtype=torch.bool, device=image.device)
        return image.new_zeros(len(image), *grid), nobody
