"""Measures of salient object detection as classes; a maximum is that of the data set's mean curve."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from haa.metrics.base import SampleMean
from haa.metrics.functional.object_sums import LEVELS
from haa.metrics.functional.salient_objects import salient_objects

NAMES = ("mae", "f_adaptive", "f_mean", "f_max", "f_weighted", "s_measure", "e_adaptive", "e_mean", "e_max")


class SalientObjects(SampleMean):
    """Nine measures of salient object detection, computed in one pass, see `haa.metrics.functional.salient_objects`.

    ``compute`` returns ``{name: value}``. ``f_max`` and ``e_max`` are the greatest values of the data set's mean
    curves, as the field reports them, not the means of the images' own greatest values.

    Attributes:
        values: Dict name -> values per sample ``(b,)`` of the last update; ``f_max`` and ``e_max`` are those of the
            image's own curves. None before the first update and after ``reset``.

    Example:
        >>> metric = SalientObjects()
        >>> metric.update(torch.tensor([[[0.0, 0.2, 0.6, 1.0]]]), torch.tensor([[[0, 0, 255, 255]]], dtype=torch.uint8))
        >>> round(metric.compute()["mae"].item(), 4)
        0.15
    """

    higher_is_better: bool | None = None
    bounds = (0.0, 1.0)
    directions: ClassVar[dict[str, bool] | None] = {name: name != "mae" for name in NAMES}
    """Whether more is better, of each measure by name; None where there is one measure, of `higher_is_better`."""
    name: ClassVar[str] = "s_measure"
    """Measure that is NaN for an undefined sample, and of which ``sum`` is the sum."""
    values: Any
    totals: Tensor
    f_curve: Tensor
    e_curve: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("totals", torch.zeros(len(NAMES), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("f_curve", torch.zeros(LEVELS, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("e_curve", torch.zeros(LEVELS, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"]) -> None:
        scores = {name: value.detach() for name, value in salient_objects(prediction, mask).items()}
        self.add(scores[self.name])
        self.values = {name: scores[name] for name in NAMES}
        defined = ~scores["s_measure"].isnan()
        table = torch.where(defined, torch.stack([scores[name] for name in NAMES]), 0.0)
        self.totals += table.sum(1).to(self.totals.dtype)
        for curve, name in ((self.f_curve, "f_curve"), (self.e_curve, "e_curve")):
            curve += torch.where(defined[:, None], scores[name], 0.0).sum(0).to(curve.dtype)

    def compute(self) -> Any:
        values = dict(zip(NAMES, (self.totals / self.count).float().unbind(), strict=True))
        values["f_max"] = (self.f_curve.amax() / self.count).float()
        values["e_max"] = (self.e_curve.amax() / self.count).float()
        return values


class _One(SalientObjects):
    """Base of the metrics of one measure, which ``name`` names; ``values`` is its tensor ``(b,)``."""

    higher_is_better = True
    directions = None

    def update(self, prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"]) -> None:
        super().update(prediction, mask)
        self.values = self.values[self.name]

    def compute(self) -> Float[Tensor, ""]:
        return super().compute()[self.name]


class MAE(_One):
    """Mean absolute error of stretched predictions, see `haa.metrics.functional.salient_objects`.

    Example:
        >>> metric = MAE()
        >>> metric.update(torch.tensor([[[0.0, 0.2, 0.6, 1.0]]]), torch.tensor([[[0, 0, 255, 255]]], dtype=torch.uint8))
        >>> round(metric.compute().item(), 4)
        0.15
    """

    name = "mae"
    higher_is_better = False


class FAdaptive(_One):
    """F-measure at the adaptive threshold, see `haa.metrics.functional.salient_objects`."""

    name = "f_adaptive"


class FMean(_One):
    """F-measure averaged over thresholds, see `haa.metrics.functional.salient_objects`."""

    name = "f_mean"


class FMax(_One):
    """Greatest F-measure of the data set's mean curve, see `haa.metrics.functional.salient_objects`."""

    name = "f_max"


class FWeighted(_One):
    """Weighted F-measure, see `haa.metrics.functional.salient_objects`."""

    name = "f_weighted"


class SMeasure(_One):
    """Structure measure, see `haa.metrics.functional.salient_objects`."""

    name = "s_measure"


class EAdaptive(_One):
    """Enhanced alignment at the adaptive threshold, see `haa.metrics.functional.salient_objects`."""

    name = "e_adaptive"


class EMean(_One):
    """Enhanced alignment averaged over thresholds, see `haa.metrics.functional.salient_objects`."""

    name = "e_mean"


class EMax(_One):
    """Greatest enhanced alignment of the data set's mean curve, see `haa.metrics.functional.salient_objects`."""

    name = "e_max"
