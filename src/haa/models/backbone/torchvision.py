"""Backbones from torchvision, for what timm lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from haa.errors import InputError
from haa.models.backbone.base import IMAGENET, Backbone, check_stages, close_names
from haa.models.weights import are_read, fetch_torchvision, load, load_into


class TorchVision(Backbone):
    """Convolutional model of torchvision by name, for what timm lacks (AlexNet).

    A stage is a run of layers of one resolution and ends before the next pooling: AlexNet's stages are conv1, conv2,
    conv5 and the last pooling. Only models with a sequential ``features`` part (alexnet, vgg*, squeezenet*, densenet*,
    mobilenet*, efficientnet*, convnext*) have such stages.

    Args:
        name: Name as in ``torchvision.models.list_models()``.
        pretrained: Fetch torchvision's weights for that name.
        weights: Local file of weights to read instead, as for `Timm`.
        stages: Stages to concatenate; negative ones count from the last, None takes all.
        stride: Image pixels per feature cell to which the stages are resized; None takes the finest of them.
        frozen: Fix the weights.

    Raises:
        InputError: If the name is unknown or has no sequential ``features``, a stage is not there, or the weights
            cannot be had.

    Example:
        >>> backbone = TorchVision("alexnet", stages=(-2,))
        >>> backbone.channels, backbone(torch.rand(1, 3, 224, 224)).shape
        (256, torch.Size([1, 256, 13, 13]))

    A. Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014, arXiv:1404.5997 (AlexNet);
    K. Simonyan, A. Zisserman, ICLR 2015 (VGG).
    """

    def __init__(
        self,
        name: str,
        pretrained: bool = False,
        weights: str | None = None,
        stages: Sequence[int] | None = (-1,),
        stride: int | None = None,
        frozen: bool = False,
    ) -> None:
        import torchvision.models as zoo

        super().__init__(*IMAGENET)
        if name not in zoo.list_models(module=zoo):
            close = close_names(name, zoo.list_models(module=zoo))
            raise InputError(f"backbone.name={name} is not a model of torchvision: {close}")
        check_stages(stages)
        model = zoo.get_model(name, weights=None)
        if not isinstance(getattr(model, "features", None), nn.Sequential):
            raise InputError(f"backbone.name={name} has no sequential features in torchvision: take it from timm")
        if weights is not None and are_read():
            load_into(model, load(weights), name, weights)
            self.trained = f"as {weights} holds them"
        elif pretrained and are_read():
            published = zoo.get_model_weights(name).DEFAULT
            load_into(model, fetch_torchvision(name, published), name, "its published file")
            self.trained = f"as torchvision's {name} {published.name}"
        self.body = model.features
        with torch.device("meta"):
            ends = _resolutions(zoo.get_model(name, weights=None).features)
        stages = range(len(ends)) if stages is None else stages
        for stage in stages:
            if not -len(ends) <= stage < len(ends):
                raise InputError(f"backbone.stages={list(stages)} is not in {name}: it has 0 to {len(ends) - 1}")
        chosen = [ends[stage] for stage in stages]
        self._taken = [index for index, _, _ in chosen]
        self.body = self.body[: max(self._taken) + 1]
        numbers = [stage % len(ends) for stage in stages]
        self.finish([c for _, c, _ in chosen], [s for _, _, s in chosen], stride, frozen, numbers)

    def stages_of(self, image: Tensor) -> list[Tensor]:
        features_by_layer, x = {}, image
        for index, layer in enumerate(self.body):
            x = layer(x)
            if index in self._taken:
                features_by_layer[index] = x
        return [features_by_layer[index] for index in self._taken]


def _resolutions(layers: nn.Sequential) -> list[tuple[int, int, int]]:
    """Return (index of the last layer, channels, stride) of each resolution.

    The layers lie on the meta device, where only shapes are computed.
    """
    side = 256
    x = torch.empty(1, 3, side, side, device="meta")
    ends: list[tuple[int, int, int]] = []
    previous_side = 0
    for index, layer in enumerate(layers.eval()):
        x = layer(x)
        if x.shape[2] == previous_side:
            ends.pop()
        previous_side = x.shape[2]
        ends.append((index, x.shape[1], 2 ** round(math.log2(side / previous_side))))
    return ends
