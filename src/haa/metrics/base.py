"""The state that every per-sample metric keeps, so that a metric's class is its signature and its maths' name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torchmetrics import Metric

from haa.metrics.functional.maps import outside


class SampleMean(Metric):
    """The mean of a per-sample value over the samples for which it is defined, also across processes.

    A subclass implements ``update``, which hands the values ``(b,)`` to `add`; NaN marks a sample for which the metric
    is undefined. Undefined samples are counted, never averaged.

    Attributes:
        values: the per-sample values of the last update, on the device, NaN where undefined; None before.
        undefined: how many samples were undefined.
        outside: how many points were on no pixel of their map (padding is not counted).
    """

    full_state_update: bool | None = False
    is_differentiable: bool | None = False
    higher_is_better: bool | None = True
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """The least and the greatest value that a sample can have."""

    sum: Tensor
    count: Tensor
    undefined: Tensor
    outside: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values: Float[Tensor, " b"] | None = None
        # float64: five thousand float32 additions lose the sixth digit
        self.add_state("sum", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("undefined", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("outside", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        # a MetricCollection merges metrics whose states are equal after one update; where all samples were undefined
        # that would merge strangers, and a state of NaN is equal to none
        self.add_state("unmerged", torch.tensor(math.nan), dist_reduce_fx="sum")

    def add(self, values: Float[Tensor, " b"]) -> None:
        """Take in one value per sample, NaN where undefined."""
        values = values.detach()
        defined = ~values.isnan()
        self.values = values
        self.sum += torch.where(defined, values, 0.0).sum(dtype=self.sum.dtype)
        self.count += defined.sum()
        self.undefined += (~defined).sum()

    def compute(self) -> Float[Tensor, ""]:
        """The mean over the defined samples; NaN if there was none."""
        return (self.sum / self.count).float()

    def reset(self) -> None:
        super().reset()
        self.values = None

    def _apply(self, fn: Callable[..., Tensor], exclude_state: Any = "") -> Any:
        if fn(torch.zeros(1)).device.type == "mps":  # which has no float64
            self.sum = self.sum.float()
            self._defaults["sum"] = torch.zeros(())
        return super()._apply(fn, exclude_state)


class FixationMetric(SampleMean):
    """Base of the metrics that read a map at points: counts the points that lie outside."""

    def locate(self, prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> None:
        """Count the points outside; they take part as padding does."""
        if prediction.ndim == 3 and fixations.ndim == 3:
            self.outside += outside(fixations, prediction)
