"""Accuracy of the VQA challenge; answers are normalised as in its official evaluation, quirks included."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from haa.errors import InputError

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_BETWEEN_DIGITS = re.compile(r"\d,\d")
# the official pattern is meant to keep a period after a digit, but its look-behind is misspelt and always holds
_PERIOD = re.compile(r"\.(?!\d)")
# the official call passes a flag, whose value is 32, as the count of replacements
_PERIODS = 32
_NUMBERS = "zero one two three four five six seven eight nine ten"
_DIGITS = {"none": "0"} | {word: str(number) for number, word in enumerate(_NUMBERS.split())}
_ARTICLES = frozenset(("a", "an", "the"))
# each word is also recognised with any one of its apostrophes left out
_CONTRACTED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
_CONTRACTIONS = {"somebody'd": "somebodyd"} | {
    word[:i] + word[i + 1 :]: word for word in _CONTRACTED.split() for i, letter in enumerate(word) if letter == "'"
}


class _Memo(dict[str, str]):
    """Cache of a function's results, string -> string; answers repeat, so nearly every look-up hits."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def __missing__(self, text: str) -> str:
        if len(self) >= 1_000_000:
            self.clear()
        result = self[text] = self.function(text)
        return result


def _strip(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def normalise_answer(text: str) -> str:
    """Return an answer as the official VQA evaluation compares it.

    Punctuation, number words, articles and contractions are normalised, exactly as ``processPunctuation`` and
    ``processDigitArticle`` of vqaEval.py do. A punctuation mark next to a space is removed, and any other becomes a
    space; but if the text has a comma between two digits, all marks are removed. Of the periods that no digit follows,
    the first 32 are removed. 'none' becomes '0'.

    Example:
        >>> normalise_answer("The two dogs, isnt it?")
        "2 dogs isn't it"
        >>> normalise_answer("1,000/2"), normalise_answer("1/2")
        ('10002', '1 2')

    Antol et al., VQA: visual question answering, ICCV 2015; https://visualqa.org/evaluation.html.
    """
    text = _strip(text)
    out = text
    remove_all = _COMMA_BETWEEN_DIGITS.search(text) is not None
    for mark in _PUNCTUATION:
        if mark in text:
            remove = remove_all or mark + " " in text or " " + mark in text
            out = out.replace(mark, "" if remove else " ")
    out = _PERIOD.sub("", out, count=_PERIODS)
    words = [_DIGITS.get(word, word) for word in out.lower().split()]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


_NORMALISED = _Memo(normalise_answer)


def vqa_accuracy(answers: Sequence[str], ground_truths: Sequence[Sequence[str]]) -> Float[Tensor, " b"]:
    """Return the VQA challenge's accuracy of each answer, given the answers of (usually ten) people.

    ``mean_i min(1, #{j != i: a_j = a} / 3)``, which is ``min(1, 0.3 n)`` where n of ten people gave the answer. Both
    sides are normalised (`normalise_answer`), except where all people agree: then neither is, as in the official
    evaluation. A single ground truth is an exception to the official evaluation, where the leave-one-out mean would
    always be 0: the accuracy is 1 if the normalised strings agree.

    Args:
        answers: One answer per question.
        ground_truths: Answers of at least one person for each question.

    Returns:
        Value per question in [0, 1], float32, on the CPU.

    Raises:
        InputError: If the numbers differ, or a question has no ground truth.

    Example:
        >>> vqa_accuracy(["yes", "two", "Red"], [["yes"] * 10, ["2"] * 2 + ["3"] * 8, ["red"] * 10])
        tensor([1.0000, 0.6000, 0.0000])

    Antol et al., VQA: visual question answering, ICCV 2015; https://visualqa.org/evaluation.html.
    """
    if len(answers) != len(ground_truths):
        raise InputError(f"{len(answers)} answers for {len(ground_truths)} questions: give one answer per question")
    normal = _NORMALISED.__getitem__
    scores: list[float] = []
    for answer, truths in zip(answers, ground_truths, strict=True):
        total = len(truths)
        if total == 0:
            raise InputError(f"question {len(scores)} of the batch has no ground truth: give at least one answer each")
        first = truths[0]
        if total > 1 and truths.count(first) == total:
            n = total if _strip(answer) == _strip(first) else 0
        else:
            people = list(map(normal, truths))
            n = people.count(normal(answer))
            # people whose answers differ only in white space agree; this is rare, so it is checked last
            if n in (0, total) and total > 1 and len(set(map(_strip, truths))) == 1:
                n = total if _strip(answer) == _strip(first) else 0
        scores.append(_TABLE[total][n])
    return torch.tensor(scores, dtype=torch.float32)


class _Table(dict[int, list[float]]):
    """Accuracy of an answer by number of people, then by the number n of them who gave it."""

    def __missing__(self, total: int) -> list[float]:
        row = [(n * min(1.0, (n - 1) / 3) + (total - n) * min(1.0, n / 3)) / total for n in range(total + 1)]
        self[total] = [0.0, 1.0] if total == 1 else row
        return self[total]


_TABLE = _Table()
