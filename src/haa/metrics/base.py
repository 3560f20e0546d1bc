"""Base classes of the metrics that keep one value per sample: a subclass adds its signature and its function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torchmetrics import Metric

from haa.metrics.functional.flat_maps import outside


class SampleMean(Metric):
    """Mean of a value per sample over the samples for which it is defined, also across processes.

    A subclass implements ``update``, which passes the values ``(b,)`` to `add`. NaN marks a sample for which the metric
    is undefined. Undefined samples are counted, never averaged.

    Attributes:
        values: Values per sample of the last update, on the device, NaN where undefined. They have the form of what
            ``compute`` returns: a tensor ``(b,)`` for one number, a dict name -> ``(b,)`` for a dict. None before the
            first update and after ``reset``.
        undefined: Number of undefined samples.
        outside: Number of points that lie on no pixel of their map (padding is not counted).
    """

    full_state_update: bool | None = False
    is_differentiable: bool | None = False
    higher_is_better: bool | None = None
    """Whether more is better; a subclass says it. Without it the report shows the metric and gives no verdict."""
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """Least and greatest value that a sample can have."""
    values_after: ClassVar[Literal["update", "compute"]] = "update"
    """Call that sets ``values``: each ``update`` (the last batch's), or only ``compute`` (those of the whole set)."""

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
        # A MetricCollection merges metrics whose states are equal after one update. If all samples of that update were
        # undefined, it would merge unrelated metrics. NaN equals nothing, so this state prevents every merge.
        self.add_state("unmerged", torch.tensor(math.nan), dist_reduce_fx="sum")

    def add(self, values: Float[Tensor, " b"]) -> None:
        """Add one value per sample to the mean; NaN counts the sample as undefined."""
        values = values.detach()
        defined = ~values.isnan()
        self.values = values
        known = defined.sum()
        # in place: an assignment to a module's attribute takes longer than the sum
        self.sum.add_(torch.where(defined, values, 0.0).sum(dtype=self.sum.dtype))
        self.count.add_(known)
        self.undefined.add_(values.numel() - known)

    def compute(self) -> Float[Tensor, ""]:
        """Return the mean over the defined samples, NaN if there was none."""
        return (self.sum / self.count).float()

    def reset(self) -> None:
        super().reset()
        self.values = None

    def _apply(self, fn: Callable[..., Tensor], exclude_state: Any = "") -> Any:
        if fn(torch.zeros(1)).device.type == "mps":  # which has no float64
            total = self.sum.float()
            # declared again, so that `reset` restores a float32 zero as well
            self.add_state("sum", torch.zeros_like(total), dist_reduce_fx="sum")
            self.sum = total
        return super()._apply(in_own_type(fn), exclude_state)


def in_own_type(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a function that moves tensors as ``fn`` does and leaves them their type.

    ``module.half()``, and with it Lightning's ``16-true``, would make a metric add up in half precision.

    Example:
        >>> in_own_type(torch.Tensor.half)(torch.ones(1)).dtype
        torch.float32
    """
    return lambda tensor: fn(tensor).to(tensor.dtype)


class FixationMetric(SampleMean):
    """Base of the metrics that read a map at points; it counts the points that lie outside the map."""

    def locate(self, prediction: Shaped[Tensor, "b h w"], fixations: Float[Tensor, "b n 2"]) -> None:
        """Count the points that lie outside the map; the metric ignores them as it ignores padding."""
        if prediction.ndim == 3 and fixations.ndim == 3:
            self.outside.add_(outside(fixations, prediction))
