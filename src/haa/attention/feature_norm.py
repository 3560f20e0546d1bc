"""Norm of a layer's features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.attention.compiled import outside
from haa.attention.grid import Grid, first_tensor
from haa.attention.one_layer import OneLayer
from haa.errors import InputError


class FeatureNorm(OneLayer):
    r"""Strength of a layer's response at each place: the Euclidean norm over channels.

    .. math:: A_{ij} = \Big(\sum_c F_{cij}^2\Big)^{1/2}

    Args:
        layer: Name, or pattern with one match, of a layer that gives maps or tokens on a grid.
        grid: Grid of the patches, see `haa.attention.grid.Grid`.
        prefix: Number of tokens before the patches, see `haa.attention.grid.Grid`.

    Raises:
        InputError: If the layer is not there (from `attach`), or did not run (from `read`).

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1))
        >>> source = FeatureNorm("0")
        >>> source.attach(model)
        >>> pooled = model(torch.rand(2, 3, 8, 8))
        >>> source.read().shape
        torch.Size([2, 6, 6])

    S. Zagoruyko, N. Komodakis, Paying More Attention to Attention, ICLR 2017, section 3.1 (there without the root).
    """

    def __init__(self, layer: str, grid: Sequence[int] | str | None = None, prefix: int | None = None) -> None:
        super().__init__(Grid(grid, prefix))
        self.layer = layer
        self._name = layer

    def read(self) -> Float[Tensor, "b i j"]:
        return feature_norm(self.on_grid(self.features))

    def _take(self, module: nn.Module, args: object, output: Any) -> Any:
        if torch.compiler.is_dynamo_compiling():
            return outside(self._take, module, args, output)
        if not self.watching:
            return None
        features = first_tensor(output)
        if features is None:
            raise InputError(f"layer {self._name} ({type(module).__name__}) gives no tensor: name another layer")
        self._taken = {**self._taken, "features": features.clone()}  # later layers may change it in place
        return None


def feature_norm(features: Float[Tensor, "b c i j"]) -> Float[Tensor, "b i j"]:
    """Return the Euclidean norm of features over their channels, in float32 at least.

    Example:
        >>> feature_norm(torch.tensor([[[[3.0]], [[4.0]]]]))
        tensor([[[5.]]])
    """
    return torch.linalg.vector_norm(features.to(torch.promote_types(features.dtype, torch.float32)), dim=1)
