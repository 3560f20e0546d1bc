"""Grad-CAM, with double backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.attention.compiled import outside
from haa.attention.gradient import GradientSource
from haa.attention.grid import Grid, first_tensor
from haa.attention.one_layer import OneLayer
from haa.attention.target import top_class
from haa.errors import InputError


class GradCAM(OneLayer, GradientSource):
    r"""Sum of a layer's feature maps, each weighed by how much the score gains from it.

    .. math:: \mathrm{ReLU}\Big(\sum_c \Big(\frac{1}{ij} \sum_{ij} \frac{\partial y}{\partial F_{cij}}\Big) F_c\Big)

    The map is differentiable: with gradients enabled, `read` keeps the graph of the derivative, and a loss of the map
    trains the model through second derivatives.

    Args:
        layer: Name, or pattern with one match, of a layer that gives maps ``(b, c, i, j)`` or ``(b, i, j, c)``, or
            tokens ``(b, n, c)`` on a grid. The last stage is customary. In a transformer where only the class token
            goes on, the last block gives nothing: take the block before it, or its first normalisation
            (``blocks.11.norm1``).
        target: Function from the model's output to the score y, one value per sample. The default is the logit of the
            predicted class.
        second_order: Whether the layers after this one run on kernels that can be differentiated twice, which fused
            attention cannot. False is faster where maps are only looked at.
        grid: Grid of the patches, see `haa.attention.grid.Grid`.
        prefix: Number of tokens before the patches, see `haa.attention.grid.Grid`.

    Raises:
        InputError: If the layer is not there (from `attach`); if it did not run, ran without gradients, or the score
            does not depend on it (from `read`).

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
        >>> source = GradCAM("0")
        >>> source.attach(model)
        >>> logits = model(torch.rand(2, 3, 8, 8))
        >>> source.read().shape
        torch.Size([2, 6, 6])

    R. R. Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2.
    """

    def __init__(
        self,
        layer: str,
        target: Callable[[Any], Tensor] = top_class,
        second_order: bool = True,
        grid: Sequence[int] | str | None = None,
        prefix: int | None = None,
    ) -> None:
        GradientSource.__init__(self, target, second_order, Grid(grid, prefix))
        self.layer = layer
        self._name = layer

    def read(self, score: Tensor | None = None) -> Float[Tensor, "b i j"]:
        """Return the map of the last forward pass.

        Args:
            score: Score to differentiate, one value per sample or their sum. None takes ``target`` of the output.
        """
        features = self.features
        gradient = self.gradient(features, score, f"layer {self._name}")
        with torch.autocast(features.device.type, enabled=False):
            dtype = torch.promote_types(features.dtype, torch.float32)
            maps = self.on_grid(features.to(dtype))
            weights = self.on_grid(gradient.to(dtype)).mean((2, 3), keepdim=True)
            return (weights * maps).sum(1).relu()

    def _take(self, module: nn.Module, args: object, output: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():
            return outside(self._take, module, args, output)
        if not self.watching:
            return None
        features = first_tensor(output)
        if features is None:
            raise InputError(f"layer {self._name} ({type(module).__name__}) gives no tensor: name another layer")
        if not torch.is_grad_enabled() or not features.is_floating_point():
            self._taken = {**self._taken, "features": features}
            return None
        if not features.requires_grad:  # a frozen backbone: the derivative is taken from its features on
            features = features.detach().requires_grad_()
        self._taken = {**self._taken, "features": features}
        self.follow()
        # the next layer may change its input in place (ReLU does), and the map is of the output as it was
        return _replaced(output, features.clone())


def _replaced(output: Any, tensor: Tensor) -> Any:
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, tuple) and type(output) is tuple:
        return (tensor, *output[1:])
    if isinstance(output, list):
        return [tensor, *output[1:]]
    output.last_hidden_state = tensor
    return output
