"""Learning-rate schedules, stepped once per optimiser step."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(optimizer: Optimizer, steps: int, warmup: float = 0.05, final: float = 0.0) -> LambdaLR:
    """Return a linear warm-up, then half a cosine down to ``final`` (Loshchilov, Hutter, SGDR, ICLR 2017, equation 5).

    Args:
        optimizer: Optimiser whose learning rates are scaled.
        steps: Number of optimiser steps of the training.
        warmup: Share of the steps that warms up.
        final: Share of the learning rate that is left at the end.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = warmup_cosine(optimizer, steps=10, warmup=0.0)
        >>> [round(schedule.lr_lambdas[0](step), 3) for step in (0, 5, 10)]
        [1.0, 0.5, 0.0]
    """
    rise = max(1, round(warmup * steps))

    def scale(step: int) -> float:
        if warmup > 0 and step < rise:
            return (step + 1) / rise
        done = min(1.0, (step - rise * (warmup > 0)) / max(1, steps - rise * (warmup > 0)))
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(optimizer, scale)


def constant(optimizer: Optimizer, steps: int) -> LambdaLR:
    """Return a schedule that leaves the learning rate as it is."""
    return LambdaLR(optimizer, lambda step: 1.0)
