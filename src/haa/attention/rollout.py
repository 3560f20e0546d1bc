"""Attention rollout: attention weights multiplied over the layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from haa.attention.captured import AttentionWeights
from haa.attention.layers import attention_layers
from haa.attention.self_attention import Query, check_query, no_class_token
from haa.errors import InputError


class Rollout(AttentionWeights):
    r"""Share of each patch in the class token, if attention alone mixed the tokens.

    .. math:: \tilde A_l = (1 - r) \bar A_l + r I, \qquad R = \tilde A_L \cdots \tilde A_1

    where :math:`\bar A_l` is the mean over heads.

    Args:
        layers: Names or patterns of layers, taken in the order of the model. None takes every attention of it.
        heads: Numbers of the heads to read; None takes all.
        query: Row of R to read: ``"class"`` is the class token's, ``"mean"`` the mean over the patches'.
        residual: Share r of the skip connection, 0 <= r < 1.
        grid: Grid of the patches, see `haa.attention.grid.Grid`.
        prefix: Number of tokens before the patches, see `haa.attention.grid.Grid`.

    Raises:
        InputError: If `haa.attention.SelfAttention` would raise it, ``residual`` is out of range, or the layers differ
            in their number of tokens.

    Example:
        >>> import timm
        >>> model = timm.create_model("test_vit", img_size=64)
        >>> source = Rollout()
        >>> source.attach(model)
        >>> logits = model(torch.rand(2, 3, 64, 64))
        >>> source.read().shape
        torch.Size([2, 4, 4])

    S. Abnar, W. Zuidema, Quantifying Attention Flow in Transformers, ACL 2020, section 3.
    """

    def __init__(
        self,
        layers: str | Sequence[str] | None = None,
        heads: Sequence[int] | None = None,
        query: Query = "class",
        residual: float = 0.5,
        grid: Sequence[int] | str | None = None,
        prefix: int | None = None,
    ) -> None:
        super().__init__(layers, heads, grid, prefix)
        if not 0 <= residual < 1:
            raise InputError(f"residual={residual}: give the skip connection's share, from 0 to less than 1")
        self.query, self.residual = check_query(query), residual

    def default_layers(self, model: nn.Module) -> dict[str, nn.Module]:
        return attention_layers(model)

    def read(self) -> Float[Tensor, "b i j"]:
        names = list(self._modules) or ["attention"]
        last = names[-1]
        # rows are multiplied from the last layer to the first: a vector times a matrix, never matrix times matrix
        weights = self.weights(last, self.only_call(last), slice(0, 1) if self.query == "class" else slice(None))
        count = weights.shape[-1]
        prefix = self.grid.prefix_of(count, last)
        if self.query == "class" and not self.grid.has_class_token(count, last):
            raise no_class_token(last)
        rows, columns = self.grid.size(last)
        start = torch.zeros(count, dtype=weights.dtype, device=weights.device)
        if self.query == "class":
            start[0] = 1
            row = (1 - self.residual) * weights[:, 0] + self.residual * start
        else:
            start[prefix : prefix + rows * columns] = 1 / (rows * columns)
            row = (1 - self.residual) * (start @ weights) + self.residual * start
        for name in names[-2::-1]:
            weights = self.weights(name, self.only_call(name))
            if weights.shape[1:] != (count, count):
                raise InputError(
                    f"layers {name} and {last} differ in tokens, {tuple(weights.shape[1:])} and {count}: rollout needs "
                    "layers of one sequence, name them"
                )
            row = (1 - self.residual) * (row[:, None] @ weights)[:, 0] + self.residual * row
        return self.grid.tokens(row, last)
