"""Backbone to be trained from scratch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from haa.errors import InputError
from haa.models.backbone.base import Backbone, check_stages


class Tiny(Backbone):
    """Small convolutional network to be trained from scratch on small images: 64 px give an 8 x 8 grid.

    It has ``log2(stride)`` convolutions 3 x 3 of stride 2, which widen to ``channels``, then one of stride 1. Group
    normalisation and ReLU follow each. Group normalisation has no running statistics: a batch of any size, and one that
    is spread over processes, trains alike.

    Args:
        channels: Channels of the features, a multiple of 16.
        stride: Image pixels per cell of the coarsest features, a power of two.
        frozen: Fix the (random) weights.
        stages: Resolutions to return, from stride 2 (stage 0) on; negative ones count from the coarsest, None takes
            all.
        inputs: Channels of the image; other than 3 for a stream of another kind, such as motion.

    Raises:
        InputError: If ``stride`` is no power of two, ``channels`` no multiple of 16, or a stage is not there.

    Example:
        >>> import torch
        >>> Tiny(channels=32)(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 32, 8, 8])
        >>> [tuple(stage.shape) for stage in Tiny(stages=(0, 1, 2)).pyramid(torch.rand(1, 3, 64, 64))]
        [(1, 16, 32, 32), (1, 32, 16, 16), (1, 32, 8, 8)]
    """

    def __init__(
        self,
        channels: int = 32,
        stride: int = 8,
        frozen: bool = False,
        stages: Sequence[int] | None = (-1,),
        inputs: int = 3,
    ) -> None:
        super().__init__((0.5,) * inputs, (0.25,) * inputs)
        halvings = int(stride).bit_length() - 1
        if stride < 2 or stride != 1 << halvings:
            raise InputError(f"backbone.stride={stride}: the tiny backbone takes a power of two, 2 or more")
        if channels < 16 or channels % 16:
            raise InputError(f"backbone.channels={channels}: the tiny backbone takes a multiple of 16")
        check_stages(stages)
        stages = range(halvings) if stages is None else stages
        for stage in stages:
            if not -halvings <= stage < halvings:
                raise InputError(f"backbone.stages={list(stages)} is not in tiny: it has 0 to {halvings - 1}")
        widths = [inputs, max(channels // 2, 8), *[channels] * halvings]
        layers: list[nn.Module] = []
        for index, (in_channels, out_channels) in enumerate(itertools.pairwise(widths)):
            layers += [
                nn.Conv2d(in_channels, out_channels, 3, stride=2 if index < halvings else 1, padding=1, bias=False),
                nn.GroupNorm(8, out_channels),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self._chosen = [stage % halvings for stage in stages]
        self._coarsest = halvings - 1
        stage_channels = [widths[1 + stage] for stage in range(halvings - 1)] + [widths[-1]]
        channels_of_chosen, strides = zip(*((stage_channels[s], 2 ** (1 + s)) for s in self._chosen), strict=True)
        self.finish(channels_of_chosen, strides, None, frozen, self._chosen)

    def stages_of(self, image: Tensor) -> list[Tensor]:
        if self._chosen == [self._coarsest]:
            return [self.body(image)]
        maps, x = [], image
        for stage in range(self._coarsest):
            x = self.body[3 * stage : 3 * stage + 3](x)
            maps.append(x)
        maps.append(self.body[3 * self._coarsest :](x))
        return [maps[stage] for stage in self._chosen]
