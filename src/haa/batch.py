"""Batch and Output: the two types that flow through everything; and clips as the stills that they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torchvision.transforms.v2.functional import to_dtype

from haa.errors import InputError


class Batch(TypedDict):
    """What a loader yields: a plain dict, so that collating, pinning, transfer and DDP need nothing special.

    Gaze is ``fixations`` (points) or ``density`` (a published map); neither ever stands in for the other. Points are
    (x, y), 0-based float pixels of ``image``, where an integer is a pixel's centre; NaN pads.

    A batch of clips has ``clip`` in the place of ``image``, and everything that is said of gaze is said for each of its
    t frames: ``fixations (b, t, n, 2)``, ``has_human (b, t)``, ``density (b, t, h, w)``. `stills` takes it apart.
    """

    image: NotRequired[Float[Tensor, "b 3 h w"]]
    """RGB in [0, 1] (uint8 while it travels; `AlignedModule` scales it on the device). Backbones normalise."""
    clip: NotRequired[Float[Tensor, "b t 3 h w"]]
    """Frames in order, as ``image``."""
    id: list[str]

    fixations: NotRequired[Float[Tensor, "b *t n 2"]]
    own_fixations: NotRequired[Float[Tensor, "b *t m 2"]]
    """The sample's own, in training splits, where a condition may have put others into ``fixations``: what saliency
    learns to predict, whatever its attention is aligned with."""
    density: NotRequired[Float[Tensor, "b *t h w"]]
    """Sums to 1; only from datasets that publish maps and no points."""
    has_human: NotRequired[Bool[Tensor, " b *t"]]
    """False where nobody looked or nothing was recorded; such samples are masked, counted and reported."""

    native_size: NotRequired[list[tuple[int, int]]]
    """(height, width) of each stimulus before any resize; evaluation splits only."""
    native_fixations: NotRequired[Float[Tensor, "b *t n 2"]]
    """``fixations`` in pixels of the stimulus; evaluation splits only."""

    features: NotRequired[Float[Tensor, "b c i j"]]
    """A frozen backbone's features of ``image``, read from the feature cache."""

    question: NotRequired[list[str]]
    answers: NotRequired[list[list[str]]]
    """One or more ground-truth answers per question."""
    captions: NotRequired[list[list[str]]]
    """One or more reference captions per image."""
    mask: NotRequired[UInt8[Tensor, "b h w"]]
    """255 on the salient objects of ``image``, 0 elsewhere."""
    native_mask: NotRequired[list[UInt8[Tensor, "h w"]]]
    """``mask`` in pixels of each stimulus; evaluation splits only."""
    label: NotRequired[Int[Tensor, " b"]]
    """An index into the dataset's ``classes``."""
    video: NotRequired[list[str]]
    """The video that each clip was cut from."""


@dataclass
class Output:
    """What a task's `step` returns.

    Args:
        loss: the task loss, a scalar.
        prediction: whatever the task's metrics need.
        attention: where the model looked, ``(b, i, j)``, non-negative, at any resolution, differentiable; for clips
            ``(b, t, i, j)``, a map for each frame.
        count: over how many samples the loss is a mean, where some take no part in it; None is all of them.
        score: what an attribution (`haa.attention.GradCAM`, say) explains, one value per sample, differentiable: in
            training that of the right answer, in evaluation that of the one given.
        words: which of the queries of a cross-attention count; padding does not.
    """

    loss: Float[Tensor, ""]
    prediction: Any
    attention: Float[Tensor, "b *t i j"] | None = None
    count: Int[Tensor, ""] | None = None
    score: Float[Tensor, " b"] | None = None
    words: Bool[Tensor, "b t"] | None = None


def stills(batch: Batch) -> Batch:
    """A batch of b clips of t frames as one of b * t still pictures with their gaze; one of stills as it is.

    Example:
        >>> import torch
        >>> clips = {"id": ["a"], "clip": torch.zeros(1, 8, 3, 4, 4), "fixations": torch.zeros(1, 8, 5, 2)}
        >>> pictures = stills(clips)
        >>> pictures["image"].shape, pictures["fixations"].shape, len(pictures["id"])
        (torch.Size([8, 3, 4, 4]), torch.Size([8, 5, 2]), 8)
    """
    if "clip" not in batch:
        return batch
    length = batch["clip"].shape[1]
    out: dict[str, Any] = {"image": batch["clip"].flatten(0, 1)}
    for key, value in batch.items():
        if key in ("fixations", "own_fixations", "native_fixations", "density", "has_human"):
            out[key] = value.flatten(0, 1)  # type: ignore[attr-defined]
        elif key in ("id", "native_size"):
            out[key] = [entry for entry in value for _ in range(length)]  # type: ignore[attr-defined]
    return out  # type: ignore[return-value]


def maps_of_stills(maps: Float[Tensor, "b *t i j"], batch: Batch) -> Float[Tensor, "n i j"]:
    """A map for each of a batch's `stills`.

    Raises:
        InputError: if there are not as many.
    """
    leading = batch["clip"].shape[:2] if "clip" in batch else batch["image"].shape[:1]
    if maps.shape[:-2] != leading:
        raise InputError(
            f"attention has shape {tuple(maps.shape)}, and the batch has pictures of shape {tuple(leading)}: "
            "give one map (i, j) for each picture, or for each frame of each clip"
        )
    return maps.reshape(-1, *maps.shape[-2:])


def in_unit_range(batch: Batch) -> Batch:
    """The batch with its images or clips in [0, 1]: they travel to the device as uint8, a quarter of the bytes."""
    key: Literal["clip", "image"] = "clip" if "clip" in batch else "image"
    if batch[key].dtype != torch.uint8:
        return batch
    return {**batch, key: to_dtype(batch[key], torch.float32, scale=True)}  # type: ignore[misc]


def middle(batch: Batch, attention: Tensor) -> tuple[Batch, Tensor]:
    """Of every clip the middle frame with its gaze and its map; stills as they are."""
    if "clip" not in batch:
        return batch, attention
    length = batch["clip"].shape[1]
    pictures = stills(batch)
    rows = slice(length // 2, None, length)
    return {key: value[rows] for key, value in pictures.items()}, attention[:, length // 2]  # type: ignore
