"""Question answering by a transformer whose words attend to a feature grid."""

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
    """Model for VQA whose question tokens attend to each other and then to the cells of a feature grid.

    A learned token before the question gathers the answer, as BERT's first token does. Each layer is that of a language
    encoder with cross-attention to the image: Tan and Bansal, "LXMERT: Learning Cross-Modality Encoder Representations
    from Transformers", EMNLP 2019, section 2.2. This model is the half of LXMERT that reads language. Layers are
    pre-norm.

    The map is the answer token's cross-attention in the last layer, mean over its heads. All that this layer tells the
    answer about the image is weighed by it.

    Args:
        backbone: Backbone that turns an image ``(b, 3, h, w)`` into features ``(b, c, i, j)`` and has an attribute
            ``channels``.
        question_vocab: Entries of the question vocabulary.
        answer_vocab: Number of answers to choose from.
        hidden: Width of every token, a multiple of four.
        layers: Number of layers, each of self-attention, cross-attention and a two-layer network.
        heads: Heads of every attention; the number divides ``hidden``.
        dropout: Probability of dropout on the output of each of the three, in training.

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
        """Return the answer logits, and the attention of the answer token (each map sums to 1).

        Args:
            image: RGB in [0, 1]; may be None when ``features`` are given.
            question: Word numbers, padded behind.
            mask: True where ``question`` holds a word.
            features: Features as the backbone returns them, if the caller has them already.
            attention: Inserted map to look by in the last layer instead of the model's own attention, at any
                resolution; an all-zero map leaves a sample its own.
        """
        features = self.backbone(image) if features is None else features
        memory = self.values(features).flatten(2).transpose(1, 2)
        position = grid_position(features.shape[2], features.shape[3], memory.shape[2], like=memory)
        words = self.words(question)
        order = torch.arange(words.shape[1], device=words.device)
        words = words + sinusoids(order, words.shape[2]).to(words)
        tokens = torch.cat([self.gather.expand(words.shape[0], 1, -1), words], dim=1)
        token_mask = torch.cat([mask.new_ones(mask.shape[0], 1), mask], dim=1)[:, None]
        inserted_map = None if attention is None else on_grid(attention, (features.shape[2], features.shape[3]))
        for number, layer in enumerate(self.layers, 1):
            last = number == len(self.layers)
            tokens, weights = layer(tokens, memory, token_mask, position, inserted_map if last else None)
        return self.answer(tokens[:, 0]), weights[:, :, 0].mean(1).unflatten(1, features.shape[2:])


class CrossAttentionLayer(nn.Module):
    """Self-attention, cross-attention and a two-layer network, each behind a layer norm and a residual connection.

    Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020, table 1 (pre-norm).

    Args:
        channels: Channels of every token and of the memory.
        heads: Heads of both attentions.
        dropout: Probability of dropout on the output of each part, in training.
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
        """Return the new tokens, and the attention of each head of each token to the memory.

        Args:
            tokens: Tokens of the sentence.
            memory: Features of the image.
            mask: True where a token may see another (s is t, or 1 where all tokens may see the same).
            position: Position of each feature of the memory.
            attention: Inserted map to look at the memory by, see `haa.models.insert.inserted`.
        """
        queries = self.norms[0](tokens)
        tokens = tokens + self.dropout(self.self_attention(queries, queries, mask)[0])
        summary, weights = self.cross_attention(
            self.norms[1](tokens), self.memory_norm(memory), position=position, attention=attention
        )
        tokens = tokens + self.dropout(summary)
        return tokens + self.dropout(self.network(self.norms[2](tokens))), weights
