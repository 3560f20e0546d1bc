"""Scores of captions against references: collected over the whole set, scored at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from haa.metrics.functional.captions import NAMES, caption_scores
from haa.metrics.functional.ngrams import check
from haa.metrics.functional.ptb import ptb_tokenize
from haa.metrics.strings import pack, unpack


class CaptionScores(Metric):
    """BLEU-1 to 4, ROUGE-L and CIDEr-D of a set of captions, see `haa.metrics.functional.caption_scores`.

    ``compute`` gives ``{name: value}`` for the set, over all processes. CIDEr-D takes its document frequencies from the
    set, so nothing is scored before the end. Captions that two processes saw are scored twice.

    Args:
        names: which of bleu1, bleu2, bleu3, bleu4, rouge_l, cider.
        tokenize: put captions through `ptb_tokenize`, as the official evaluation does; False splits at white space.

    Attributes:
        per_image: name -> value per image, in the order of the updates, after ``compute``.

    Example:
        >>> metric = CaptionScores(names=("bleu4", "rouge_l"))
        >>> metric.update(["A red bird sits on a wall."], [["a red bird sits on a wall", "a bird"]])
        >>> metric.update(["Two dogs"], [["two big dogs"]])
        >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
        {'bleu4': 0.861, 'rouge_l': 0.886}
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    records: list[Tensor]

    def __init__(self, names: Sequence[str] = NAMES, tokenize: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = tuple(names)
        self.tokenize = tokenize
        self.per_image: dict[str, Float[Tensor, " b"]] = {}
        self.add_state("records", [], dist_reduce_fx="cat")

    def update(self, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        check(candidates, references)
        self.records.append(pack([list(candidates), [list(each) for each in references]], self.device))

    def compute(self) -> Any:
        """The scores of everything seen so far."""
        candidates: list[str] = []
        references: list[list[str]] = []
        for said, meant in unpack(self.records):
            candidates += said
            references += meant
        if self.tokenize:
            flat = ptb_tokenize(candidates + [r for each in references for r in each])
            candidates, rest = flat[: len(candidates)], iter(flat[len(candidates) :])
            references = [[next(rest) for _ in each] for each in references]
        scores = caption_scores(candidates, references, self.names)
        self.per_image = {name: values for name, (_, values) in scores.items()}
        return {name: torch.tensor(value) for name, (value, _) in scores.items()}

    def reset(self) -> None:
        super().reset()
        self.per_image = {}


class _One(CaptionScores):
    """One caption score by name."""

    name: ClassVar[str]

    def __init__(self, tokenize: bool = True, **kwargs: Any) -> None:
        super().__init__((self.name,), tokenize, **kwargs)

    def compute(self) -> Float[Tensor, ""]:
        return super().compute()[self.name]


class BLEU(_One):
    """BLEU of a set of captions, see `haa.metrics.functional.caption_scores`.

    Args:
        n: 1 to 4, the longest n-gram.
        tokenize: put captions through `ptb_tokenize`.

    Example:
        >>> metric = BLEU()
        >>> metric.update(["A red bird sits on a wall."], [["a red bird sits on a wall"]])
        >>> round(metric.compute().item(), 3)
        1.0
    """

    def __init__(self, n: int = 4, tokenize: bool = True, **kwargs: Any) -> None:
        self.name = f"bleu{n}"  # type: ignore[misc]
        super().__init__(tokenize, **kwargs)


class ROUGEL(_One):
    """ROUGE-L of a set of captions, see `haa.metrics.functional.caption_scores`.

    Args:
        tokenize: put captions through `ptb_tokenize`.

    Example:
        >>> metric = ROUGEL()
        >>> metric.update(["Two dogs"], [["two big dogs"]])
        >>> round(metric.compute().item(), 3)
        0.772
    """

    name = "rouge_l"


class CIDEr(_One):
    """CIDEr-D of a set of captions, see `haa.metrics.functional.caption_scores`.

    Args:
        tokenize: put captions through `ptb_tokenize`.

    Example:
        >>> metric = CIDEr()
        >>> metric.update(["A red bird.", "two dogs"], [["a red bird"], ["two dogs", "a cat"]])
        >>> round(metric.compute().item(), 3)
        5.0
    """

    name = "cider"
