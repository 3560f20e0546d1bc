"""Metrics as pure functions of maps ``(b, h, w)`` and points ``(b, n, 2)``: one value per sample, NaN if undefined."""

from haa.metrics.functional.auc import auc_judd, auc_uniform
from haa.metrics.functional.captions import caption_scores
from haa.metrics.functional.cc import cc
from haa.metrics.functional.earth_movers_distance import earth_movers_distance
from haa.metrics.functional.faithfulness import (
    comprehensiveness,
    deletion,
    faithfulness,
    insertion,
    sufficiency,
    weight_randomisation,
)
from haa.metrics.functional.information_gain import information_gain, log_likelihood
from haa.metrics.functional.java_captions import java_caption_scores
from haa.metrics.functional.kl_divergence import kl_divergence, kl_divergence_mit
from haa.metrics.functional.multilabel import class_curves, label_accuracy, ranking_precision, top_label
from haa.metrics.functional.nss import nss
from haa.metrics.functional.overlap import dice, iou
from haa.metrics.functional.pointing import pointing_game, topk_iou
from haa.metrics.functional.ptb import ptb_tokenize
from haa.metrics.functional.salient_objects import salient_objects
from haa.metrics.functional.sampled_auc import auc_borji, auc_shuffled
from haa.metrics.functional.similarity import similarity
from haa.metrics.functional.spearman import spearman
from haa.metrics.functional.vqa import normalise_answer, vqa_accuracy

__all__ = [
    "auc_borji",
    "auc_judd",
    "auc_shuffled",
    "auc_uniform",
    "caption_scores",
    "cc",
    "class_curves",
    "comprehensiveness",
    "deletion",
    "dice",
    "earth_movers_distance",
    "faithfulness",
    "information_gain",
    "insertion",
    "iou",
    "java_caption_scores",
    "kl_divergence",
    "kl_divergence_mit",
    "label_accuracy",
    "log_likelihood",
    "normalise_answer",
    "nss",
    "pointing_game",
    "ptb_tokenize",
    "ranking_precision",
    "salient_objects",
    "similarity",
    "spearman",
    "sufficiency",
    "top_label",
    "topk_iou",
    "vqa_accuracy",
    "weight_randomisation",
]
