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
    """Return BLEU-1 to 4, ROUGE-L and CIDEr-D of a set of captions.

    White space separates words: put raw captions through `ptb_tokenize` first, as the official evaluation does.
    Follows pycocoevalcap to the last digit:

    - BLEU: the value of the set is computed from the counts of the whole set; it is not the mean of the images' values.
      The reference length is the one closest to the candidate's, or the references' average if there is only one image.
    - ROUGE-L: beta is 1.2; the best precision and the best recall over the references are taken independently.
    - CIDEr is CIDEr-D: n = 1 .. 4, sigma 6, times 10. The candidate's counts are clipped, the number of bigrams stands
      for a caption's length, and the document frequencies are those of the evaluated references. So the value belongs
      to the set: it cannot be averaged over batches, and it is 0 for one image alone.

    Args:
        candidates: One caption per image.
        references: At least one caption per image.
        names: Scores to compute.

    Returns:
        Dict name -> (value of the set, float64 value per image).

    Raises:
        InputError: If the lengths differ, an image has no reference, there are no captions, or a name is unknown.

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
    candidate_words = [c.split() for c in candidates]
    reference_words = [[r.split() for r in each] for each in references]
    check(candidate_words, reference_words)
    scores: dict[str, tuple[float, Floats]] = {}
    if set(names) - {"rouge_l"}:
        text = corpus(candidate_words, reference_words)
        tables = list(ngrams(text))
        if "cider" in names:
            per_image = _cider(text, tables)
            scores["cider"] = float(per_image.mean()), per_image
        if set(names) - {"cider", "rouge_l"}:
            scores |= _bleu(text, tables)
    if "rouge_l" in names:
        per_image = _rouge_l(candidate_words, reference_words)
        scores["rouge_l"] = float(per_image.mean()), per_image
    return {name: (scores[name][0], torch.from_numpy(scores[name][1])) for name in NAMES if name in names}


def bleu_without_each(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Float[Tensor, "4 b"]:
    """Return BLEU-1 to 4 of a set of captions without each of its images in turn.

    BLEU is no mean over images; these values say how much each adds, of which an interval over images is made (the
    jackknife: Efron and Stein, The jackknife estimate of variance, 1981).

    Args:
        candidates: One caption per image, words separated by white space.
        references: At least one caption per image.

    Raises:
        InputError: If the lengths differ, an image has no reference, or there are fewer than two images.

    Example:
        >>> bleu_without_each(["a red bird", "two dogs"], [["a red bird"], ["two cats"]])[0].round(decimals=3)
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    if len(candidates) < 2:
        raise InputError("BLEU without each image needs at least two images: give more captions")
    candidate_words, reference_words = (
        [c.split() for c in candidates],
        [[r.split() for r in each] for each in references],
    )
    check(candidate_words, reference_words)
    text = corpus(candidate_words, reference_words)
    correct, guess, said, meant = _bleu_counts(text, list(ngrams(text)))
    rest = [part.sum(-1, keepdims=True) - part for part in (correct, guess, said, meant)]
    return torch.from_numpy(_bleu_of(*rest))


def _bleu(text: Corpus, tables: list[Ngrams]) -> dict[str, tuple[float, Floats]]:
    correct, guess, said, meant = _bleu_counts(text, tables)
    per_image = _bleu_of(correct, guess, said, meant)
    of_set = _bleu_of(correct.sum(1), guess.sum(1), said.sum(), meant.sum())
    return {f"bleu{n + 1}": (float(of_set[n]), per_image[n]) for n in range(4)}


def _bleu_of(correct: Floats, guess: Floats, said: Floats, meant: Floats) -> Floats:
    # pycocoevalcap has these two small numbers: they decide the value where no n-gram matches
    precision = np.cumprod((correct + 1e-15) / (guess + 1e-9), axis=0)
    ratio = (said + 1e-15) / (meant + 1e-9)
    brevity = np.where(ratio < 1, np.exp(1 - 1 / np.minimum(ratio, 1)), 1.0)
    return precision ** (1 / np.arange(1, 5).reshape(-1, *[1] * (precision.ndim - 1))) * brevity


