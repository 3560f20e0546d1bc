"""Pure batched functions: maps ``(b, h, w)``, points ``(b, n, 2)``, one value per sample, NaN where undefined."""

from haa.metrics.functional.auc import auc_judd, auc_uniform
from haa.metrics.functional.captions import caption_scores
from haa.metrics.functional.cc import cc
from haa.metrics.functional.information_gain import information_gain, log_likelihood
from haa.metrics.functional.kl_divergence import kl_divergence, kl_divergence_mit
from haa.metrics.functional.nss import nss
from haa.metrics.functional.ptb import ptb_tokenize
from haa.metrics.functional.similarity import similarity
from haa.metrics.functional.vqa import normalise_answer, vqa_accuracy

__all__ = [
    "auc_judd",
    "auc_uniform",
    "caption_scores",
    "cc",
    "information_gain",
    "kl_divergence",
    "kl_divergence_mit",
    "log_likelihood",
    "normalise_answer",
    "nss",
    "ptb_tokenize",
    "similarity",
    "vqa_accuracy",
]
