"""Schedules of the alignment weight, as functions of how much of the training is done.

A schedule maps progress (optimiser steps done, divided by all steps) to a factor of ``align_weight``. `GradientNorm`
looks at the two losses instead. Neither keeps state, so that resuming a run is exact.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.errors import InputError

WeightSchedule = Callable[[float], float]
"""Function ``progress in [0, 1] -> factor >= 0``."""


def constant(progress: float) -> float:
    """Return 1: the weight stays as it is.

    Example:
        >>> constant(0.3)
        1.0
    """
    return 1.0


def linear_warmup(progress: float, share: float = 0.1) -> float:
    """Return a factor that rises in a straight line from 0 to 1 over the first part of training, and stays 1.

    Args:
        progress: Share of the training that is done, in [0, 1].
        share: Share of the training over which the factor rises. The very first step has no alignment.

    Example:
        >>> [linear_warmup(p, share=0.2) for p in (0.0, 0.1, 0.2, 1.0)]
        [0.0, 0.5, 1.0, 1.0]
    """
    return min(1.0, progress / share) if share > 0 else 1.0


def cosine_decay(progress: float, final: float = 0.0) -> float:
    """Return a factor that falls from 1 to ``final`` along half a cosine: people help at first, then the task decides.

    Chen et al., AiR (ECCV 2020), whose code has ``alpha (1 + cos(pi step / steps))``: their alpha is half of a weight
    here.

    Args:
        progress: Share of the training that is done, in [0, 1].
        final: Share of the weight that is left at the end.

    Example:
        >>> [round(cosine_decay(p), 3) for p in (0.0, 0.5, 1.0)]
        [1.0, 0.5, 0.0]
    """
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class GradientNorm:
    r"""Schedule by which the alignment pulls ``align_weight`` times as hard as the task, whatever the losses' scales.

    .. math:: \lambda = w \frac{\|\nabla_\theta L_\mathrm{task}\|}{\|\nabla_\theta L_\mathrm{align}\|}

    over the parameters that both losses reach, batch by batch, as a constant to the gradient. Esser et al., VQGAN (CVPR
    2021), weigh a second loss like this, at the last layer. It costs a backward pass of each loss, through all that
    lies between the loss and those parameters; ``only`` keeps that short. Under DDP the norms are averaged over
    processes, so that all share one weight.

    Args:
        only: Regular expression that a parameter's name must match to count (``image_encoder\.layer4``); None takes
            all.
        maximum: Largest ratio, for batches in which the alignment hardly pulls.

    Raises:
        InputError: If no trainable parameter's name matches ``only``, or both losses reach no parameter together.

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
        """Return the factor of the alignment weight for this batch, without gradient."""
        chosen = [p for name, p in parameters if p.requires_grad and (self.only is None or self.only.search(name))]
        norms = self._norms(task_loss, aligned, chosen)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(norms)
        task_norm, align_norm = norms.unbind()
        # the alignment has no gradient where no sample of the batch has gaze: there is nothing to balance
        return torch.where(align_norm > 0, task_norm / align_norm.clamp_min(1e-30), 1.0).clamp_max(self.maximum)

    def _norms(self, task_loss: Tensor, aligned: Tensor, chosen: list[nn.Parameter]) -> Tensor:
        if not chosen:
            raise InputError(
                f"no trainable parameter's name matches only={self.only.pattern}: give an expression that one matches"
                if self.only
                else "GradientNorm got no trainable parameter: train one, or choose another alignment.schedule"
            )
        gradients = [
            torch.autograd.grad(loss, chosen, retain_graph=True, allow_unused=True) for loss in (task_loss, aligned)
        ]
        shared = [(t, a) for t, a in zip(*gradients, strict=True) if t is not None and a is not None]
        if not shared:
            raise InputError(
                "no parameter is reached by both the task loss and the alignment, so nothing can be balanced: let only "
                "match such a parameter, or choose another alignment.schedule"
            )
        by_loss = zip(*shared, strict=True)
        return torch.stack([torch.stack([g.float().norm() for g in gradient]).norm() for gradient in by_loss])
