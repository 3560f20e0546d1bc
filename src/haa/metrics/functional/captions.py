"""BLEU, ROUGE-L and CIDEr-D of captions, as the COCO caption evaluation computes them, without Java."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from haa.errors import InputError
from haa.metrics.functional.ngrams import Corpus, Ngrams, check, corpus, ngrams

NAMES = ("bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "cider")

Floats = NDArray[np.float64]


def caption_scores(
    candidates: Sequence[str], references: Sequence[Sequence[str]], names: Sequence[str] = NAMES
) -> dict[str, tuple[float, Float[Tensor, " b"]]]:
    """BLEU-1 to 4, ROUGE-L and CIDEr-D of a set of captions.

    Words are what white space separates: put raw captions through `ptb_tokenize` first, as the official evaluation
    does. Follows pycocoevalcap to the last digit:

    - BLEU: the corpus value is computed from the corpus' counts (it is not the mean of the images' values), with the
      reference length that is closest to the candidate's, and over one image alone with their average.
    - ROUGE-L: beta 1.2; the best precision and the best recall over the references are taken independently.
    - CIDEr is CIDEr-D: n = 1 .. 4, sigma 6, times 10, the candidate's counts clipped, the number of bigrams for a
      caption's length, and document frequencies of the evaluated references. So it belongs to the set: it cannot be
      averaged over batches, and it is 0 for one image alone.

    Args:
        candidates: one caption per image.
        references: at least one caption per image.
        names: which of the scores to compute.

    Returns:
        name -> (value of the set, float64 value per image).

    Raises:
        InputError: if the lengths differ, an image has no reference, nothing was given, or a name is unknown.

    Example:
        >>> scores = caption_scores(["a red bird", "two dogs"], [["a red bird", "a bird"], ["two big dogs"]])
        >>> {name: round(corpus, 4) for name, (corpus, per_image) in scores.items()}
        {'bleu1': 0.8187, 'bleu2': 0.6685, 'bleu3': 0.7152, 'bleu4': 0.0234, 'rouge_l': 0.8861, 'cider': 3.3848}

    Papineni et al., BLEU, ACL 2002; Lin, ROUGE, ACL workshop 2004; Vedantam et al., CIDEr, CVPR 2015.
    """
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise InputError(f"caption score {unknown[0]!r} is unknown: choose from {', '.join(NAMES)}")
    if not candidates:
        raise InputError("no captions were given: caption scores need at least one image")
    said = [c.split() for c in candidates]
    meant = [[r.split() for r in each] for each in references]
    check(said, meant)
    found: dict[str, tuple[float, Floats]] = {}
    if set(names) - {"rouge_l"}:
        text = corpus(said, meant)
        tables = list(ngrams(text))
        if "cider" in names:
            per_image = _cider(text, tables)
            found["cider"] = float(per_image.mean()), per_image
        if set(names) - {"cider", "rouge_l"}:
            found |= _bleu(text, tables)
    if "rouge_l" in names:
        per_image = _rouge_l(said, meant)
        found["rouge_l"] = float(per_image.mean()), per_image
    return {name: (found[name][0], torch.from_numpy(found[name][1])) for name in NAMES if name in names}


def _bleu(text: Corpus, tables: list[Ngrams]) -> dict[str, tuple[float, Floats]]:
    images, own = text.images, np.flatnonzero(text.candidate)
    said = text.lengths[own].astype(np.float64)
    correct = np.zeros((4, images))
    for n, table in enumerate(tables):
        clipped = np.where(text.candidate[table.caption], 0, table.times)
        allowed = np.maximum.reduceat(clipped, table.starts) if len(table.starts) else clipped
        mine = text.candidate[table.caption[table.starts]]
        entry = table.starts[mine]
        hits = np.minimum(table.times[entry], allowed[mine])
        correct[n] = np.bincount(text.image[table.caption[entry]], hits, images)
    guess = np.maximum(said - np.arange(4)[:, None], 0)

    sizes = np.diff(own, append=len(text.lengths)) - 1
    meant = np.delete(text.lengths, own)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    if images == 1:
        reference = np.array([meant.mean()])
    else:
        # the closest length; of two equally close ones the shorter: the distance leads, the length breaks the tie
        distance = np.abs(meant - np.repeat(text.lengths[own], sizes))
        big = int(text.lengths.max()) + 1
        reference = np.minimum.reduceat(distance * big + meant, starts) % big

    def score(correct: Floats, guess: Floats, said: Floats, meant: Floats) -> Floats:
        # these two small numbers are the reference's: they decide the value where an n-gram never matches
        precision = np.cumprod((correct + 1e-15) / (guess + 1e-9), axis=0)
        ratio = (said + 1e-15) / (meant + 1e-9)
        brevity = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1)), 1.0)
        return precision ** (1 / np.arange(1, 5).reshape(-1, *[1] * (precision.ndim - 1))) * brevity

    per_image = score(correct, guess, said, reference)
    whole = score(correct.sum(1), guess.sum(1), said.sum(), reference.sum())
    return {f"bleu{n + 1}": (float(whole[n]), per_image[n]) for n in range(4)}


def _cider(text: Corpus, tables: list[Ngrams]) -> Floats:
    captions, images = len(text.lengths), text.images
    bigrams = np.maximum(text.lengths - 1, 0)
    own = np.flatnonzero(text.candidate)
    owner = own[text.image]
    total = np.zeros(captions)
    for table in tables:
        if not len(table.starts):
            continue
        is_candidate = text.candidate[table.caption]
        # a group counts for the document frequency if it has a reference: its last entry is then one
        ends = np.append(table.starts[1:], len(table.caption)) - 1
        documents = np.bincount(table.gram[table.starts], ~is_candidate[ends])
        weight = table.times * (np.log(images) - np.log(np.maximum(documents, 1)))[table.gram]
        norm = np.sqrt(np.bincount(table.caption, weight * weight, captions))
        pair = np.flatnonzero(is_candidate[table.first] & ~is_candidate)
        mine, theirs = weight[table.first[pair]], weight[pair]
        product = np.bincount(table.caption[pair], np.minimum(mine, theirs) * theirs, captions)
        scale = norm * norm[owner]
        total += np.divide(product, scale, out=np.zeros(captions), where=scale > 0)
    delta = (bigrams - bigrams[owner]).astype(np.float64)
    total = np.where(text.candidate, 0.0, total * np.exp(-(delta**2) / (2 * 6.0**2)))
    references = np.bincount(text.image) - 1
    return np.bincount(text.image, total, images) / 4 / references * 10


def _rouge_l(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> Floats:
    scores = np.zeros(len(candidates))
    for i, (said, meant) in enumerate(zip(candidates, references, strict=True)):
        if not said:
            scores[i] = float(any(not r for r in meant))  # as the reference has it: nothing agrees with nothing
            continue
        masks: dict[str, int] = {}
        for k, word in enumerate(said):
            masks[word] = masks.get(word, 0) | 1 << k
        every = (1 << len(said)) - 1
        precision = recall = 0.0
        for reference in meant:
            # the longest common subsequence, all prefixes of the candidate at once in the bits of one integer
            # (Crochemore et al., A fast and practical bit-vector algorithm for the LCS problem, 2001)
            row = every
            for mask in map(masks.get, reference):
                if mask:
                    matched = row & mask
                    row = row + matched | row - matched
            common = (every & ~row).bit_count()
            precision = max(precision, common / len(said))
            recall = max(recall, common / max(len(reference), 1))
        if precision:
            scores[i] = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    return scores
