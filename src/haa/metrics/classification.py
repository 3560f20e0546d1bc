"""Accuracy of classifiers: per sample, per class, and per video as the mean over its clips."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric

from haa.geometry.to_device import to_device
from haa.metrics.base import SampleMean


class TopAccuracy(SampleMean):
    """Share of samples whose class is among the k classes of highest score.

    Args:
        classes: Number of classes.
        k: Number of guesses that count.

    Example:
        >>> metric = TopAccuracy(classes=3, k=2)
        >>> metric.update(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]), torch.tensor([1, 0]))
        >>> metric.compute(), metric.values
        (tensor(0.5000), tensor([1., 0.]))
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def __init__(self, classes: int, k: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = min(k, classes)

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, " b"]) -> None:
        self.add((preds.topk(self.k, 1).indices == target[:, None]).any(1).float())


class ClassAccuracy(Metric):
    """Mean of the classes' own accuracies, over the classes that occur as a label.

    The macro average of torchmetrics differs: there, a class that occurs only as a wrong guess counts with accuracy 0.

    Args:
        classes: Number of classes.

    Example:
        >>> metric = ClassAccuracy(classes=4)
        >>> metric.update(torch.eye(4)[[0, 0, 3, 1]], torch.tensor([0, 0, 0, 1]))
        >>> metric.compute()  # (2 / 3 + 1) / 2
        tensor(0.8333)
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    right: Tensor
    support: Tensor

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("right", "support"):
            self.add_state(name, torch.zeros(classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, " b"]) -> None:
        self.right.index_add_(0, target, (preds.argmax(1) == target).long())
        self.support.index_add_(0, target, torch.ones_like(target))

    def compute(self) -> Float[Tensor, ""]:
        return (self.right / self.support)[self.support > 0].mean()


class VideoAccuracy(Metric):
    """Share of videos whose class is right, judged by the mean of their clips' probabilities.

    K. Simonyan, A. Zisserman, Two-Stream Convolutional Networks for Action Recognition in Videos, NIPS 2014, section 5:
    class scores are averaged over the samples of a video.

    Example:
        >>> metric = VideoAccuracy()
        >>> scores = torch.tensor([[0.6, 0.4], [0.1, 0.9], [0.8, 0.2]]).log()
        >>> metric.update(scores, torch.tensor([1, 1, 1]), ["a", "a", "b"])  # of a, 0.35 and 0.65
        >>> metric.compute()
        tensor(0.5000)
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    probabilities: list[Tensor]
    labels: list[Tensor]
    videos: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("probabilities", "labels", "videos"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, " b"], video: Sequence[str]) -> None:
        self.probabilities.append(preds.detach().float().softmax(1))
        self.labels.append(target)
        self.videos.append(to_device(torch.tensor([_number(name) for name in video]), target.device))

    def compute(self) -> Float[Tensor, ""]:
        probabilities, labels, videos = (_whole(s) for s in (self.probabilities, self.labels, self.videos))
        names, row = videos.unique(return_inverse=True)
        # float64: the sum does not depend on the order in which the processes' clips arrive
        totals = probabilities.new_zeros(len(names), probabilities.shape[1], dtype=torch.float64)
        totals.index_add_(0, row, probabilities.double())
        label = labels.new_zeros(len(names)).scatter_(0, row, labels)
        return (totals.argmax(1) == label).float().mean()


def _number(name: str) -> int:
    """Return a number for a name, the same in every process: processes can gather numbers, not names."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)


def _whole(state: Tensor | list[Tensor]) -> Tensor:
    return state if isinstance(state, Tensor) else torch.cat(state)
