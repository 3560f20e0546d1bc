"""The search for sentences, compared with trying every sentence and with a beam search on plain lists."""

import itertools
import math

import pytest
import torch

from haa.models.captioner import beam_search
from haa.text import BOS, EOS, PAD, UNK

WORDS = (EOS, 4, 5, 6)
LENGTH = 4


class Table:
    """A language of three words: the next one depends on all before it, in a way drawn at random."""

    def __init__(self, pictures: int, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.known: dict[tuple, torch.Tensor] = {}
        self.state = torch.arange(pictures)[:, None]

    def logits(self, history: tuple[int, ...]) -> torch.Tensor:
        if history not in self.known:
            self.known[history] = 2 * torch.randn(7, generator=self.generator)
        return self.known[history]

    def step(self, last, state):
        # a state row is the picture and all words so far; the trace is the last word
        state = torch.cat([state[0], last[:, None]], 1)
        return torch.stack([self.logits(tuple(row)) for row in state.tolist()]), last[:, None].float(), (state,)

    def gain(self, history: tuple[int, ...], word: int) -> float:
        return self.logits(history).log_softmax(0)[word].item()

    def score(self, picture: int, sentence: tuple[int, ...]) -> float:
        return sum(self.gain((picture, BOS, *sentence[:i]), word) for i, word in enumerate(sentence))


def sentences():
    """Every sentence: words that end with EOS within the length, or do not end."""
    for length in range(1, LENGTH + 1):
        for words in itertools.product(WORDS[1:], repeat=length - 1):
            yield (*words, EOS)
    yield from itertools.product(WORDS[1:], repeat=LENGTH)


def search(table: Table, beam: int):
    tokens, trace = beam_search(table.step, (table.state.repeat_interleave(beam, 0),), beam, LENGTH)
    return [tuple(w for w in row if w != PAD) for row in tokens.tolist()], tokens, trace


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_best_of_all_sentences(seed):
    table = Table(3, seed)
    found, *_ = search(table, beam=4**LENGTH)
    best = [max(sentences(), key=lambda s, p=picture: table.score(p, s)) for picture in range(3)]
    assert found == best


@pytest.mark.parametrize("seed", range(5))
def test_width_one_is_greedy(seed):
    table = Table(3, seed)
    expected = []
    for picture in range(3):
        sentence: tuple[int, ...] = ()
        while len(sentence) < LENGTH and EOS not in sentence:
            gains = {word: table.gain((picture, BOS, *sentence), word) for word in WORDS}
            sentence = (*sentence, max(gains, key=gains.__getitem__))
        expected.append(sentence)
    assert search(table, beam=1)[0] == expected


@pytest.mark.parametrize("beam", [2, 3])
def test_a_narrow_beam_equals_one_on_plain_lists(beam):
    for seed in range(5):
        table = Table(2, seed)
        expected = []
        for picture in range(2):
            kept = [(0.0, ())]
            for _ in range(LENGTH):
                grown = [(score, s) for score, s in kept if EOS in s]
                for score, s in kept:
                    if EOS not in s:
                        grown += [(score + table.gain((picture, BOS, *s), word), (*s, word)) for word in WORDS]
                kept = sorted(grown, key=lambda g: -g[0])[:beam]
            expected.append(kept[0][1])
        assert search(table, beam)[0] == expected


def test_the_trace_follows_the_sentence_that_won():
    _, tokens, trace = search(Table(3, 0), beam=3)
    for row, seen in zip(tokens.tolist(), trace[:, :, 0].tolist(), strict=True):
        length = sum(word != PAD for word in row)
        assert seen[:length] == [BOS, *row[: length - 1]]


def test_padding_beginning_and_unknown_are_never_chosen():
    def step(last, state):
        logits = torch.zeros(len(last), 6)
        logits[:, [PAD, BOS, UNK]] = 99.0
        return logits, torch.zeros(len(last), 1), state

    tokens, _ = beam_search(step, (torch.zeros(4, 1),), beam=2, max_length=6)
    for row in tokens.tolist():
        spoken = row[: row.index(EOS)] if EOS in row else row
        assert set(spoken) <= {4, 5}


def test_the_search_stops_when_all_have_ended():
    calls = []

    def step(last, state):
        calls.append(1)
        logits = torch.full((len(last), 6), -math.inf)
        logits[:, EOS] = 0
        return logits, torch.zeros(len(last), 1), state

    tokens, trace = beam_search(step, (torch.zeros(2, 1),), beam=1, max_length=50)
    assert tokens.tolist() == [[EOS], [EOS]]
    assert trace.shape == (2, 1, 1)
    assert len(calls) == 1
