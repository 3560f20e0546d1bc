"""Every measure of the field as a torchmetrics class; the maths is in `haa.metrics.functional`."""

from haa.metrics.fixations import NSS, AUCJudd, AUCUniform, InformationGain, LogLikelihood
from haa.metrics.maps import CC, KLDivergence, KLDivergenceMIT, Similarity

__all__ = [
    "CC",
    "NSS",
    "AUCJudd",
    "AUCUniform",
    "InformationGain",
    "KLDivergence",
    "KLDivergenceMIT",
    "LogLikelihood",
    "Similarity",
]
