"""Base of all caption models, which predict word after word with a map for each, and the search for a sentence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from haa.models.backbone import Backbone
from haa.text import BOS, EOS, PAD, UNK

State = tuple[Tensor, ...]
"""Tensors that change from word to word; the first dimension counts sentences."""

Step = Callable[[Tensor, State], tuple[Tensor, Tensor, State]]
"""Function of (last word (n,), state) that returns (logits (n, v) of the next word, its map (n, *k), new state)."""


class Captioner(nn.Module, ABC):
    """Base of all caption models.

    A subclass says how a sentence begins (`begin`) and goes on (`next`), and predicts all words of given sentences
    (`forward`).

    Args:
        backbone: Backbone that turns an image ``(b, 3, h, w)`` into features ``(b, c, i, j)`` and has an attribute
            ``channels``.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    @abstractmethod
    def forward(
        self,
        image: Float[Tensor, "b 3 h w"] | None,
        tokens: Int[Tensor, "b t"],
        features: Float[Tensor, "b c i j"] | None = None,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[Float[Tensor, "b t v"], Float[Tensor, "b t i j"]]:
        """Return the logits of the word after each given one, and the attention for it (each map sums to 1).

        Args:
            image: RGB in [0, 1]; may be None when ``features`` are given.
            tokens: Tokens of the sentences, from `haa.text.BOS` on, without the last word.
            features: Features as the backbone returns them, if the caller has them already.
            attention: Inserted map to look by for every word instead of the model's own attention, at any resolution;
                an all-zero map leaves a sample its own.
        """

    @abstractmethod
    def begin(
        self, features: Float[Tensor, "b c i j"], attention: Float[Tensor, "b p q"] | None = None
    ) -> tuple[State, State]:
        """Return the memory, which stays the same while a sentence is written, and the state before its first word.

        Args:
            features: Features of the pictures.
            attention: Inserted map, as in `forward`.
        """

    @abstractmethod
    def next(
        self, token: Int[Tensor, " n"], memory: State, state: State
    ) -> tuple[Float[Tensor, "n v"], Float[Tensor, "n k"], State]:
        """Return the logits of the word after ``token``, its map with the cells in one row, and the new state."""

    @torch.no_grad()
    def generate(
        self,
        image: Float[Tensor, "b 3 h w"] | None,
        features: Float[Tensor, "b c i j"] | None = None,
        beam: int = 1,
        max_length: int = 20,
        attention: Float[Tensor, "b p q"] | None = None,
    ) -> tuple[Int[Tensor, "b t"], Float[Tensor, "b t i j"]]:
        """Return the most probable sentences that the search finds, without `BOS`, and the attention for each word.

        Args:
            image: RGB in [0, 1]; may be None when ``features`` are given.
            features: Features as the backbone returns them, if the caller has them already.
            beam: Number of sentences kept in the search; 1 is greedy.
            max_length: Largest number of words, `EOS` counted.
            attention: Inserted map, as in `forward`.
        """
        features = self.backbone(image) if features is None else features
        memory, state = self.begin(features, attention)
        memory, state = (tuple(x.repeat_interleave(beam, 0) for x in part) for part in (memory, state))
        tokens, maps = beam_search(lambda token, s: self.next(token, memory, s), state, beam, max_length)
        return tokens, maps.unflatten(2, features.shape[2:])


def beam_search(
    step: Step, state: State, beam: int, max_length: int
) -> tuple[Int[Tensor, "b t"], Float[Tensor, "b t *k"]]:
    """Return the sentences of greatest summed log-probability that a beam of this width finds; width 1 is greedy.

    The score is ``score(y) = sum_t log p(y_t | y_<t)``, without a reward for length. `PAD`, `BOS` and `UNK` are never
    chosen. After `EOS` a sentence goes on as padding at no cost, and stays in the beam as long as no other overtakes
    it.

    Sutskever et al., "Sequence to Sequence Learning with Neural Networks", NeurIPS 2014, section 3.2.

    Args:
        step: Function that predicts the next word.
        state: State before the first word; it has ``b * beam`` rows, those of one picture next to each other and equal.
        beam: Number of sentences kept per picture.
        max_length: Largest number of words, `EOS` counted.

    Returns:
        tokens: The best sentence of each picture, with `PAD` behind its `EOS`.
        trace: The map that ``step`` returned with each word.

    Example:
        >>> def step(last, state):  # after BOS comes word 4, after that the end
        ...     logits = torch.full((len(last), 5), -9.0)
        ...     logits[:, 4] = torch.where(last == BOS, 0.0, -9.0)
        ...     logits[:, EOS] = torch.where(last == BOS, -9.0, 0.0)
        ...     return logits, torch.ones(len(last), 1), state
        >>> beam_search(step, (torch.zeros(2, 1),), beam=2, max_length=9)[0]
        tensor([[4, 3]])
    """
    rows, device = len(state[0]), state[0].device
    first = torch.arange(0, rows, beam, device=device)
    last = torch.full((rows,), BOS, device=device)
    ended = torch.zeros(rows, dtype=torch.bool, device=device)
    # the rows of a picture are still equal: only the first of them may be continued
    scores = torch.full((len(first), beam), -torch.inf, device=device)
    scores[:, 0] = 0
    tokens, trace = last[:, None][:, :0], None
    for _ in range(max_length):
        logits, maps, state = step(last, state)
        gains = logits.float().log_softmax(1)
        gains[:, [PAD, BOS, UNK]] = -torch.inf
        padding = torch.full_like(gains, -torch.inf)
        padding[:, PAD] = 0
        gains = torch.where(ended[:, None], padding, gains)
        vocab_size = gains.shape[1]
        scores, best = (scores[:, :, None] + gains.view(-1, beam, vocab_size)).flatten(1).topk(beam, dim=1)
        parent, last = (best // vocab_size + first[:, None]).flatten(), (best % vocab_size).flatten()
        tokens = torch.cat([tokens[parent], last[:, None]], 1)
        trace = maps[parent, None] if trace is None else torch.cat([trace[parent], maps[parent, None]], 1)
        state = tuple(x[parent] for x in state)
        ended = ended[parent] | (last == EOS)
        if bool(ended.all()):  # this waits for the device, which is cheaper than words that nobody reads
            break
    assert trace is not None
    return tokens[first], trace[first]
