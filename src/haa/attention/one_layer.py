"""What the sources that read the features of one layer share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from haa.attention.layers import find_layers
from haa.attention.source import Source, unseen
from haa.errors import InputError


class OneLayer(Source):
    """Base of the sources that keep in ``_taken["features"]`` what one layer gives.

    A subclass sets ``layer``, and takes the features in `_take`.
    """

    reads_layers = True

    layer: str
    _name: str

    def watch(self, model: nn.Module) -> list[RemovableHandle]:
        matches = find_layers(model, self.layer)
        if len(matches) > 1:
            raise InputError(f"layer {self.layer} means several layers, {', '.join(matches)}: name one")
        ((self._name, module),) = matches.items()
        return [module.register_forward_hook(self._take)]

    def cells(self) -> dict[str, Tensor]:
        return {self._name: self.on_grid(self.features)}

    def spreads(self, layer: str) -> bool:
        return self.features.ndim == 4

    @property
    def features(self) -> Tensor:
        """What the layer gave in the last forward pass.

        Raises:
            InputError: If it gave nothing.
        """
        if "features" not in self._taken:
            raise unseen(self, f"layer {self._name}")
        return self._taken["features"]

    def on_grid(self, values: Tensor) -> Float[Tensor, "b c i j"]:
        """Return values of the form of the layer's as maps (`haa.attention.grid.Grid.features`)."""
        return self.grid.features(values, self._name, None if self._image is None else self._image[-2:])

    @abstractmethod
    def _take(self, module: nn.Module, args: object, output: Any) -> Any:
        """Keep the features of a forward pass; the layer's forward hook."""
