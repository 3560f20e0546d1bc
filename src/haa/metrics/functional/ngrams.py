"""N-gram counts of a whole set of captions at once, as sorted arrays, for BLEU and CIDEr-D."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy as np
from numpy.typing import NDArray

from haa.errors import InputError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Captions as numbers: image by image, the candidate first, then its references.

    Args:
        words: Every word of every caption, one after the other, as a small integer.
        lengths: Number of words of each caption.
        image: Image of each caption.
        candidate: True where a caption is a candidate.
    """

    words: Ints
    lengths: Ints
    image: Ints
    candidate: NDArray[np.bool_]

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.candidate.sum())


@dataclass(frozen=True)
class Ngrams:
    """Distinct n-grams of each caption, sorted by n-gram, then image, then caption (the candidate first).

    Args:
        caption: Caption that each entry belongs to.
        times: Number of times that this caption has the n-gram.
        gram: Number that stands for the n-gram.
        starts: First entry of each (n-gram, image) group.
    """

    caption: Ints
    times: Ints
    gram: Ints
    starts: Ints

    @property
    def first(self) -> Ints:
        """First entry of the (n-gram, image) group that each entry belongs to."""
        return np.repeat(self.starts, np.diff(self.starts, append=len(self.caption)))


def check(candidates: Sequence[object], references: Sequence[Sequence[object]]) -> None:
    """Refuse captions whose numbers of candidates and reference lists differ, or an image without a reference.

    Raises:
        InputError: If the numbers differ, or an image has no reference.
    """
    if len(candidates) != len(references):
        raise InputError(
            f"{len(candidates)} candidates, {len(references)} lists of references: give one each per image"
        )
    if not all(references):
        empty = next(i for i, each in enumerate(references) if not each)
        raise InputError(f"image {empty} of the set has no reference caption: give at least one each")


def corpus(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> Corpus:
    """Return the corpus of captions that are split into words: each distinct word gets a number."""
    sizes = np.fromiter(map(len, references), np.int64, len(references))
    captions = list(chain.from_iterable(chain((c,), r) for c, r in zip(candidates, references, strict=True)))
    lengths = np.fromiter(map(len, captions), np.int64, len(captions))
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    words = np.fromiter(map(numbers.__getitem__, chain.from_iterable(captions)), np.int64, int(lengths.sum()))
    starts = np.concatenate([[0], np.cumsum(sizes + 1)])[:-1].astype(np.int64)
    candidate = np.zeros(len(captions), dtype=bool)
    candidate[starts] = True
    return Corpus(words, lengths, np.repeat(np.arange(len(sizes)), sizes + 1), candidate)


def ngrams(text: Corpus, longest: int = 4) -> Iterator[Ngrams]:
    """Yield the tables of 1-grams, 2-grams ... of a corpus, up to n = ``longest``."""
    total = len(text.words)
    owner = np.repeat(np.arange(len(text.lengths)), text.lengths)
    # for each word, the number of words from it to the end of its caption, itself included
    words_left = np.repeat(np.cumsum(text.lengths), text.lengths) - np.arange(total)
    vocabulary = int(text.words.max(initial=0)) + 1
    shift = max(total, 1).bit_length()
    code = text.words
    for n in range(1, longest + 1):
        position = np.flatnonzero(words_left >= n)
        if n > 1:
            code = code[position] * vocabulary + text.words[position + n - 1]
        # one integer holds a code and its position: a plain sort is several times as fast as a stable argsort
        if (int(code.max(initial=0)) + 1).bit_length() + shift < 64:
            packed = np.sort((code << shift) | position)
            code, position = packed >> shift, packed & ((1 << shift) - 1)
        else:
            order = np.argsort(code, kind="stable")
            code, position = code[order], position[order]
        is_new_gram = _changes(code)
        gram = np.cumsum(is_new_gram) - 1
        caption = owner[position]
        entry = np.flatnonzero(is_new_gram | _changes(caption))
        caption, entry_gram = caption[entry], gram[entry]
        begins_group = _changes(entry_gram) | _changes(text.image[caption])
        starts = np.flatnonzero(begins_group)
        times = np.diff(entry, append=len(code))
        yield Ngrams(caption, times, entry_gram, starts)
        # numbers without gaps keep the next code small
        code = np.zeros(total, dtype=np.int64)
        code[position] = gram


def _changes(values: NDArray) -> NDArray[np.bool_]:
    """Return where a value differs from the one before it; True for the first."""
    out = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=out[1:])
    return out
