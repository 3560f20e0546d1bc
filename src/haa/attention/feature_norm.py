"""Norm of a layer's features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from haa.attention.grid import Grid, first_tensor
from haa.attention.layers import find_layers
from haa.attention.source import Source, unseen
from haa.errors import InputError


class FeatureNorm(Source):
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

    reads_layers = True

    def __init__(self, layer: str, grid: Sequence[int] | str | None = None, prefix: int | None = None) -> None:
        super().__init__(Grid(grid, prefix))
        self.layer = layer
        self._name = layer
        self._spreads = False

    def watch(self, model: nn.Module) -> list[RemovableHandle]:
        matches = find_layers(model, self.layer)
        if len(matches) > 1:
            raise InputError(f"layer {self.layer} means several layers, {', '.join(matches)}: name one")
        ((self._name, module),) = matches.items()
        return [module.register_forward_hook(self._take)]

    def read(self) -> Float[Tensor, "b i j"]:
        if "features" not in self._taken:
            raise unseen(self, f"layer {self._name}")
        features = self._taken["features"]
        features = features.to(torch.promote_types(features.dtype, torch.float32))
        image_size = None if self._image is None else self._image[-2:]
        return torch.linalg.vector_norm(self.grid.features(features, self._name, image_size), dim=1)

    def cells(self) -> dict[str, Tensor]:
        if "features" not in self._taken:
            raise unseen(self, f"layer {self._name}")
        image_size = None if self._image is None else self._image[-2:]
        self._spreads = self._taken["features"].ndim == 4
        return {self._name: self.grid.features(self._taken["features"], self._name, image_size)}

    def spreads(self, layer: str) -> bool:
        return self._spreads

    def _take(self, module: nn.Module, args: object, output: Any) -> Any:
        if not self.watching:
            return None
        features = first_tensor(output)
        if features is None:
            raise InputError(f"layer {self._name} ({type(module).__name__}) gives no tensor: name another layer")
        self._taken = {**self._taken, "features": features.clone()}  # later layers may change it in place
        return None
