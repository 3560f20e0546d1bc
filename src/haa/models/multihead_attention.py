"""Multi-head attention that returns its softmax."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from haa.models.insert import inserted


class MultiheadAttention(nn.Module):
    """Scaled dot-product attention in several heads, which returns its weights as well.

    ``softmax(Q K^T / sqrt(d)) V`` per head: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, eq. 1. A fused
    kernel would be faster but never forms the softmax, which is the map that alignment needs.

    Args:
        channels: Channels of the queries, of the result, and of all heads together.
        heads: Number of heads; it divides ``channels``.

    Example:
        >>> seen, weights = MultiheadAttention(8, 2)(torch.rand(1, 3, 8), torch.rand(1, 5, 8))
        >>> seen.shape, weights.shape, torch.allclose(weights.sum(-1), torch.ones(1, 2, 3))
        (torch.Size([1, 3, 8]), torch.Size([1, 2, 3, 5]), True)
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def forward(
        self,
        queries: Float[Tensor, "b t c"],
        memory: Float[Tensor, "b n c"],
        mask: Bool[Tensor, "b s n"] | None = None,
        position: Float[Tensor, "n c"] | None = None,
        attention: Float[Tensor, "b n"] | None = None,
    ) -> tuple[Float[Tensor, "b t c"], Float[Tensor, "b k t n"]]:
        """Return the weighted values for each query, and each head's weights (they sum to 1 over n).

        Args:
            queries: The t queries.
            memory: The n vectors to look at.
            mask: True where a query may see a vector (s is t, or 1 where all queries may see the same); every query
                must see at least one.
            position: Position of each vector; it is added to the keys alone, so that the values stay free of it.
            attention: Inserted map whose weights hold for every query and head, see `haa.models.insert.inserted`.
        """
        keys = memory if position is None else memory + position
        query, key, value = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, queries), (self.key, keys), (self.value, memory))
        )
        scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
        weights = inserted(scores.softmax(3), attention)
        return self.out((weights @ value).transpose(1, 2).flatten(2)), weights
