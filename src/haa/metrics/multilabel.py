"""Scores of samples that may have several labels, as classes."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric

from haa.metrics import functional
from haa.metrics.base import SampleMean, in_own_type


class TopLabel(SampleMean):
    """Share of samples whose known label of highest score is present, see `haa.metrics.functional.top_label`.

    Example:
        >>> metric = TopLabel()
        >>> metric.update(torch.tensor([[2.0, -1.0], [0.5, 0.1]]), torch.tensor([[1, 0], [0, 1]]))
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, "b n"]) -> None:
        self.add(functional.top_label(preds, target))


class LabelAccuracy(SampleMean):
    """Mean share of a sample's known labels that are right, see `haa.metrics.functional.label_accuracy`.

    Example:
        >>> metric = LabelAccuracy()
        >>> metric.update(torch.tensor([[2.0, -1.0], [0.5, 0.1]]), torch.tensor([[1, 0], [0, 1]]))
        >>> metric.compute()
        tensor(0.7500)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, "b n"]) -> None:
        self.add(functional.label_accuracy(preds, target))


class RankingPrecision(SampleMean):
    """Mean average precision of the samples' rankings, see `haa.metrics.functional.ranking_precision`.

    Example:
        >>> metric = RankingPrecision()
        >>> metric.update(torch.tensor([[2.0, -1.0], [0.5, 0.1]]), torch.tensor([[1, 0], [0, 1]]))
        >>> metric.compute()
        tensor(0.7500)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, "b n"]) -> None:
        self.add(functional.ranking_precision(preds, target))


class ClassCurves(Metric):
    """Macro averages over classes of the area under the ROC curve and of the average precision.

    ``compute`` returns ``auroc`` and ``mean_ap``, the means over the classes of which both a present and an absent
    sample are known (NaN where there is none), and ``scored_classes``, their number. See
    `haa.metrics.functional.class_curves`. The scores of all samples are kept until ``compute``.

    Attributes:
        per_class: ``auroc`` and ``ap`` of each class ``(n,)``, NaN where undefined; None before ``compute``.

    Example:
        >>> metric = ClassCurves()
        >>> metric.update(torch.tensor([[0.9, 0.5], [0.8, 0.5], [0.1, 0.5]]), torch.tensor([[1, 1], [0, 1], [1, -1]]))
        >>> {name: round(value.item(), 4) for name, value in metric.compute().items()}
        {'auroc': 0.5, 'mean_ap': 0.8333, 'scored_classes': 1.0}
    """

    full_state_update = False
    is_differentiable = False
    directions: ClassVar[dict[str, bool | None]] = {"auroc": True, "mean_ap": True, "scored_classes": None}
    scores: Any
    labels: Any

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.per_class: dict[str, Float[Tensor, " n"]] | None = None
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, "b n"]) -> None:
        self.scores.append(preds.detach().float())
        self.labels.append(target)

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        scores, labels = (s if isinstance(s, Tensor) else torch.cat(s) for s in (self.scores, self.labels))
        areas, precisions = functional.class_curves(scores, labels)
        self.per_class = {"auroc": areas.float(), "ap": precisions.float()}
        return {
            "auroc": areas.nanmean().float(),
            "mean_ap": precisions.nanmean().float(),
            "scored_classes": (~areas.isnan()).sum().float(),
        }

    def reset(self) -> None:
        super().reset()
        self.per_class = None

    def _apply(self, fn: Any, exclude_state: Any = "") -> Any:
        return super()._apply(in_own_type(fn), exclude_state)
