"""Accuracy of classifiers: torchmetrics' counts, a value per sample, and the mean over the clips of a video."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassStatScores


class TopAccuracy(MulticlassAccuracy):
    """The share of samples whose class is among the k of highest score; torchmetrics counts.

    Args:
        classes: how many there are.
        k: how many guesses count.

    Attributes:
        values: of the last update, per sample, 0 or 1.

    Example:
        >>> metric = TopAccuracy(classes=3, k=2)
        >>> metric.update(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]), torch.tensor([1, 0]))
        >>> metric.compute(), metric.values
        (tensor(0.5000), tensor([1., 0.]))
    """

    def __init__(self, classes: int, k: int = 1, **kwargs: Any) -> None:
        super().__init__(num_classes=classes, top_k=k, average="micro", validate_args=False, **kwargs)
        self.values: Float[Tensor, " b"] | None = None

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, " b"]) -> None:
        super().update(preds, target)
        self.values = (preds.topk(self.top_k, 1).indices == target[:, None]).any(1).float()


class ClassAccuracy(MulticlassStatScores):
    """The mean of the classes' own accuracies, over the classes that occur; torchmetrics counts.

    torchmetrics' macro average counts a class that only ever is a wrong guess as one of accuracy 0.

    Args:
        classes: how many there are.

    Example:
        >>> metric = ClassAccuracy(classes=4)
        >>> metric.update(torch.eye(4)[[0, 0, 3, 1]], torch.tensor([0, 0, 0, 1]))
        >>> metric.compute()  # (2 / 3 + 1) / 2
        tensor(0.8333)
    """

    higher_is_better = True

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(num_classes=classes, average=None, validate_args=False, **kwargs)

    def compute(self) -> Float[Tensor, ""]:
        right, *_, support = super().compute().unbind(-1)
        return (right / support)[support > 0].mean()


class VideoAccuracy(Metric):
    """The share of videos whose class is right by the mean of their clips' probabilities.

    K. Simonyan, A. Zisserman, Two-Stream Convolutional Networks for Action Recognition in Videos, NIPS 2014, section 5:
    class scores are averaged over what was sampled of a video.

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
        self.videos.append(torch.tensor([_number(name) for name in video], device=target.device))

    def compute(self) -> Float[Tensor, ""]:
        probabilities, labels, videos = (_whole(s) for s in (self.probabilities, self.labels, self.videos))
        names, row = videos.unique(return_inverse=True)
        # in double precision, so that the order in which processes hand in their clips does not matter
        totals = probabilities.new_zeros(len(names), probabilities.shape[1], dtype=torch.float64)
        totals.index_add_(0, row, probabilities.double())
        label = labels.new_zeros(len(names)).scatter_(0, row, labels)
        return (totals.argmax(1) == label).float().mean()


def _number(name: str) -> int:
    """The same for a name in every process: names cannot be gathered, numbers can."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)


def _whole(state: Tensor | list[Tensor]) -> Tensor:
    return state if isinstance(state, Tensor) else torch.cat(state)
