"""Alignment in a training loop of one's own: one call beside the model, one beside the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.alignment import Alignment, Loss
from haa.alignment.schedule import GradientNorm, WeightSchedule, constant
from haa.attention import AttentionSource
from haa.errors import InputError
from haa.losses import kl_divergence

Reader = AttentionSource | Callable[[Any], Tensor]
"""A source of `haa.attention`, or a function from the model to the map of its last forward pass."""


class Aligner:
    """Adds the alignment of a model's last forward pass to a loss; made by `align`.

    Args:
        model: is watched from now on, until `detach`.
        source: where its map comes from.
        alignment: compares the map with people's.

    Attributes:
        log: of the last call: ``align_loss`` (unweighted) and ``align_weight`` (in force), detached tensors.
    """

    def __init__(self, model: nn.Module, source: Reader, alignment: Alignment) -> None:
        self.model, self.alignment = model, alignment
        self.source: Any = source
        self.log: dict[str, Tensor] = {}
        if is_source(source):
            source.attach(model)

    def __call__(self, task_loss: Float[Tensor, ""], batch: Any, progress: float = 0.0) -> Float[Tensor, ""]:
        """The loss with the weighted alignment added.

        Args:
            task_loss: of the forward pass that was just made.
            batch: a mapping that has, whatever else it has, ``image`` ``(b, c, h, w)`` and ``fixations`` ``(b, n, 2)``
                (x, y in pixels of the image, NaN pads) or ``density`` ``(b, h, w)``; see `haa.batch.Batch`.
            progress: how much of the training is done, in [0, 1]; only schedules look at it.

        Raises:
            InputError: if the batch has no image, or the source has no map of this pass, or none with a gradient.
        """
        check_batch(batch)
        # the baseline measures the same map and keeps no graph; a derivative cannot be had without one
        counts = self.alignment.weight_at(progress) > 0
        with torch.set_grad_enabled(torch.is_grad_enabled() and (counts or getattr(self.source, "needs_graph", False))):
            attention = self.source.read() if is_source(self.source) else self.source(self.model)
        attention = attention if counts else attention.detach()
        total, self.log = self.alignment.join(task_loss, attention, batch, progress, self.model.named_parameters())
        return total

    def detach(self) -> None:
        """Leave the model as it was."""
        if is_source(self.source):
            self.source.detach()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.detach()


def align(
    model: nn.Module,
    source: Reader,
    loss: Loss = kl_divergence,
    weight: float = 1.0,
    sigma: float = 0.03,
    schedule: WeightSchedule | GradientNorm = constant,
) -> Aligner:
    """Pull any model's attention to where people look, in any training loop.

    Args:
        model: any module; it is watched, not changed.
        source: where its map comes from: one of `haa.attention`, or a function from the model to its last map.
        loss, weight, sigma, schedule: see `haa.alignment.Alignment`.

    Example:
        >>> from haa.attention import GradCAM
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
        >>> batch = {"image": torch.rand(2, 3, 16, 16), "fixations": torch.tensor([[[3.0, 4.0]], [[9.0, 9.0]]])}
        >>> aligned = align(model, source=GradCAM("0"), weight=0.5)
        >>> loss = nn.functional.cross_entropy(model(batch["image"]), torch.tensor([1, 2]))
        >>> loss = aligned(loss, batch)
        >>> loss.backward()
        >>> sorted(aligned.log)
        ['align_loss', 'align_weight']
    """
    return Aligner(model, source, Alignment(loss, weight, sigma, schedule))


def is_source(reader: Reader) -> TypeGuard[AttentionSource]:
    """Whether a reader is an attention source rather than a function."""
    return all(hasattr(reader, name) for name in ("attach", "read", "detach"))


def check_batch(batch: Any) -> None:
    """Raise `InputError` where a batch is not a mapping with an image."""
    if not isinstance(batch, Mapping) or "image" not in batch:
        keys = f"has {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else f"is a {type(batch).__name__}"
        raise InputError(f"the batch {keys}: alignment needs a mapping with image, and fixations or density")
