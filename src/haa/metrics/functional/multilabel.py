"""Measures of samples that may have several labels: per sample, and per class over a set of samples."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def top_label(scores: Float[Tensor, "b n"], labels: Int[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Return 1 where the known label of highest score is present, 0 where it is absent (precision at one).

    One minus this is the one-error of Schapire and Singer. NaN where no label is present.

    Args:
        scores: Score of each label, greater where it is thought to be present.
        labels: 1 present, 0 absent, -1 unknown.

    Example:
        >>> top_label(torch.tensor([[0.9, 0.2], [0.1, 0.8], [0.1, 0.2]]), torch.tensor([[1, 0], [1, 0], [0, 0]]))
        tensor([1., 0., nan])

    R. E. Schapire, Y. Singer. BoosTexter: A Boosting-based System for Text Categorization. Machine Learning 39, 2000.
    """
    best = scores.masked_fill(labels < 0, -torch.inf).argmax(1, keepdim=True)
    right = (labels.gather(1, best)[:, 0] == 1).float()
    return torch.where((labels == 1).any(1), right, torch.nan)


def label_accuracy(logits: Float[Tensor, "b n"], labels: Int[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Return the share of the known labels that are right, at a probability of one half: one minus the Hamming loss.

    NaN where no label is known.

    Args:
        logits: Logit of each label.
        labels: 1 present, 0 absent, -1 unknown.

    Example:
        >>> label_accuracy(torch.tensor([[2.0, -1.0, 3.0, 5.0]]), torch.tensor([[1, 0, 0, -1]]))
        tensor([0.6667])
    """
    known = labels >= 0
    right = ((logits > 0) == (labels == 1)) & known
    return right.sum(1) / known.sum(1)


def ranking_precision(scores: Float[Tensor, "b n"], labels: Int[Tensor, "b n"]) -> Float[Tensor, " b"]:
    r"""Return the average precision of each sample's ranking of its known labels.

    .. math:: \frac{1}{|P|} \sum_{p \in P} \frac{|\{q \in P : s_q \ge s_p\}|}{|\{q : s_q \ge s_p\}|}

    P are the labels that are present. NaN where there is none.

    Args:
        scores: Score of each label, greater where it is thought to be present.
        labels: 1 present, 0 absent, -1 unknown.

    Example:
        >>> ranking_precision(torch.tensor([[0.9, 0.5, 0.1]]), torch.tensor([[1, 0, 1]]))  # (1 / 1 + 2 / 3) / 2
        tensor([0.8333])

    Schapire and Singer 2000, section 4.2.
    """
    present, known = labels == 1, labels >= 0
    above = (scores[:, None] >= scores[:, :, None]) & known[:, None]  # (b, p, q): is q ranked at least as high as p?
    precision = (above & present[:, None]).sum(2) / above.sum(2).clamp_min(1)
    return torch.where(present, precision, 0.0).sum(1) / present.sum(1)


def class_curves(
    scores: Float[Tensor, "s n"], labels: Int[Tensor, "s n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    r"""Return each class' area under the ROC curve and its average precision over a set of samples.

    Both are exact: samples of one score share a threshold. The first is the probability that a sample with the class
    scores higher than one without, ties counted half; the second is :math:`\sum_k (R_k - R_{k-1}) P_k`. They are NaN
    for a class of which not both a present and an absent sample are known.

    Args:
        scores: Score of each class for each of s samples.
        labels: 1 present, 0 absent, -1 unknown, which is left out.

    Example:
        >>> scores = torch.tensor([[0.9, 0.5], [0.8, 0.5], [0.1, 0.5]])
        >>> class_curves(scores, torch.tensor([[1, 1], [0, 1], [1, -1]]))
        (tensor([0.5000,    nan], dtype=torch.float64), tensor([0.8333,    nan], dtype=torch.float64))
    """
    areas, precisions = scores.new_full((2, scores.shape[1]), torch.nan, dtype=torch.float64).unbind()
    for place in range(scores.shape[1]):
        present = scores[labels[:, place] == 1, place].contiguous().sort().values
        absent = scores[labels[:, place] == 0, place].contiguous().sort().values
        if len(present) and len(absent):
            lower, not_higher = (torch.searchsorted(absent, present, right=right) for right in (False, True))
            areas[place] = (lower + not_higher).double().mean() / (2 * len(absent))
            hits = len(present) - torch.searchsorted(present, present)
            precisions[place] = (hits / (hits + len(absent) - lower).double()).mean()
    return areas, precisions
