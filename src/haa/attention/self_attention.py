"""Self-attention of a vision transformer, as a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.attention.captured import AttentionWeights
from haa.attention.layers import attention_layers
from haa.errors import InputError

Query = Literal["class", "mean"]


class SelfAttention(AttentionWeights):
    r"""Attention of the class token, or the mean attention of the patches, in one layer or several.

    .. math:: A_{ij} = \frac{1}{|L| |H|} \sum_{l \in L, h \in H} \mathrm{softmax}(s Q_{lh} K_{lh}^\top)_{q, ij}

    The weights are those before dropout. They are computed again from the queries and keys of the layers that are read,
    for the rows that are read, while the model keeps its fused kernel. They do not sum to 1 where class and register
    tokens take a share.

    Args:
        layers: Names or patterns of the layers whose mean is read. None takes the last attention of the model.
        heads: Numbers of the heads to read; None takes all.
        query: Row to read: ``"class"`` is the class token's, ``"mean"`` the mean over the patches'.
        grid: Grid of the patches, see `haa.attention.grid.Grid`.
        prefix: Number of tokens before the patches, see `haa.attention.grid.Grid`.

    Raises:
        InputError: If a layer is not there (from `attach`), or there is nothing to read (from `read`).

    Example:
        >>> import timm
        >>> model = timm.create_model("test_vit", img_size=(64, 96))
        >>> source = SelfAttention("blocks.*.attn", heads=[0])
        >>> source.attach(model)
        >>> logits = model(torch.rand(2, 3, 64, 96))
        >>> source.read().shape
        torch.Size([2, 4, 6])

    M. Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021, section 4.2.
    """

    def __init__(
        self,
        layers: str | Sequence[str] | None = None,
        heads: Sequence[int] | None = None,
        query: Query = "class",
        grid: Sequence[int] | str | None = None,
        prefix: int | None = None,
    ) -> None:
        super().__init__(layers, heads, grid, prefix)
        self.query = check_query(query)

    def default_layers(self, model: nn.Module) -> dict[str, nn.Module]:
        return dict(list(attention_layers(model).items())[-1:])

    def read(self) -> Float[Tensor, "b i j"]:
        maps = []
        for layer in list(self._modules) or ["attention"]:
            call = self.only_call(layer)
            if self.query == "class":
                row = self.weights(layer, call, slice(0, 1))[:, 0]
                if not self.grid.has_class_token(row.shape[-1], layer):
                    raise no_class_token(layer)
            else:
                # keys first: what lies in the last dimension is put on the grid, and here these are the queries
                rows = self.weights(layer, call).mT
                row = self.grid.tokens(rows, layer).flatten(-2).mean(-1)
            maps.append(self.grid.tokens(row, layer))
        return torch.stack(maps).mean(0)


def check_query(query: Query) -> Query:
    """Return ``query`` if it is a known one.

    Raises:
        InputError: If it is neither ``"class"`` nor ``"mean"``.
    """
    if query not in ("class", "mean"):
        raise InputError(f"query={query} is not known: take class or mean")
    return query


def no_class_token(layer: str) -> InputError:
    """Return the error to raise where the class token's row is asked for and there is none."""
    return InputError(f"layer {layer} has no class token before its patches: take query=mean")
