"""Segmentation from a backbone's coarse features: a U-Net, or an FCN where there are no skip connections."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent
from haa.geometry.receptive_field import extents
from haa.models.backbone import Backbone
from haa.models.backbone.base import resized
from haa.models.residual_gate import ResidualGate


class UNet(nn.Module):
    """Segmentation model with spatial attention at the bottleneck; it gives a mask's logits at every decoder scale.

    The bottleneck is the backbone's coarsest stage, gated by `ResidualGate`. The decoder upsamples, concatenates the
    next finer stage, and convolves, stage after stage. Last comes a small convolution of the image itself, at stride 4,
    unless a stage is as fine. Every scale predicts the whole mask (side supervision). Where the backbone is not
    ``stretched``, scales are laid upon each other, and masks upon the picture, by where their cells look.

    A frozen backbone gives all stages in one grid, so that its features can be cached: the model is then an FCN. A
    trained backbone with several stages (``backbone.stages=[1,2,3]``) is the encoder of a U-Net.

    O. Ronneberger, P. Fischer, T. Brox, U-Net, MICCAI 2015 (skips); J. Long, E. Shelhamer, T. Darrell, Fully
    Convolutional Networks for Semantic Segmentation, CVPR 2015; S. Xie, Z. Tu, Holistically-Nested Edge Detection, ICCV
    2015 (side supervision).

    Args:
        backbone: Backbone that gives the features, see `haa.models.backbone`.
        hidden: Channels of the decoder, a multiple of 8.
        detail: Channels of the convolution of the image, a multiple of 8; 0 leaves it out.

    Raises:
        InputError: If ``hidden`` or ``detail`` is not a multiple of 8.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> sides, attention = UNet(Tiny(stages=(0, 1, 2)))(torch.rand(2, 3, 64, 64))
        >>> [tuple(side.shape) for side in sides], attention.shape
        ([(2, 8, 8), (2, 16, 16), (2, 32, 32)], torch.Size([2, 8, 8]))
    """

    def __init__(self, backbone: Backbone, hidden: int = 24, detail: int = 16) -> None:
        super().__init__()
        if hidden < 8 or hidden % 8 or detail < 0 or detail % 8:
            raise InputError(f"model.hidden={hidden}, model.detail={detail}: give multiples of 8 (detail may be 0)")
        self.backbone = backbone
        self.skips = len(backbone.stages) > 1 and not backbone.frozen
        stages = [(backbone.channels, backbone.stride)]
        if self.skips:
            stages = [backbone.stages[index] for index in backbone.coarse_to_fine]
        widths = [channels for channels, _ in stages]
        self.detail: nn.Module | None = None
        if detail and stages[-1][1] > 4:
            self.detail = nn.Sequential(_block(3, detail, stride=2), _block(detail, detail, stride=2))
            widths.append(detail)
        self.enter = _block(widths[0], hidden)
        self.gate = ResidualGate(hidden)
        self.blocks = nn.ModuleList(_block(hidden + width, hidden) for width in widths[1:])
        self.sides = nn.ModuleList(nn.Conv2d(hidden, 1, 1) for _ in widths)

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"],
        features: Float[Tensor, "b c i j"] | None = None,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[list[Float[Tensor, "b _ _"]], Float[Tensor, "b i j"]]:
        """Return the logits, coarse to fine, each at its own resolution, and the attention.

        Args:
            image: RGB in [0, 1].
            features: Features as a frozen backbone returns them, if the caller has them already.
            attention: Inserted map to look by instead of the model's own attention, at any resolution; an all-zero map
                leaves a sample its own.
        """
        if features is None or self.skips:
            maps = self.backbone(image, apart=True) if self.skips else [self.backbone(image)]
        else:
            maps = [features]
        if self.detail is not None:
            maps.append(self.detail(image - 0.5))
        lie = self._extents(image)
        x, gate = self.gate(self.enter(maps[0]), attention)
        scales = [x]
        for block, skip, coarse, fine in zip(self.blocks, maps[1:], lie[:-1], lie[1:], strict=True):
            x = resized(x, (skip.shape[2], skip.shape[3]), coarse.within(fine))
            x = block(torch.cat([x, skip], 1))
            scales.append(x)
        logits = [side(x) for side, x in zip(self.sides, scales, strict=True)]
        return [resized(x, (x.shape[2], x.shape[3]), extent)[:, 0] for x, extent in zip(logits, lie, strict=True)], gate

    def _extents(self, image: Tensor) -> list[Extent]:
        """Return where the cells of each scale look, coarse to fine."""
        if self.backbone.stretched:
            return [WHOLE] * len(self.sides)
        if self.skips:
            stages = extents(self.backbone, image, self.backbone.pyramid)
            lie = [stages[index] for index in self.backbone.coarse_to_fine]
        else:
            lie = [*extents(self.backbone, image)]
        return lie if self.detail is None else [*lie, *extents(self.detail, image)]


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.GroupNorm(8, outputs), nn.ReLU()
    )
