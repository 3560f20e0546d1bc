"""Batch and Output: the two types that flow through everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from jaxtyping import Bool, Float, Int
from torch import Tensor


class Batch(TypedDict):
    """What a loader yields: a plain dict, so that collating, pinning, transfer and DDP need nothing special.

    Gaze is ``fixations`` (points) or ``density`` (a published map); neither ever stands in for the other. Points are
    (x, y), 0-based float pixels of ``image``, where an integer is a pixel's centre; NaN pads.
    """

    image: Float[Tensor, "b 3 h w"]
    """RGB in [0, 1] (uint8 while it travels; `AlignedModule` scales it on the device). Backbones normalise."""
    id: list[str]

    fixations: NotRequired[Float[Tensor, "b n 2"]]
    own_fixations: NotRequired[Float[Tensor, "b m 2"]]
    """The sample's own, in training splits, where a condition may have put others into ``fixations``: what saliency
    learns to predict, whatever its attention is aligned with."""
    density: NotRequired[Float[Tensor, "b h w"]]
    """Sums to 1; only from datasets that publish maps and no points."""
    has_human: NotRequired[Bool[Tensor, " b"]]
    """False where nobody looked or nothing was recorded; such samples are masked, counted and reported."""

    native_size: NotRequired[list[tuple[int, int]]]
    """(height, width) of each stimulus before any resize; evaluation splits only."""
    native_fixations: NotRequired[Float[Tensor, "b n 2"]]
    """``fixations`` in pixels of the stimulus; evaluation splits only."""

    features: NotRequired[Float[Tensor, "b c i j"]]
    """A frozen backbone's features of ``image``, read from the feature cache."""

    question: NotRequired[list[str]]
    answers: NotRequired[list[list[str]]]
    """One or more ground-truth answers per question."""
    captions: NotRequired[list[list[str]]]
    """One or more reference captions per image."""


@dataclass
class Output:
    """What a task's `step` returns.

    Args:
        loss: the task loss, a scalar.
        prediction: whatever the task's metrics need.
        attention: where the model looked, ``(b, h, w)``, non-negative, at any resolution, differentiable.
        count: over how many samples the loss is a mean, where some take no part in it; None is all of them.
        score: what an attribution (`haa.attention.GradCAM`, say) explains, one value per sample, differentiable: in
            training that of the right answer, in evaluation that of the one given.
        words: which of the queries of a cross-attention count; padding does not.
    """

    loss: Float[Tensor, ""]
    prediction: Any
    attention: Float[Tensor, "b i j"] | None = None
    count: Int[Tensor, ""] | None = None
    score: Float[Tensor, " b"] | None = None
    words: Bool[Tensor, "b t"] | None = None
