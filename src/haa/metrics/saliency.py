"""The metrics by which a saliency map is scored."""

from __future__ import annotations

from torchmetrics import MetricCollection

from haa.metrics.fixations import NSS, AUCJudd
from haa.metrics.maps import CC, KLDivergence, Similarity


def saliency_metrics() -> MetricCollection:
    """Return the metrics of Bylinskii et al. (PAMI 2019) that need neither a baseline nor other images."""
    return MetricCollection(
        {"nss": NSS(), "cc": CC(), "kl": KLDivergence(), "sim": Similarity(), "auc_judd": AUCJudd()}
    )