def _bleu_counts(text: Corpus, tables: list[Ngrams]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return for each image the n-grams (4, b) that are right and that there are, its words, and its references'."""
    images, candidates = text.images, np.flatnonzero(text.candidate)
    candidate_lengths = text.lengths[candidates].astype(np.float64)
    correct = np.zeros((4, images))
    for n, table in enumerate(tables):
        clipped = np.where(text.candidate[table.caption], 0, table.times)
        allowed = np.maximum.reduceat(clipped, table.starts) if len(table.starts) else clipped
        in_candidate = text.candidate[table.caption[table.starts]]
        entry = table.starts[in_candidate]
        hits = np.minimum(table.times[entry], allowed[in_candidate])
        correct[n] = np.bincount(text.image[table.caption[entry]], hits, images)
    guess = np.maximum(candidate_lengths - np.arange(4)[:, None], 0)

    sizes = np.diff(candidates, append=len(text.lengths)) - 1
    reference_lengths = np.delete(text.lengths, candidates)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    if images == 1:
        closest = np.array([reference_lengths.mean()])
    else:
        # the closest length, and the shorter of two equally close ones: one number holds (distance, length)
        distance = np.abs(reference_lengths - np.repeat(text.lengths[candidates], sizes))
        base = int(text.lengths.max()) + 1
        closest = np.minimum.reduceat(distance * base + reference_lengths, starts) % base

    return correct, guess, candidate_lengths, closest


def _cider(text: Corpus, tables: list[Ngrams]) -> Floats:
    captions, images = len(text.lengths), text.images
    bigrams = np.maximum(text.lengths - 1, 0)
    # for each caption, the candidate of its image
    candidate = np.flatnonzero(text.candidate)[text.image]
    total = np.zeros(captions)
    for table in tables:
        if not len(table.starts):
            continue
        is_candidate = text.candidate[table.caption]
        # a group counts in the document frequency if a reference is in it, and then its last entry is a reference
        ends = np.append(table.starts[1:], len(table.caption)) - 1
        documents = np.bincount(table.gram[table.starts], ~is_candidate[ends])
        weight = table.times * (np.log(images) - np.log(np.maximum(documents, 1)))[table.gram]
        norm = np.sqrt(np.bincount(table.caption, weight * weight, captions))
        first = table.first
        pair = np.flatnonzero(is_candidate[first] & ~is_candidate)
        candidate_weight, reference_weight = weight[first[pair]], weight[pair]
        clipped = np.minimum(candidate_weight, reference_weight) * reference_weight
        product = np.bincount(table.caption[pair], clipped, captions)
        scale = norm * norm[candidate]
        total += np.divide(product, scale, out=np.zeros(captions), where=scale > 0)
    delta = (bigrams - bigrams[candidate]).astype(np.float64)
    total = np.where(text.candidate, 0.0, total * np.exp(-(delta**2) / (2 * 6.0**2)))
    references = np.bincount(text.image) - 1
    return np.bincount(text.image, total, images) / 4 / references * 10


def _rouge_l(candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> Floats:
    scores = np.zeros(len(candidates))
    for i, (candidate, image_references) in enumerate(zip(candidates, references, strict=True)):
        if not candidate:
            # as in pycocoevalcap: an empty candidate agrees with an empty reference
            scores[i] = float(any(not r for r in image_references))
            continue
        masks: dict[str, int] = {}
        for k, word in enumerate(candidate):
            masks[word] = masks.get(word, 0) | 1 << k
        all_bits = (1 << len(candidate)) - 1
        precision = recall = 0.0
        for reference in image_references:
            # longest common subsequence: the bits of one integer stand for all prefixes of the candidate at once
            # (Crochemore et al., A fast and practical bit-vector algorithm for the LCS problem, 2001)
            row = all_bits
            for mask in map(masks.get, reference):
                if mask:
                    matched = row & mask
                    row = row + matched | row - matched
            common = (all_bits & ~row).bit_count()
            precision = max(precision, common / len(candidate))
            recall = max(recall, common / max(len(reference), 1))
        if precision:
            scores[i] = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    return scores
