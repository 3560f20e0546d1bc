"""Captioning by a transformer decoder whose cross-attention is the map."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from haa.models.backbone import Backbone
from haa.models.captioner import Captioner, State
from haa.models.cross_attention_vqa import CrossAttentionLayer
from haa.models.insert import on_grid
from haa.models.position import grid_position, sinusoids
from haa.text import PAD


class CaptionTransformer(Captioner):
    """Caption model whose words attend to those before them and then to the cells of a feature grid.

    The decoder of Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.1, with pre-norm layers, over
    grid features as in Cornia et al., "Meshed-Memory Transformer for Image Captioning", CVPR 2020, section 3.2,
    without its mesh and memory. The map of a word is the last layer's cross-attention at the position that predicts it,
    mean over heads.

    Args:
        backbone: Backbone that turns an image ``(b, 3, h, w)`` into features ``(b, c, i, j)`` and has an attribute
            ``channels``.
        caption_vocab: Entries of the caption vocabulary.
        hidden: Width of every token, a multiple of four.
        layers: Number of layers, each of self-attention, cross-attention and a two-layer network.
        heads: Heads of every attention; the number divides ``hidden``.
        dropout: Probability of dropout on the output of each of the three, in training.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> model = CaptionTransformer(Tiny(channels=16), caption_vocab=20)
        >>> logits, attention = model(torch.rand(2, 3, 64, 96), torch.tensor([[2, 5, 7], [2, 6, 0]]))
        >>> logits.shape, attention.shape
        (torch.Size([2, 3, 20]), torch.Size([2, 3, 8, 12]))
        >>> tokens, maps = model.generate(torch.rand(2, 3, 64, 96), beam=3, max_length=5)
        >>> tokens.shape[1] == maps.shape[1] <= 5
        True
    """

    def __init__(
        self,
        backbone: Backbone,
        caption_vocab: int,
        hidden: int = 128,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(backbone)
        self.words = nn.Embedding(caption_vocab, hidden, padding_idx=PAD)
        self.values = nn.Conv2d(backbone.channels, hidden, 1)
        self.layers = nn.ModuleList(CrossAttentionLayer(hidden, heads, dropout) for _ in range(layers))
        self.logits = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, caption_vocab))

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"] | None,
        tokens: Int[Tensor, "b t"],
        features: Float[Tensor, "b c i j"] | None = None,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[Float[Tensor, "b t v"], Float[Tensor, "b t i j"]]:
        features = self.backbone(image) if features is None else features
        grid = (features.shape[2], features.shape[3])
        inserted_map = None if attention is None else on_grid(attention, grid)
        logits, weights = self._decode(tokens, *self._memory(features), inserted_map)
        return logits, weights.unflatten(2, grid)

    def begin(
        self, features: Float[Tensor, "b c i j"], attention: Float[Tensor, "b p q"] | None = None
    ) -> tuple[State, State]:
        memory, position = self._memory(features)
        inserted_map = () if attention is None else (on_grid(attention, (features.shape[2], features.shape[3])),)
        # the position is repeated for every sentence, because all memory has one row per sentence
        repeated_position = position[None].expand_as(memory)
        tokens_so_far = features.new_zeros(len(features), 0, dtype=torch.long)
        return (memory, repeated_position, *inserted_map), (tokens_so_far,)

    def next(
        self, token: Int[Tensor, " n"], memory: State, state: State
    ) -> tuple[Float[Tensor, "n v"], Float[Tensor, "n k"], State]:
        tokens = torch.cat([state[0], token[:, None]], 1)
        inserted_map = memory[2] if len(memory) > 2 else None
        logits, attention = self._decode(tokens, memory[0], memory[1][0], inserted_map)
        return logits[:, -1], attention[:, -1], (tokens,)

    def _memory(self, features: Tensor) -> tuple[Tensor, Tensor]:
        memory = self.values(features).flatten(2).transpose(1, 2)
        return memory, grid_position(features.shape[2], features.shape[3], memory.shape[2], like=memory)

    def _decode(self, tokens: Tensor, memory: Tensor, position: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        length = tokens.shape[1]
        order = torch.arange(length, device=tokens.device)
        words = self.words(tokens)
        words = words + sinusoids(order, words.shape[2]).to(words)
        causal_mask = (order[:, None] >= order)[None].expand(len(tokens), -1, -1)
        for number, layer in enumerate(self.layers, 1):
            last = number == len(self.layers)
            words, weights = layer(words, memory, causal_mask, position, given if last else None)
        return self.logits(words), weights.mean(1)
