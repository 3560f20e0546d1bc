"""Images that may have any number of classes: the loss, what an attribution explains, and the scores."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import MetricCollection

from haa.batch import Batch, Output
from haa.errors import InputError
from haa.metrics import ClassCurves, LabelAccuracy, RankingPrecision, TopLabel


def labelled(logits: Float[Tensor, "b n"], attention: Float[Tensor, "b i j"] | None) -> Output:
    """Return the output without a loss; an attribution explains the mean logit of the labels said to be present.

    Where none is, it explains the most probable one.
    """
    logits = logits.float()
    return Output(None, logits, attention, score=_mean_logit(logits, logits > 0))


def with_loss(output: Output, batch: Batch, training: bool) -> Output:
    """Return the output with the binary cross-entropy, the mean over the known labels of the batch.

    In training an attribution explains the labels that are present; those of an image without any are explained as in
    evaluation.

    Raises:
        InputError: If the samples have no labels.
    """
    if "labels" not in batch:
        raise InputError(
            "the model learns several classes of each sample: give data with labels.csv, egd_cxr or reflacx"
        )
    labels: Int[Tensor, "b n"] = batch["labels"]
    known, logits = labels >= 0, output.prediction
    losses = F.binary_cross_entropy_with_logits(logits, (labels == 1).float(), reduction="none")
    count = known.sum()
    loss = (losses * known).sum() / count.clamp_min(1)
    score = output.score
    if training:
        present = labels == 1
        score = _mean_logit(logits, present | (~present.any(1, keepdim=True) & (logits > 0)))
    return replace(output, loss=loss, count=count, score=score)


def probability_of_given(output: Output, given: Output) -> Float[Tensor, " b"]:
    """Return the mean probability of the labels that one sample was said to have, or of its most probable one."""
    said = _or_greatest(given.prediction[:1], given.prediction[:1] > 0).float()
    return (output.prediction.sigmoid() * said).sum(1) / said.sum()


def metrics() -> MetricCollection:
    """Return the scores: ``top1``, ``label_accuracy``, ``ranking_precision`` per image, ``auroc`` and ``mean_ap``."""
    accuracy, ranking = LabelAccuracy(), RankingPrecision()
    return MetricCollection(
        {"top1": TopLabel(), "label_accuracy": accuracy, "ranking_precision": ranking, "curves": ClassCurves()},
        compute_groups=False,
    )


def _mean_logit(logits: Float[Tensor, "b n"], explained: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    weights = _or_greatest(logits, explained).float()
    return (logits * weights).sum(1) / weights.sum(1)


def _or_greatest(logits: Float[Tensor, "b n"], marked: Bool[Tensor, "b n"]) -> Bool[Tensor, "b n"]:
    """Return the marked labels, or the one of greatest logit where a sample has none."""
    greatest = F.one_hot(logits.argmax(1), logits.shape[1]).bool()
    return marked | (~marked.any(1, keepdim=True) & greatest)
