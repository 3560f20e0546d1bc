"""The mean of a loss over batches of different sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from haa.metrics.base import in_own_type


class MeanLoss(Metric):
    """Mean of batches' losses, each weighted by the samples that it is a mean over, also across processes.

    torchmetrics' MeanMetric either waits for the host to look for NaN or, told not to, drops the weights.

    Example:
        >>> mean = MeanLoss()
        >>> mean.update(torch.tensor(1.0), 3)
        >>> mean.update(torch.tensor(5.0), torch.tensor(1))
        >>> mean.compute()
        tensor(2.)
    """

    full_state_update = False
    higher_is_better = False
    total: Tensor
    count: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float32), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float32), dist_reduce_fx="sum")

    def update(self, loss: Tensor, count: Tensor | int) -> None:
        self.total += loss.detach() * count
        self.count += count

    def _apply(self, fn: Callable[..., Tensor], exclude_state: Any = "") -> Any:
        return super()._apply(in_own_type(fn), exclude_state)

    def compute(self) -> Tensor:
        return self.total / self.count
