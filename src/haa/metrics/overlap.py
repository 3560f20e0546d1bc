"""Overlap of predicted masks with the true ones as classes."""

from __future__ import annotations

from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from haa.metrics.base import SampleMean
from haa.metrics.functional.overlap import THRESHOLD, dice, iou


class Dice(SampleMean):
    """Mean over images of the Dice coefficient, see `haa.metrics.functional.dice`.

    Args:
        threshold: Probability above which a pixel is said to belong to the object.
        **kwargs: See torchmetrics.Metric.

    Example:
        >>> import torch
        >>> metric = Dice()
        >>> metric.update(torch.tensor([[[0.6, 0.7, 0.2]]]), torch.tensor([[[0, 255, 255]]], dtype=torch.uint8))
        >>> metric.compute()
        tensor(0.5000)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def __init__(self, threshold: float = THRESHOLD, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def update(self, prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"]) -> None:
        self.add(dice(prediction, mask, self.threshold))


class IoU(SampleMean):
    """Mean over images of the intersection over union, see `haa.metrics.functional.iou`.

    Args:
        threshold: Probability above which a pixel is said to belong to the object.
        **kwargs: See torchmetrics.Metric.

    Example:
        >>> import torch
        >>> metric = IoU()
        >>> metric.update(torch.tensor([[[0.6, 0.7, 0.2]]]), torch.tensor([[[0, 255, 255]]], dtype=torch.uint8))
        >>> metric.compute()
        tensor(0.3333)
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def __init__(self, threshold: float = THRESHOLD, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def update(self, prediction: Shaped[Tensor, "b h w"], mask: Shaped[Tensor, "b h w"]) -> None:
        self.add(iou(prediction, mask, self.threshold))
