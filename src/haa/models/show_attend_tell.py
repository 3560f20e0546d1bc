"""Show, Attend and Tell: an LSTM that looks at the picture before every word (Xu et al., ICML 2015)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from haa.models.additive_attention import AdditiveAttention
from haa.models.backbone import Backbone
from haa.models.captioner import Captioner, State
from haa.models.insert import inserted, on_grid
from haa.text import PAD


class ShowAttendTell(Captioner):
    """Caption model with soft attention: an LSTM reads the features under one map before every word.

    With features a_i and the state h of the LSTM, word after word::

        alpha = softmax_i(w . tanh(W a_i + U h)),   z = sigmoid(f(h)) * sum_i alpha_i a_i,   h = LSTM([E y, z], h),
        logits = L_o (E y + L_h h + L_z z)

    The state begins as a function of the mean feature. Xu et al., "Show, Attend and Tell: Neural Image Caption
    Generation with Visual Attention", ICML 2015, eq. 1 to 8 and section 4.2.

    Args:
        backbone: Backbone that turns an image ``(b, 3, h, w)`` into features ``(b, c, i, j)`` and has an attribute
            ``channels``.
        caption_vocab: Entries of the caption vocabulary.
        hidden: Width of the LSTM and of the attention.
        embedding: Width of a word.
        dropout: Probability of dropout on the input of the logits, in training.

    Example:
        >>> from haa.models.backbone import Tiny
        >>> model = ShowAttendTell(Tiny(channels=16), caption_vocab=20)
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
        embedding: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(backbone)
        channels = backbone.channels
        self.words = nn.Embedding(caption_vocab, embedding, padding_idx=PAD)
        self.start_hidden = nn.Linear(channels, hidden)
        self.start_cell = nn.Linear(channels, hidden)
        self.attention = AdditiveAttention(channels, hidden, hidden)
        self.gate = nn.Linear(hidden, channels)
        self.lstm = nn.LSTMCell(embedding + channels, hidden)
        self.from_hidden = nn.Linear(hidden, embedding)
        self.from_seen = nn.Linear(channels, embedding)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(embedding, caption_vocab)

    def forward(
        self,
        image: Float[Tensor, "b 3 h w"] | None,
        tokens: Int[Tensor, "b t"],
        features: Float[Tensor, "b c i j"] | None = None,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[Float[Tensor, "b t v"], Float[Tensor, "b t i j"]]:
        features = self.backbone(image) if features is None else features
        memory, state = self.begin(features, attention)
        outputs, maps = [], []
        for word in self.words(tokens).unbind(1):
            output, weights, state = self._word(word, memory, state)
            outputs.append(output)
            maps.append(weights)
        logits = self.logits(self.dropout(torch.stack(outputs, 1)))
        return logits, torch.stack(maps, 1).unflatten(2, features.shape[2:])

    def begin(
        self, features: Float[Tensor, "b c i j"], attention: Float[Tensor, "b p q"] | None = None
    ) -> tuple[State, State]:
        values = features.flatten(2).transpose(1, 2)
        mean = values.mean(1)
        state = (torch.tanh(self.start_hidden(mean)), torch.tanh(self.start_cell(mean)))
        inserted_map = () if attention is None else (on_grid(attention, (features.shape[2], features.shape[3])),)
        return (values, self.attention.values(values), *inserted_map), state

    def next(
        self, token: Int[Tensor, " n"], memory: State, state: State
    ) -> tuple[Float[Tensor, "n v"], Float[Tensor, "n k"], State]:
        output, attention, state = self._word(self.words(token), memory, state)
        return self.logits(self.dropout(output)), attention, state

    def _word(self, word: Tensor, memory: State, state: State) -> tuple[Tensor, Tensor, State]:
        values, projected, *inserted_map = memory
        attention = inserted(self.attention.look(projected, state[0]), inserted_map[0] if inserted_map else None)
        context = torch.sigmoid(self.gate(state[0])) * torch.einsum("bn,bnc->bc", attention, values)
        state = self.lstm(torch.cat([word, context], 1), state)
        return word + self.from_hidden(state[0]) + self.from_seen(context), attention, state


def doubly_stochastic(
    attention: Float[Tensor, "b t i j"], mask: Bool[Tensor, "b t"] | None = None
) -> Float[Tensor, " b"]:
    """Return how far a sentence is from equal total attention to every cell: ``sum_i (1 - sum_t alpha_ti)^2``.

    Xu et al. 2015, eq. 14, where it is added to the loss with weight 1.

    Args:
        attention: A map per word.
        mask: True for words that count; None counts all.

    Example:
        >>> doubly_stochastic(torch.full((1, 4, 2, 2), 0.25))
        tensor([0.])
    """
    counted_maps = attention if mask is None else attention * mask[:, :, None, None]
    return (1 - counted_maps.sum(1)).square().sum((1, 2))
