"""Additive attention over a set of feature vectors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """Attention of a query to each of n feature vectors: ``softmax_i(w . tanh(W v_i + U q))``.

    Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and Translate", ICLR 2015, appendix A.1.2;
    the attention of Show, Attend and Tell (f_att) and of stacked attention networks.

    Args:
        values: Channels of a feature vector.
        query: Channels of the query.
        hidden: Width of the layer that compares them.

    Example:
        >>> weights = AdditiveAttention(8, 4, 16)(torch.rand(2, 6, 8), torch.rand(2, 4))
        >>> weights.shape, torch.allclose(weights.sum(1), torch.ones(2))
        (torch.Size([2, 6]), True)
    """

    def __init__(self, values: int, query: int, hidden: int) -> None:
        super().__init__()
        self.values = nn.Linear(values, hidden)
        self.query = nn.Linear(query, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, values: Float[Tensor, "b n c"], query: Float[Tensor, "b d"]) -> Float[Tensor, "b n"]:
        """Return weights that sum to 1 over n."""
        return self.look(self.values(values), query)

    def look(self, projected: Float[Tensor, "b n k"], query: Float[Tensor, "b d"]) -> Float[Tensor, "b n"]:
        """Return the same with ``W v`` computed beforehand, which does not change while a sentence is written."""
        return self.score(torch.tanh(projected + self.query(query)[:, None])).squeeze(2).softmax(1)
