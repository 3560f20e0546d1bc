"""Sources that differentiate the score by the image itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from haa.attention.gradient import GradientSource
from haa.attention.source import is_image, unseen
from haa.attention.target import top_class
from haa.errors import InputError


class InputGradient(GradientSource):
    r"""Sensitivity of the score to each pixel.

    .. math:: \max_c \Big|\frac{\partial y}{\partial x_{cij}}\Big|

    The map is differentiable by double backward. The image is taken as it comes into the attached model: attach the
    source to the module that is called with it.

    Args:
        target: Function from the model's output to the score y, one value per sample. The default is the logit of the
            predicted class.
        second_order: Whether the model runs on kernels that can be differentiated twice, which fused attention cannot.
            False is faster where maps are only looked at.
        input: Position or name of the image among the model's arguments; None takes the first of shape (b, c, h, w).
        channels: How channels are joined: ``"max"`` of the absolute values, as published, or their ``"sum"``.

    Raises:
        InputError: If ``channels`` is neither; from `read`, if the forward pass had no image or ran without gradients.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> source = InputGradient()
        >>> source.attach(model)
        >>> logits = model(torch.rand(2, 3, 8, 8))
        >>> source.read().shape
        torch.Size([2, 8, 8])

    K. Simonyan, A. Vedaldi, A. Zisserman, Deep Inside Convolutional Networks, ICLR workshop 2014, section 3.1.
    """

    def __init__(
        self,
        target: Callable[[Any], Tensor] = top_class,
        second_order: bool = True,
        input: int | str | None = None,
        channels: Literal["max", "sum"] = "max",
    ) -> None:
        super().__init__(target, second_order)
        if channels not in ("max", "sum"):
            raise InputError(f"channels={channels} is not known: take max or sum")
        self.input, self.channels = input, channels

    def watch(self, model: nn.Module) -> list[RemovableHandle]:
        return []

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        key = self._where(args, kwargs)
        if key is None:
            return args, kwargs
        image = kwargs[key] if isinstance(key, str) else args[key]
        if torch.is_grad_enabled() and not image.requires_grad:
            image = image.detach().requires_grad_()
        self._taken = {"image": image}
        args, kwargs = super().begin(args, kwargs)
        self.follow()
        # the model may change the image in place
        model_input = image.clone() if image.requires_grad else image
        if isinstance(key, str):
            return args, {**kwargs, key: model_input}
        return (*args[:key], model_input, *args[key + 1 :]), kwargs

    def read(self, score: Tensor | None = None) -> Float[Tensor, "b h w"]:
        """Return the map of the last forward pass, at the image's resolution.

        Args:
            score: Score to differentiate, one value per sample or their sum. None takes ``target`` of the output.
        """
        _, gradient = self._derive(score)
        magnitude = gradient.abs()
        return magnitude.amax(1) if self.channels == "max" else magnitude.sum(1)

    def _derive(self, score: Tensor | None) -> tuple[Tensor, Tensor]:
        if "image" not in self._taken:
            raise unseen(self, "an image (b, c, h, w)")
        image = self._taken["image"]
        gradient = self.gradient(image, score, "the image")
        dtype = torch.promote_types(image.dtype, torch.float32)
        return image.to(dtype), gradient.to(dtype)

    def _where(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | str | None:
        arguments: dict[int | str, Any] = dict([*enumerate(args), *kwargs.items()])
        for key in arguments if self.input is None else [self.input]:
            if is_image(arguments.get(key)):
                return key
        return None


class GradientTimesInput(InputGradient):
    r"""Contribution of each pixel to the score, to first order.

    .. math:: \Big|\sum_c x_{cij} \frac{\partial y}{\partial x_{cij}}\Big|

    Args:
        target: Function from the model's output to the score y, as in `InputGradient`.
        second_order: Whether the model runs on kernels that can be differentiated twice, as in `InputGradient`.
        input: Position or name of the image among the model's arguments, as in `InputGradient`.

    Example:
        >>> model = nn.Flatten()
        >>> source = GradientTimesInput()
        >>> source.attach(model)
        >>> logits = model(torch.tensor([[[[0.5, 2.0]]]]))
        >>> source.read()
        tensor([[[0., 2.]]], grad_fn=<AbsBackward0>)

    A. Shrikumar et al., Not Just a Black Box, 2016, arXiv:1605.01713, section 3.2.
    """

    def __init__(
        self,
        target: Callable[[Any], Tensor] = top_class,
        second_order: bool = True,
        input: int | str | None = None,
    ) -> None:
        super().__init__(target, second_order, input)

    def read(self, score: Tensor | None = None) -> Float[Tensor, "b h w"]:
        image, gradient = self._derive(score)
        return (image * gradient).sum(1).abs()
