"""Pure batched functions: maps ``(b, h, w)``, points ``(b, n, 2)``, one value per sample, NaN where undefined."""

from haa.metrics.functional.auc import auc_judd, auc_uniform
from haa.metrics.functional.cc import cc
from haa.metrics.functional.information_gain import information_gain, log_likelihood
from haa.metrics.functional.kl_divergence import kl_divergence, kl_divergence_mit
from haa.metrics.functional.nss import nss
from haa.metrics.functional.similarity import similarity

__all__ = [
    "auc_judd",
    "auc_uniform",
    "cc",
    "information_gain",
    "kl_divergence",
    "kl_divergence_mit",
    "log_likelihood",
    "nss",
    "similarity",
]
