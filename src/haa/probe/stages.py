"""Where every stage of a network looks, of one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.attention import FeatureNorm, Rollout, SelfAttention, Source, measure
from haa.attention.feature_norm import feature_norm
from haa.attention.host import placed, watching
from haa.attention.layers import attention_layers, find_layers
from haa.attention.untouched import untouched
from haa.errors import InputError, reason
from haa.geometry.extent import WHOLE, Extent
from haa.geometry.receptive_field import extents
from haa.models.backbone import Backbone


class Stage(NamedTuple):
    """Where one stage of a network looks at a batch of pictures."""

    maps: Float[Tensor, "b i j"]
    """Not negative, in no particular unit."""
    extent: Extent
    """Where the cells lie in the picture."""
    stride: int
    """Pixels of the picture per cell."""
    read: Literal["features", "attention"] = "features"
    """Whether the map is the norm of features, or the weights of an attention."""


class Stages:
    """Maps of every stage of a network: the feature norm of each, and of a transformer its attention beside it.

    Stages of a `haa.models.backbone.Backbone` are those that it was built with, ``stages=None`` being all, under the
    numbers by which its argument ``stages`` takes them; those of a transformer are its blocks. Where it has
    self-attention on the grid of its patches, ``self-attention`` is that of the last block (of the class token, else
    the mean) and ``rollout`` that of all. Any other module has the layers that are named.

    Args:
        model: Network that takes pictures ``(b, 3, h, w)`` in [0, 1]; what it returns is left aside.
        layers: Names or patterns of layers of maps ``(b, c, i, j)`` or tokens; None takes a backbone's stages.
        stretched: Take every map to be stretched over the picture, wherever its cells look.

    Raises:
        InputError: If a layer is not there, or none is named in a network that is no backbone.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> stages = Stages(Tiny(stages=None))
        >>> {name: tuple(stage.maps.shape) for name, stage in stages(torch.rand(2, 3, 64, 96)).items()}
        {'stage 0': (2, 32, 48), 'stage 1': (2, 16, 24), 'stage 2': (2, 8, 12)}

    S. Zagoruyko, N. Komodakis, Paying More Attention to Attention, ICLR 2017, section 3.1 (the norm of features);
    S. Abnar, W. Zuidema, Quantifying Attention Flow in Transformers, ACL 2020 (rollout).
    """

    def __init__(self, model: nn.Module, layers: Sequence[str] | None = None, stretched: bool = False) -> None:
        self.model, self.stretched = model, stretched
        self.unread: str | None = None
        """Why a transformer's attention is not among the maps, where it has one; known after the first pass."""
        self._sources: dict[str, Source] = {}
        self._attention: dict[str, Source] | None = {}
        if layers is not None:
            self._sources = {name: FeatureNorm(name) for name in find_layers(model, layers)}
        elif isinstance(model, Backbone):
            self._attention = None
        else:
            names = ", ".join(name for name, _ in model.named_children())
            raise InputError(
                f"layers is missing: {type(model).__name__} is no backbone of haa, so name the layers to read, "
                f"layers=[{names.split(', ')[0]}] say; its parts are {names}"
            )

    def __call__(self, image: Float[Tensor, "b 3 h w"]) -> dict[str, Stage]:
        """Return where each stage looks, by name, in evaluation mode and without a graph.

        Args:
            image: RGB in [0, 1].

        Raises:
            InputError: If the network cannot look at pictures of this size, or a layer is no map of the picture.
        """
        with torch.no_grad(), untouched(self.model):
            if self._attention is None:
                self._attention = self._found(image)
            sources = {**self._sources, **self._attention}
            with ExitStack() as stack:
                for source in sources.values():
                    source.stretched = self.stretched
                    stack.enter_context(watching(source, self.model))
                stages = self._run(image)
                for name, source in sources.items():
                    maps, extent = placed(source)
                    kind: Literal["features", "attention"] = "features" if name in self._sources else "attention"
                    stages[name] = Stage(maps, extent, round(image.shape[-2] / maps.shape[-2]), kind)
        return stages

    def _run(self, image: Tensor) -> dict[str, Stage]:
        """Run the network once, and return the stages that it gives by itself."""
        model = self.model
        try:
            if not isinstance(model, Backbone) or self._sources:
                model(image)
                return {}
            lie = [WHOLE] * len(model.stages) if self.stretched else extents(model, image, model.pyramid)
            features = model(image, apart=True)  # what runs last is what the sources see
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{type(model).__name__} cannot look at pictures of {image.shape[-2]} x {image.shape[-1]} "
                f"({reason(error)}): give the size that it takes, loader.transform.size=224 say"
            ) from error
        by_place = dict(zip(model.coarse_to_fine, features, strict=True))
        return {
            f"stage {number}": Stage(feature_norm(by_place[place]), lie[place], model.stages[place][1])
            for place, number in enumerate(model.numbers)
        }

    def _found(self, image: Tensor) -> dict[str, Source]:
        """Return the sources of a transformer's attention, if there are any that can be read."""
        try:
            attention_layers(self.model)
        except InputError:
            return {}
        for query in ("class", "mean"):
            sources: dict[str, Source] = {"self-attention": SelfAttention(query=query), "rollout": Rollout(query=query)}
            try:
                for source in sources.values():
                    measure(source, self.model, image[:1], apart=True)
            except InputError as error:
                self.unread = str(error)
            else:
                self.unread = None
                return sources
        return {}
