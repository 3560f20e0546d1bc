"""Accuracy of classifiers: per sample, per class, and per video as the mean over its clips."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassStatScores


class TopAccuracy(MulticlassAccuracy):
    """Share of samples whose class is among the k classes of highest score; torchmetrics counts.

    Args:
        classes: Number of classes.
        k: Number of guesses that count.

    Attributes:
        values: Values per sample of the last update, ``(b,)``, 0 or 1. None before the first update and after
            ``reset``.

    Example:
        >>> metric = TopAccuracy(classes=3, k=2)
        >>> metric.update(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]), torch.tensor([1, 0]))
        >>> metric.compute(), metric.values
        (tensor(0.5000), tensor([1., 0.]))
    """

    values_after: ClassVar[Literal["update", "compute"]] = "update"
    """Call that sets ``values``, as in `haa.metrics.base.SampleMean`: each update sets those of its batch."""

    def __init__(self, classes: int, k: int = 1, **kwargs: Any) -> None:
        super().__init__(num_classes=classes, top_k=k, average="micro", validate_args=False, **kwargs)
        self.values: Float[Tensor, " b"] | None = None

    def update(self, preds: Float[Tensor, "b n"], target: Int[Tensor, " b"]) -> None:
        super().update(preds, target)
        self.values = (preds.topk(self.top_k, 1).indices == target[:, None]).any(1).float()

    def reset(self) -> None:
        super().reset()
        self.values = None


class ClassAccuracy(MulticlassStatScores):
    """Mean of the classes' own accuracies, over the classes that occur as a label; torchmetrics counts.

    torchmetrics' macro average differs: there, a class that occurs only as a wrong guess counts with accuracy 0.

    Args:
        classes: Number of classes.

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
        self.videos.append(torch.tensor([_number(name) for name in video], device=target.device))

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
