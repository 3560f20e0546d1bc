"""Base of all backbones: images in, a grid of features out."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent, Size, on_picture
from haa.geometry.receptive_field import extents, looks_at

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's RGB in [0, 1]."""


class Backbone(nn.Module):
    """Base of all backbones: it normalises images, brings stages to one grid, and stays frozen if asked to.

    Where it is not ``stretched``, stages are put on the grid by where their cells look
    (`haa.geometry.receptive_field`): that of a stage whose grid it is, else one that is stretched over the picture.

    A subclass calls `finish` at the end of its constructor and implements `stages_of`. A frozen backbone is always in
    evaluation mode and its parameters take no gradient; gradients with respect to the *image* still flow.

    Args:
        mean: Mean of each channel in [0, 1] that the weights expect; the channels are RGB, unless the backbone reads a
            stream of another kind.
        std: Standard deviation of each channel that the weights expect.

    Attributes:
        channels: Channels of the features.
        stride: Image pixels per feature cell.
        stages: (channels, stride) of each chosen stage, in the order in which they were chosen.
        coarse_to_fine: Indices into ``stages``, from the coarsest stage to the finest.
        frozen: True if the weights are fixed, so that features can be cached.
        numbers: Number of each chosen stage, as the argument ``stages`` counts them from 0.
        stretched: True if every grid is taken to be stretched over the picture, wherever its cells look.
        trained: How the weights that it was built with were trained, in words to follow that one; None where they are
            random.
        mean: Mean of each channel, ``(1, c, 1, 1)``.
        std: Standard deviation of each channel, ``(1, c, 1, 1)``.
    """

    channels: int
    stride: int
    stages: list[tuple[int, int]]
    coarse_to_fine: list[int]
    frozen: bool
    numbers: list[int]
    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.stretched = False
        self.trained: str | None = None
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def finish(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        stride: int | None,
        frozen: bool,
        numbers: Sequence[int] | None = None,
    ) -> None:
        """Record the chosen stages, and freeze the weights if asked to.

        Args:
            channels: Channels of each chosen stage.
            strides: Stride of each chosen stage in image pixels.
            stride: Image pixels per feature cell to which the stages are resized; None takes the finest of them.
            frozen: Fix the weights.
            numbers: Number of each chosen stage; None counts them.

        Raises:
            InputError: If ``stride`` is below 1.
        """
        if stride is not None and stride < 1:
            raise InputError(f"backbone.stride={stride}: give the image pixels per feature cell, 1 or more, or null")
        self.channels = sum(channels)
        self.stages = list(zip(channels, strides, strict=True))
        self.numbers = list(range(len(channels)) if numbers is None else numbers)
        self.coarse_to_fine = sorted(range(len(strides)), key=lambda index: -strides[index])
        self.stride = min(strides) if stride is None else stride
        self._resize = stride is not None or len(set(strides)) > 1
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False).eval()

    def stages_of(self, image: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Return the chosen stages' features of a normalised image, each ``(b, c, i, j)``."""
        raise NotImplementedError

    def forward(
        self, image: Float[Tensor, "b 3 h w"], apart: bool = False
    ) -> Float[Tensor, "b c i j"] | list[Float[Tensor, "b _ _ _"]]:
        """Return the features of an RGB image in [0, 1], all chosen stages in one grid.

        Args:
            image: RGB in [0, 1].
            apart: Return each stage in its own grid, coarse to fine. Unlike `pyramid` this runs hooks, so that
                attention sources see the coarsest.
        """
        aligns = self._resize and not apart and not self.stretched
        lie = extents(self, image, self.pyramid) if aligns else [WHOLE] * len(self.stages)
        maps = self.pyramid(image)
        if apart:
            return [maps[index] for index in self.coarse_to_fine]
        if self._resize:
            grid = (math.ceil(image.shape[2] / self.stride), math.ceil(image.shape[3] / self.stride))
            target = next((e for m, e in zip(maps, lie, strict=True) if tuple(m.shape[2:]) == grid), WHOLE)
            maps = [looks_at(resized(m, grid, e.within(target)), target) for m, e in zip(maps, lie, strict=True)]
        return maps[0] if len(maps) == 1 else torch.cat(maps, 1)

    def pyramid(self, image: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c i j"]]:
        """Return the features of an RGB image in [0, 1], each chosen stage in its own grid."""
        return self.stages_of((image - self.mean) / self.std)

    def train(self, mode: bool = True) -> Backbone:
        return super().train(mode and not self.frozen)

    def extra_repr(self) -> str:
        return f"channels={self.channels}, stride={self.stride}, frozen={self.frozen}"


def backbone_weights(model: nn.Module) -> str | None:
    """Return in words what the weights of a model's backbone are: random or trained on what, and if they are fixed.

    Returns:
        None where the model has no backbone.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> from haa.models.attention_pooling import AttentionPooling
        >>> backbone_weights(AttentionPooling(Tiny(frozen=True), class_vocab=2))
        'random, frozen'
    """
    # a model of the Hugging Face hub's is its own backbone
    whole: Any = getattr(model, "backbone", model)
    if not hasattr(whole, "trained"):
        return None
    fixed = ", with adapters" if getattr(whole, "adapts", False) else ", frozen" * whole.frozen
    return ("random" if whole.trained is None else f"trained {whole.trained}") + fixed


def resized(x: Float[Tensor, "b c i j"], grid: Size, extent: Extent = WHOLE) -> Float[Tensor, "b c h w"]:
    """Return maps on another grid, in their type: means over its cells where it is coarser, else between their cells.

    Args:
        x: Maps.
        grid: Rows and columns of the grid.
        extent: What the maps cover, in shares of what the grid covers.

    Example:
        >>> resized(torch.rand(1, 2, 4, 6), (2, 3)).shape, resized(torch.rand(1, 2, 4, 6), (8, 12)).shape
        (torch.Size([1, 2, 2, 3]), torch.Size([1, 2, 8, 12]))
    """
    if tuple(x.shape[2:]) != grid and x.shape[2] >= grid[0] and x.shape[3] >= grid[1]:
        x = F.adaptive_avg_pool2d(x, grid)  # the mean over a cell: interpolation would skip features
    if tuple(x.shape[2:]) == grid and extent == WHOLE:
        return x
    return on_picture(x, grid, extent).to(x.dtype)


def close_names(name: str, known: Sequence[str]) -> str:
    """Return the part of an error message that proposes the known names closest to ``name``."""
    close = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=5, cutoff=0.5)
    return f"did you mean {', '.join(close)}?" if close else "see its list_models()"


def check_stages(stages: Sequence[int] | None) -> None:
    """Refuse an empty choice of stages; None is all of them.

    Raises:
        InputError: If ``stages`` is empty.
    """
    if stages is not None and not len(stages):
        raise InputError("backbone.stages=[]: give at least one stage, [-1] for the last")
