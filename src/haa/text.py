"""Words, answers and classes as numbers: built from the training split, and kept in a checkpoint as strings."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Protocol

import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from haa.errors import InputError

# short sentences gain nothing from threads, and a loader that forks after threads were used warns once per worker
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
PAD, UNK, BOS, EOS = range(4)


class HasClasses(Protocol):
    """A dataset whose labels count named classes: `haa.data.dataset.GazeDataset` is one."""

    @property
    def classes(self) -> Sequence[str]:
        """Names that ``label`` counts; empty where samples have no label."""
        ...

    @property
    def multilabel(self) -> bool:
        """Whether a sample may have several of the classes."""
        ...


class Vocabulary:
    """Words of questions or captions: lower case, split at white space and at every punctuation mark.

    The first four entries are padding, unknown word, beginning and end (`PAD`, `UNK`, `BOS`, `EOS`). Words follow, most
    frequent first, ties in alphabetical order. No text is read as one of these four: "<eos>" is three words.

    Args:
        tokenizer: A word-level tokenizer of the `tokenizers` library; `build` and `from_json` make it.

    Raises:
        InputError: If the tokenizer's first four entries are not the specials.

    Example:
        >>> words = Vocabulary.build(["What colour is the star?", "Is the star red?"])
        >>> tokens, mask = words.encode(["Is the STAR blue?", "star"])
        >>> tokens
        tensor([[5, 7, 6, 1, 4],
                [6, 0, 0, 0, 0]])
        >>> mask.sum(1)
        tensor([5, 1])
        >>> words.decode(tokens)
        ['is the star <unk> ?', 'star']
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        entries = tokenizer.get_vocab()
        if any(entries.get(name) != index for index, name in enumerate(SPECIALS)):
            raise InputError(f"vocabulary: its first four entries must be {', '.join(SPECIALS)}: build it from texts")
        self._tokenizer = tokenizer
        self._words = sorted(entries, key=entries.__getitem__)

    @classmethod
    def build(cls, texts: Iterable[str], size: int = 10_000, min_count: int = 1) -> Vocabulary:
        """Return the vocabulary of the words of ``texts``.

        Args:
            texts: Sentences, of the training split alone.
            size: Largest number of entries, the four specials included; the rarest words are left out.
            min_count: Smallest number of times that a word must occur; rarer words become unknown.
        """
        counter = _word_level({"": 0})
        counter.train_from_iterator(
            texts,
            trainers.WordLevelTrainer(vocab_size=size - len(SPECIALS), min_frequency=min_count, show_progress=False),
        )
        # words are numbered anew behind the specials: given to the trainer, the specials would be found inside texts
        numbers = counter.get_vocab()
        words = sorted(numbers, key=numbers.__getitem__)
        return cls(_word_level({word: index for index, word in enumerate([*SPECIALS, *words])}))

    def __len__(self) -> int:
        return len(self._words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.to_json() == other.to_json()

    def encode(
        self, texts: Sequence[str], bounds: bool = False, max_length: int | None = None
    ) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]]:
        """Return the numbers of the words, padded to the longest text, and a mask that is True where no padding is.

        Args:
            texts: Sentences, b of them. One without any word is read as a single unknown word, so that no row is all
                padding.
            bounds: Whether `BOS` and `EOS` enclose each text.
            max_length: Number of words kept of each text, the bounds not counted; None keeps all.
        """
        rows = [(encoding.ids or [UNK])[:max_length] for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        if bounds:
            rows = [[BOS, *row, EOS] for row in rows]
        longest = max(map(len, rows), default=0)
        tokens = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows], dtype=torch.long)
        tokens = tokens.view(len(rows), longest)
        return tokens, tokens != PAD

    def decode(self, tokens: Int[Tensor, "b t"]) -> list[str]:
        """Return the words of each row, joined by spaces, up to the first `EOS`; leave out `PAD` and `BOS`."""
        texts = []
        for row in tokens.tolist():
            end = row.index(EOS) if EOS in row else len(row)
            texts.append(" ".join(self._words[token] for token in row[:end] if token not in (PAD, BOS)))
        return texts

    def to_json(self) -> str:
        """Return the whole vocabulary as a string, in the `tokenizers` library's own format."""
        return self._tokenizer.to_str()

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """Return the vocabulary that `to_json` wrote.

        Raises:
            InputError: If the text is something else.
        """
        # of the library's json only the words are read: the rest of it may hold any regular expression
        try:
            words = json.loads(text)["model"]["vocab"]
            whole = sorted(words.values()) == list(range(len(words)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            whole = False
        if not whole:
            raise InputError("vocabulary is not the json of a word-level tokenizer: give what to_json wrote")
        return cls(_word_level(words))


class Answers:
    """Answers among which a model chooses, as they are written: most frequent first, ties in alphabetical order.

    Args:
        answers: The answers, all different, one or more.

    Raises:
        InputError: If there is none, or one occurs twice.

    Example:
        >>> answers = Answers.build(["red", "blue", "red", "two"], size=2)
        >>> answers.encode(["blue", "red", "two"])
        tensor([ 1,  0, -1])
        >>> answers.decode(torch.tensor([0]))
        ['red']
        >>> answers.targets([["red"], ["blue"] * 2 + ["red"] * 8])
        tensor([[1.0000, 0.0000],
                [1.0000, 0.6000]])
    """

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self._index = {answer: index for index, answer in enumerate(self._answers)}
        if not self._answers:
            raise InputError("answers: there is none to choose from: the training split needs answers")
        if len(self._index) != len(self._answers):
            raise InputError("answers: one occurs twice: give each once")

    @classmethod
    def build(cls, answers: Iterable[str], size: int = 3000, min_count: int = 1) -> Answers:
        """Return the most frequent answers.

        Args:
            answers: Answers, of the training split alone.
            size: Largest number of answers kept.
            min_count: Smallest number of times that an answer must occur.
        """
        counts = Counter(answers)
        ranked = sorted((answer for answer in counts if counts[answer] >= min_count), key=lambda a: (-counts[a], a))
        return cls(ranked[:size])

    def __len__(self) -> int:
        return len(self._answers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answers) and self._answers == other._answers

    def encode(self, answers: Sequence[str]) -> Int[Tensor, " b"]:
        """Return the number of each answer; -1 for an answer that is not in the list."""
        return torch.tensor([self._index.get(answer, -1) for answer in answers], dtype=torch.long)

    def targets(self, answers: Sequence[Sequence[str]]) -> Float[Tensor, "b n"]:
        """Return how right each answer of the list is, in [0, 1]: VQA accuracy, before any normalisation.

        ``mean_i min(1, #{j != i: a_j = a} / 3)``, which is ``min(1, 0.3 * count)`` where ten people answered; 1 for a
        single person's answer. Answers outside the list are dropped: a row may be all zero. Antol et al., "VQA: Visual
        Question Answering", ICCV 2015, section 3, with each person left out in turn as the official evaluation does.

        Args:
            answers: For each of b questions, the answers that people gave.
        """
        out = torch.zeros(len(answers), len(self))
        for row, human_answers in zip(out, answers, strict=True):
            for answer, count in Counter(human_answers).items():
                if answer in self._index:
                    row[self._index[answer]] = _accuracy(count, len(human_answers))
        return out

    def decode(self, indices: Int[Tensor, " b"]) -> list[str]:
        """Return the answers of these numbers."""
        return [self._answers[index] for index in indices.tolist()]

    def to_json(self) -> str:
        """Return the list as a string."""
        return json.dumps({"answers": self._answers}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Answers:
        """Return the answers that `to_json` wrote.

        Raises:
            InputError: If the text is something else.
        """
        try:
            answers = json.loads(text)["answers"]
            if not (isinstance(answers, list) and all(isinstance(name, str) for name in answers)):
                raise TypeError("answers are texts")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError("answers are not the json of an answer list: give what to_json wrote") from None
        return cls(answers)


class Classes:
    """Classes among which a model chooses, in the order in which ``label`` counts them.

    Args:
        names: Names of the classes, all different, two or more.

    Raises:
        InputError: If there are fewer, or one occurs twice.

    Example:
        >>> classes = Classes(["sparrow", "wren"])
        >>> len(classes), Classes.from_json(classes.to_json()) == classes
        (2, True)
    """

    fewest: ClassVar[int] = 2
    """Smallest number of classes that can be learned."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        if len(self.names) < self.fewest:
            raise InputError("classes: a classifier needs two or more: give data with labels, data=shapes say")
        if len(set(self.names)) != len(self.names):
            raise InputError("classes: one occurs twice: give each once")

    @classmethod
    def of(cls, dataset: HasClasses) -> Classes:
        """Return the classes that a dataset's labels count; `Labels` where a sample may have several.

        Raises:
            InputError: If the dataset's samples have no labels.
        """
        if not dataset.classes:
            raise InputError(
                f"{type(dataset).__name__} has no classes to learn: give data with labels, data=shapes say"
            )
        return Labels(dataset.classes) if dataset.multilabel else Classes(dataset.classes)

    def check(self, dataset: HasClasses) -> None:
        """Refuse a dataset whose labels count other classes.

        Raises:
            InputError: If it does; the message names the first difference.
        """
        if dataset.multilabel != isinstance(self, Labels):
            one, several = "one class for each sample", "several"
            theirs_are, mine_are = (several, one) if dataset.multilabel else (one, several)
            raise InputError(
                f"the model was trained for {mine_are}, and the data has {theirs_are}: give data like its own"
            )
        theirs = list(dataset.classes)
        if theirs == self.names:
            return
        pairs = zip(self.names, theirs, strict=False)
        differ = next((f"{a} where the data has {b}" for a, b in pairs if a != b), f"{len(self)} and not {len(theirs)}")
        raise InputError(f"the model was trained for other classes ({differ}): score it on data with its own")

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.names == other.names  # type: ignore[attr-defined]

    def decode(self, indices: Int[Tensor, " b"]) -> list[str]:
        """Return the names of these numbers."""
        return [self.names[index] for index in indices.tolist()]

    def chosen(self, logits: Float[Tensor, "b n"]) -> list[str]:
        """Return the name of the class that a classifier chooses for each sample."""
        return self.decode(logits.argmax(1))

    def to_json(self) -> str:
        """Return the names as a string that `from_json` reads."""
        return json.dumps({"classes": self.names}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Classes:
        """Return the classes that `to_json` wrote.

        Raises:
            InputError: If the text is something else.
        """
        try:
            names = json.loads(text)["classes"]
            if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
                raise TypeError("classes are texts")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError("classes are not the json of a list of classes: give what to_json wrote") from None
        return cls(names)


class Labels(Classes):
    """Classes of which a sample may have any number, in the order of its ``labels``.

    Args:
        names: Names of the classes, all different, one or more.

    Raises:
        InputError: If there is none, or one occurs twice.

    Example:
        >>> labels = Labels(["edema", "fracture", "mass"])
        >>> labels.listed(torch.tensor([[1, 0, 1], [0, -1, 0]]))
        ['edema, mass', 'none']
        >>> labels.chosen(torch.tensor([[2.0, -1.0, -1.0]]))
        ['edema']
    """

    fewest: ClassVar[int] = 1

    def listed(self, labels: Int[Tensor, "b n"]) -> list[str]:
        """Return the names of the classes that are present, joined by commas."""
        present = [[name for name, value in zip(self.names, row, strict=True) if value == 1] for row in labels.tolist()]
        return [", ".join(names) or "none" for names in present]

    def chosen(self, logits: Float[Tensor, "b n"]) -> list[str]:
        """Return the names of the classes whose probability is above a half, joined by commas."""
        return self.listed((logits > 0).long())


Vocabularies = dict[str, Vocabulary | Answers | Classes]
"""Vocabularies of the training split's texts, by name: ``question``, ``answer``, ``caption`` or ``class``."""

_KINDS: dict[str, type[Vocabulary] | type[Answers] | type[Classes]] = {
    "Vocabulary": Vocabulary,
    "Answers": Answers,
    "Classes": Classes,
    "Labels": Labels,
}


def pack(vocabularies: Vocabularies) -> dict[str, list[str]]:
    """Return vocabularies as plain strings, for a checkpoint: the kind and the JSON of each, by name.

    Example:
        >>> packed = pack({"answer": Answers(["no", "yes"])})
        >>> packed
        {'answer': ['Answers', '{"answers": ["no", "yes"]}']}
        >>> unpack(packed)["answer"].decode(torch.tensor([1]))
        ['yes']
    """
    return {name: [type(vocabulary).__name__, vocabulary.to_json()] for name, vocabulary in vocabularies.items()}


def unpack(packed: Mapping[str, Sequence[str]]) -> Vocabularies:
    """Return the vocabularies that `pack` turned into strings.

    Raises:
        InputError: If a kind is unknown, or the text is not of that kind.
    """
    vocabularies: Vocabularies = {}
    for name, (kind, text) in packed.items():
        if not isinstance(kind, str) or kind not in _KINDS:
            raise InputError(f"vocabulary {name} is of the unknown kind {kind}: there are {', '.join(_KINDS)}")
        vocabularies[name] = _KINDS[kind].from_json(text)
    return vocabularies


def _accuracy(count: int, people: int) -> float:
    if people == 1:
        return 1.0
    return (count * min(1.0, (count - 1) / 3) + (people - count) * min(1.0, count / 3)) / people


def _word_level(words: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=SPECIALS[UNK]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
