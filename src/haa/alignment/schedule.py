"""Schedules of the alignment weight: functions of how much of the training is done, so that resuming is exact.

A schedule maps progress, optimiser steps done divided by all steps, to a factor of ``align_weight``. `GradientNorm`
looks at the two losses instead; it keeps no state either.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

WeightSchedule = Callable[[float], float]
"""``progress in [0, 1] -> factor >= 0``."""


def constant(progress: float) -> float:
    """The weight as it is.

    Example:
        >>> constant(0.3)
        1.0
    """
    return 1.0


def linear_warmup(progress: float, share: float = 0.1) -> float:
    """A straight line from 0 to the weight over the first part of training, and the weight from then on.

    Args:
        progress: how much of the training is done.
        share: of the training that warms up; the first step of all has no alignment.

    Example:
        >>> [linear_warmup(p, share=0.2) for p in (0.0, 0.1, 0.2, 1.0)]
        [0.0, 0.5, 1.0, 1.0]
    """
    return min(1.0, progress / share) if share > 0 else 1.0


def cosine_decay(progress: float, final: float = 0.0) -> float:
    """Half a cosine from the weight down to ``final`` of it: people help at first, then the task has the last word.

    Chen et al., AiR (ECCV 2020), whose code has ``alpha (1 + cos(pi step / steps))``: their alpha is half of a weight
    here.

    Args:
        progress: how much of the training is done.
        final: what is left of the weight at the end, as a share.

    Example:
        >>> [round(cosine_decay(p), 3) for p in (0.0, 0.5, 1.0)]
        [1.0, 0.5, 0.0]
    """
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class GradientNorm:
    r"""Makes the alignment pull ``align_weight`` times as hard as the task, whatever the scales of the two losses.

    .. math:: \lambda = w \frac{\|\nabla_\theta L_\mathrm{task}\|}{\|\nabla_\theta L_\mathrm{align}\|}

    over the parameters that both losses reach, batch by batch, as a constant to the gradient. Esser et al., VQGAN (CVPR
    2021), weigh a second loss like this, at the last layer. It costs a backward pass of each loss, through
    whatever lies between it and those parameters; ``only`` keeps that short. Under DDP the norms are averaged over
    processes, so that all share one weight.

    Args:
        only: a regular expression that names must match to count (``image_encoder\.layer4``); None is all.
        maximum: of the ratio, for batches that the alignment has nothing to say about.

    Raises:
        ValueError: if no parameter is reached by both losses.

    Example:
        >>> w = nn.Parameter(torch.tensor([3.0, 4.0]))
        >>> GradientNorm()((w * w).sum(), 10 * w[0], [("w", w)])  # |(6, 8)| / |(10, 0)|
        tensor(1.)
    """

    def __init__(self, only: str | None = None, maximum: float = 1e4) -> None:
        self.only = None if only is None else re.compile(only)
        self.maximum = maximum

    def __call__(
        self, task_loss: Float[Tensor, ""], aligned: Float[Tensor, ""], parameters: Iterable[tuple[str, nn.Parameter]]
    ) -> Float[Tensor, ""]:
        """The factor of the alignment weight for this batch, without gradient."""
        chosen = [p for name, p in parameters if p.requires_grad and (self.only is None or self.only.search(name))]
        norms = self._norms(task_loss, aligned, chosen)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(norms)
        task, alignment = norms.unbind()
        # without pull there is nothing to balance: such a batch has no sample with gaze
        return torch.where(alignment > 0, task / alignment.clamp_min(1e-30), 1.0).clamp_max(self.maximum)

    def _norms(self, task_loss: Tensor, aligned: Tensor, chosen: list[nn.Parameter]) -> Tensor:
        if not chosen:
            raise ValueError(f"no trainable parameter's name matches only={self.only.pattern if self.only else None}")
        gradients = [
            torch.autograd.grad(loss, chosen, retain_graph=True, allow_unused=True) for loss in (task_loss, aligned)
        ]
        shared = [(t, a) for t, a in zip(*gradients, strict=True) if t is not None and a is not None]
        if not shared:
            raise ValueError("no parameter is reached by both the task loss and the alignment: nothing can be balanced")
        return torch.stack([torch.stack([g.float().norm() for g in side]).norm() for side in zip(*shared, strict=True)])
