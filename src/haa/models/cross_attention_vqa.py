"""Question answering by a transformer whose words look at a feature grid."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from haa.models.backbone import Backbone
from haa.models.insert import on_grid
from haa.models.multihead_attention import MultiheadAttention
from haa.models.position import grid_position, sinusoids
from haa.text import PAD


class CrossAttentionVQA(nn.Module):
    """Visual question answering by question tokens that attend to each other and then to the cells of a feature grid.

    A learned token before the question gathers the answer, as BERT's first token does. Each layer is that of a language
    encoder with cross-attention to the image: Tan and Bansal, "LXMERT: Learning Cross-Modality Encoder Representations
    from Transformers", EMNLP 2019, section 2.2, of which this is the half that reads language. Layers are pre-norm.

    The map is the answer token's cross-attention in the last layer, mean over its heads: what it weighs is all that
    this layer tells the answer about the image.

    Args:
        backbone: image ``(b, 3, h, w)`` to features ``(b, c, i, j)``, with an attribute ``channels``.
        question_vocab: entries of the question vocabulary.
        answer_vocab: answers to choose from.
        hidden: width of every token, a multiple of four.
        layers: of self-attention, cross-attention and a two-layer network each.
        heads: of every attention; divides ``hidden``.
        dropout: in training, on what each of the three adds.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> model = CrossAttentionVQA(Tiny(channels=16), question_vocab=20, answer_vocab=5)
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
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.words = nn.Embedding(question_vocab, hidden, padding_idx=PAD)
        self.gather = nn.Parameter(torch.zeros(hidden))
        self.values = nn.Conv2d(backbone.channels, hidden, 1)
        self.layers = nn.ModuleList(CrossAttentionLayer(hidden, heads, dropout) for _ in range(layers))
        self.answer = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, answer_vocab))

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"] | None,
        question: Int[Tensor, "b t"],
        mask: Bool[Tensor, "b t"],
        features: Float[Tensor, "b c i j"] | None = None,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b i j"]]:
        """Answer logits, and where the answer token looked (each map sums to 1).

        Args:
            image: in [0, 1]; may be None when ``features`` are given.
            question: word numbers, padded behind.
            mask: which of them are words.
            features: what the backbone would return, if somebody has it already.
            attention: somebody else's map to look by in the last layer, at any resolution, instead of the
                model's own; a map that is all zero leaves a sample its own.
        """
        features = self.backbone(image) if features is None else features
        memory = self.values(features).flatten(2).transpose(1, 2)
        position = grid_position(features.shape[2], features.shape[3], memory.shape[2], like=memory)
        words = self.words(question)
        order = torch.arange(words.shape[1], device=words.device)
        words = words + sinusoids(order, words.shape[2]).to(words)
        tokens = torch.cat([self.gather.expand(len(words), 1, -1), words], dim=1)
        seen = torch.cat([mask.new_ones(len(mask), 1), mask], dim=1)[:, None]
        given = None if attention is None else on_grid(attention, (features.shape[2], features.shape[3]))
        for number, layer in enumerate(self.layers, 1):
            last = number == len(self.layers)
            tokens, weights = layer(tokens, memory, seen, position, given if last else None)
        return self.answer(tokens[:, 0]), weights[:, :, 0].mean(1).unflatten(1, features.shape[2:])


class CrossAttentionLayer(nn.Module):
    """Self-attention, cross-attention and a two-layer network, each behind a layer norm and a residual connection.

    Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020, table 1 (pre-norm).

    Args:
        channels: of every token and of the memory.
        heads: of both attentions.
        dropout: in training, on what each part adds.
    """

    def __init__(self, channels: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.self_attention = MultiheadAttention(channels, heads)
        self.cross_attention = MultiheadAttention(channels, heads)
        self.network = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.memory_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Float[Tensor, "b t c"],
        memory: Float[Tensor, "b n c"],
        mask: Bool[Tensor, "b s t"],
        position: Float[Tensor, "n c"],
        attention: Float[Tensor, "b n"] | None = None,
    ) -> tuple[Float[Tensor, "b t c"], Float[Tensor, "b k t n"]]:
        """The tokens, and how each head of each token looked at the memory.

        Args:
            tokens: of the sentence.
            memory: of the image.
            mask: which tokens each token may see (s is t, or 1 where all may see the same).
            position: of the memory.
            attention: how to look at the memory instead, see `haa.models.insert.inserted`.
        """
        queries = self.norms[0](tokens)
        tokens = tokens + self.dropout(self.self_attention(queries, queries, mask)[0])
        seen, weights = self.cross_attention(
            self.norms[1](tokens), self.memory_norm(memory), position=position, attention=attention
        )
        tokens = tokens + self.dropout(seen)
        return tokens + self.dropout(self.network(self.norms[2](tokens))), weights
