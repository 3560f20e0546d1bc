"""Scores of captions against references; the classes collect the whole set and score it at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

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

    ``compute`` returns ``{name: value}`` for the set, over all processes. CIDEr-D takes its document frequencies from
    the set, so nothing is scored before the end. If two processes get the same caption, it is scored twice.

    Args:
        names: Scores to compute, of bleu1, bleu2, bleu3, bleu4, rouge_l, cider.
        tokenize: True puts captions through `ptb_tokenize`, as the official evaluation does; False splits them at white
            space.

    Attributes:
        values: Dict name -> value per image ``(b,)``, in the order of the updates, of the last ``compute``. None before
            the first ``compute`` and after ``reset``.

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
    values_after: ClassVar[Literal["update", "compute"]] = "compute"
    """Call that sets ``values``: an image's CIDEr-D needs the whole set."""
    values: Any
    records: list[Tensor]

    def __init__(self, names: Sequence[str] = NAMES, tokenize: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = tuple(names)
        self.tokenize = tokenize
        self.values = None
        self.add_state("records", [], dist_reduce_fx="cat")

    @property
    def directions(self) -> dict[str, bool] | None:
        """Whether more is better, of each score by name; None where there is one score, of `higher_is_better`."""
        return dict.fromkeys(self.names, True)

    def update(self, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        check(candidates, references)
        self.records.append(pack([list(candidates), [list(each) for each in references]], self.device))

    def compute(self) -> Any:
        """Return the scores of all captions that were collected so far, by name."""
        candidates: list[str] = []
        references: list[list[str]] = []
        for batch_candidates, batch_references in unpack(self.records):
            candidates += batch_candidates
            references += batch_references
        if self.tokenize:
            tokenized = ptb_tokenize(candidates + [r for each in references for r in each])
            candidates, tokenized_references = tokenized[: len(candidates)], iter(tokenized[len(candidates) :])
            references = [[next(tokenized_references) for _ in each] for each in references]
        scores = caption_scores(candidates, references, self.names)
        self.values = {name: values for name, (_, values) in scores.items()}
        return {name: torch.tensor(value) for name, (value, _) in scores.items()}

    def reset(self) -> None:
        super().reset()
        self.values = None


class _One(CaptionScores):
    """Base of the metrics of one caption score, which ``name`` names; ``values`` is its tensor ``(b,)``."""

    name: ClassVar[str]

    def __init__(self, tokenize: bool = True, **kwargs: Any) -> None:
        super().__init__((self.name,), tokenize, **kwargs)

    @property
    def directions(self) -> None:
        return None

    def compute(self) -> Float[Tensor, ""]:
        score: Float[Tensor, ""] = super().compute()[self.name]
        self.values = self.values[self.name]
        return score


class BLEU(_One):
    """BLEU of a set of captions, see `haa.metrics.functional.caption_scores`.

    Args:
        n: Length of the longest n-gram, 1 to 4.
        tokenize: True puts captions through `ptb_tokenize`; False splits them at white space.

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
        tokenize: True puts captions through `ptb_tokenize`; False splits them at white space.

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
        tokenize: True puts captions through `ptb_tokenize`; False splits them at white space.

    Example:
        >>> metric = CIDEr()
        >>> metric.update(["A red bird.", "two dogs"], [["a red bird"], ["two dogs", "a cat"]])
        >>> round(metric.compute().item(), 3)
        5.0
    """

    name = "cider"
