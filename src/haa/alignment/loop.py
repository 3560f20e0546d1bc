"""Alignment in your own training loop: one call after the model is made, one where the loss is made."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.alignment import Alignment, Loss
from haa.alignment.any_batch import Named, named, suggestion
from haa.alignment.schedule import GradientNorm, WeightSchedule, constant
from haa.attention import AttentionSource
from haa.attention.host import placed
from haa.attention.source import Source
from haa.geometry.extent import WHOLE
from haa.losses import kl_divergence

Reader = AttentionSource | Callable[[Any], Tensor]
"""Source of `haa.attention`, or function from the model to the map of its last forward pass."""


class Aligner:
    """Callable that adds the alignment of a model's last forward pass to a loss; `align` makes it.

    Args:
        model: Model, which is watched from now on, until `detach`.
        source: Source of its map.
        alignment: Comparison of the map with people's.
        batch: Function from the loop's batch to a mapping with ``image`` and gaze, see `align`.

    Attributes:
        log: Values of the last call: ``align_loss`` (unweighted) and ``align_weight`` (in force), detached tensors.
    """

    def __init__(self, model: nn.Module, source: Reader, alignment: Alignment, batch: Named | None = None) -> None:
        self.model, self.alignment, self.batch = model, alignment, batch
        self.source: Any = source
        self.log: dict[str, Tensor] = {}
        if is_source(source):
            source.attach(model)

    def __call__(self, task_loss: Float[Tensor, ""], batch: Any, progress: float = 0.0) -> Float[Tensor, ""]:
        """Return the loss with the weighted alignment added.

        Args:
            task_loss: Loss of the last forward pass, a scalar.
            batch: Mapping with ``image`` ``(b, c, h, w)`` and with ``fixations`` ``(b, n, 2)`` (x, y in pixels of the
                image, NaN pads) or ``density`` ``(b, h, w)``; see `haa.batch.Batch`. It may hold anything besides. Of
                another form where `align` was given ``batch=``.
            progress: Share of the training that is done, in [0, 1]; only schedules look at it.

        Raises:
            InputError: If the batch has no image, or the source has no map of this pass, or none with a gradient.
        """
        batch = gaze_of(batch, self.batch)
        # the baseline measures the same map without a graph, unless the source needs one to differentiate
        has_weight = self.alignment.weight_at(progress) > 0
        needs_graph = has_weight or getattr(self.source, "needs_graph", False)
        with torch.set_grad_enabled(torch.is_grad_enabled() and needs_graph):
            attention, extent = placed(self.source) if is_source(self.source) else (self.source(self.model), WHOLE)
        attention = attention if has_weight else attention.detach()
        total, self.log = self.alignment.join(
            task_loss, attention, batch, progress, self.model.named_parameters(), extent
        )
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
    stretched: bool = False,
    batch: Named | None = None,
) -> Aligner:
    """Pull any model's attention to where people look, in any training loop.

    Args:
        model: Any module; it is watched, not changed.
        source: Source of its map: one of `haa.attention`, or a function from the model to its last map.
        loss: Loss that compares the two maps, see `haa.alignment.Alignment`.
        weight: Factor of the loss, see `haa.alignment.Alignment`.
        sigma: Standard deviation of the Gaussian around a fixation, see `haa.alignment.Alignment`.
        schedule: Factor of ``weight`` over the training, see `haa.alignment.Alignment`.
        stretched: Take the map to be stretched over the picture, wherever its cells look; else they are compared with
            the gaze where they look (`haa.geometry.receptive_field`).
        batch: Function from the loop's batch to a mapping with ``image`` and ``fixations`` or ``density``, such as
            ``lambda b: {"image": b[0], "fixations": b[2]}``. None takes the batch as it is.

    Returns:
        The callable that adds the alignment to a loss.

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
    if isinstance(source, Source):
        source.stretched = stretched
    return Aligner(model, source, Alignment(loss, weight, sigma, schedule), batch)


def is_source(reader: Reader) -> TypeGuard[AttentionSource]:
    """Return whether a reader is an attention source rather than a function."""
    return all(hasattr(reader, name) for name in ("attach", "read", "detach"))


def gaze_of(batch: Any, function: Named | None = None) -> Any:
    """Return a loop's batch as a mapping with image and gaze (`haa.alignment.any_batch.named`).

    Raises:
        InputError: If it is none.
    """
    made = named(batch, function)
    if "fixations" not in made and "density" not in made:
        warnings.warn(
            f"a batch has no gaze, and is not aligned ({suggestion(batch)}; fixations that are all NaN say the same of "
            "samples that nobody looked at)",
            stacklevel=3,
        )
    points = made.get("fixations")
    if isinstance(points, Tensor) and points.dtype in (torch.float16, torch.bfloat16):
        warnings.warn(
            f"fixations come in {str(points.dtype).removeprefix('torch.')}, which holds a coordinate of 1,000 pixels "
            "to half a pixel at best: leave them in float32 where you cast the batch",
            stacklevel=3,
        )
    return made
