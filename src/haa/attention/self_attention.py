"""Self-attention of a vision transformer as a map."""

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
    r"""Where the class token looks, or where the patches look on average, in one layer or several.

    .. math:: A_{ij} = \frac{1}{|L| |H|} \sum_{l \in L, h \in H} \mathrm{softmax}(s Q_{lh} K_{lh}^\top)_{q, ij}

    The weights are those before dropout. They are recomputed from the queries and keys of the layers that are read, for
    the rows that are read; the model goes on with its fused kernel. They do not sum to 1 where class and register
    tokens take a share.

    Args:
        layers: names or patterns; their mean is read. None takes the last attention of the model.
        heads: which heads, by number; None takes all.
        query: ``"class"`` is the class token's row, ``"mean"`` the mean over the patches' rows.
        grid, prefix: where the tokens lie, see `haa.attention.grid.Grid`.

    Raises:
        InputError: from `attach` where a layer is not there; from `read` where there is nothing to read.

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
                rows = self.weights(layer, call).mT  # keys first: the grid is cut out of the queries
                row = self.grid.tokens(rows, layer).flatten(-2).mean(-1)
            maps.append(self.grid.tokens(row, layer))
        return torch.stack(maps).mean(0)


def check_query(query: Query) -> Query:
    """``query`` itself where it is one."""
    if query not in ("class", "mean"):
        raise InputError(f"query={query} is not known: take class or mean")
    return query


def no_class_token(layer: str) -> InputError:
    """What to raise where the class token's row is asked for and there is none."""
    return InputError(f"layer {layer} has no class token before its patches: take query=mean")
