"""Stacked attention: a question looks at the image once, and again with what it saw (Yang et al., CVPR 2016)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from haa.models.additive_attention import AdditiveAttention
from haa.models.backbone import Backbone
from haa.models.insert import inserted, on_grid
from haa.text import PAD


class StackedAttention(nn.Module):
    """Visual question answering by repeated additive attention over the cells of a feature grid.

    The question, read by an LSTM, is the first query ``u``. Each layer attends, and adds what it saw to the query::

        s_ij = w . tanh(W v_ij + U u),   p = softmax(s),   u <- u + sum_ij p_ij v_ij

    Yang et al., "Stacked Attention Networks for Image Question Answering", CVPR 2016, section 3.3. The map that
    is returned, and so aligned, is that of the last layer: the earlier ones are free to look elsewhere first.

    Args:
        backbone: image ``(b, 3, h, w)`` to features ``(b, c, i, j)``, with an attribute ``channels``.
        question_vocab: entries of the question vocabulary.
        answer_vocab: answers to choose from.
        hidden: width of question, features and attention.
        embedding: width of a word.
        layers: how often the question looks.
        dropout: in training, on words, on the two inputs of the answer.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> model = StackedAttention(Tiny(channels=16), question_vocab=20, answer_vocab=5)
        >>> tokens = torch.tensor([[4, 7, 2], [5, 0, 0]])
        >>> answers, attention = model(torch.rand(2, 3, 64, 96), tokens, tokens != 0)
        >>> answers.shape, attention.shape
        (torch.Size([2, 5]), torch.Size([2, 8, 12]))
    """

    def __init__(
        self,
        backbone: Backbone,
        question_vocab: int,
        answer_vocab: int,
        hidden: int = 128,
        embedding: int = 64,
        layers: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.words = nn.Embedding(question_vocab, embedding, padding_idx=PAD)
        self.reader = nn.LSTM(embedding, hidden, batch_first=True)
        self.values = nn.Conv2d(backbone.channels, hidden, 1)
        self.layers = nn.ModuleList(AdditiveAttention(hidden, hidden, hidden) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.answer = nn.Linear(hidden, answer_vocab)

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"] | None,
        question: Int[Tensor, "b t"],
        mask: Bool[Tensor, "b t"],
        features: Float[Tensor, "b c i j"] | None = None,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b i j"]]:
        """Answer logits, and where the last layer looked (each map sums to 1).

        Args:
            image: in [0, 1]; may be None when ``features`` are given.
            question: word numbers, padded behind.
            mask: which of them are words; at least the first of each row.
            features: what the backbone would return, if somebody has it already.
            attention: somebody else's map to look by in the last layer, at any resolution, instead of the
                model's own; a map that is all zero leaves a sample its own.
        """
        features = self.backbone(image) if features is None else features
        values = self.values(features).flatten(2).transpose(1, 2)
        query = self.read(question, mask)
        grid = (features.shape[2], features.shape[3])
        given = None if attention is None else on_grid(attention, grid)
        for number, layer in enumerate(self.layers, 1):
            weights = layer(values, query)
            if number == len(self.layers):
                weights = inserted(weights, given)
            query = query + torch.einsum("bn,bnc->bc", weights, values)
        return self.answer(self.dropout(query)), weights.unflatten(1, grid)

    def read(self, question: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b c"]:
        """The question as one vector: the LSTM's state after its last word."""
        states, _ = self.reader(self.dropout(self.words(question)))
        last = mask.sum(1) - 1
        return states[torch.arange(len(states), device=states.device), last]
