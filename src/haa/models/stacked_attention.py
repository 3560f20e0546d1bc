"""Stacked attention: a question looks at the image, and then again with what it saw (Yang et al., CVPR 2016)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from haa.models.additive_attention import AdditiveAttention
from haa.models.backbone import Backbone
from haa.models.insert import inserted, on_grid
from haa.text import PAD


class StackedAttention(nn.Module):
    """Model for visual question answering by repeated additive attention over the cells of a feature grid.

    An LSTM reads the question and gives the first query ``u``. Each layer attends, and adds what it saw to the query::

        s_ij = w . tanh(W v_ij + U u),   p = softmax(s),   u <- u + sum_ij p_ij v_ij

    Yang et al., "Stacked Attention Networks for Image Question Answering", CVPR 2016, section 3.3. The map of
    the last layer is returned, and so aligned; the earlier layers are free to look elsewhere first.

    Args:
        backbone: Backbone that turns an image ``(b, 3, h, w)`` into features ``(b, c, i, j)`` and has an attribute
            ``channels``.
        question_vocab: Entries of the question vocabulary.
        answer_vocab: Number of answers to choose from.
        hidden: Width of question, features and attention.
        embedding: Width of a word.
        layers: Number of times that the question looks at the image.
        dropout: Probability of dropout on the words and on the input of the answer, in training.

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
        """Return the answer logits, and the attention of the last layer (each map sums to 1).

        Args:
            image: RGB in [0, 1]; may be None when ``features`` are given.
            question: Word numbers, padded behind.
            mask: True where ``question`` holds a word; at least the first of each row.
            features: Features as the backbone returns them, if the caller has them already.
            attention: Inserted map to look by in the last layer instead of the model's own attention, at any
                resolution; an all-zero map leaves a sample its own.
        """
        features = self.backbone(image) if features is None else features
        values = self.values(features).flatten(2).transpose(1, 2)
        query = self.read(question, mask)
        grid = (features.shape[2], features.shape[3])
        inserted_map = None if attention is None else on_grid(attention, grid)
        for number, layer in enumerate(self.layers, 1):
            weights = layer(values, query)
            if number == len(self.layers):
                weights = inserted(weights, inserted_map)
            query = query + torch.einsum("bn,bnc->bc", weights, values)
        return self.answer(self.dropout(query)), weights.unflatten(1, grid)

    def read(self, question: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b c"]:
        """Return the question as one vector: the LSTM's state after its last word."""
        states, _ = self.reader(self.dropout(self.words(question)))
        last_word = mask.sum(1) - 1
        return states[torch.arange(states.shape[0], device=states.device), last_word]
