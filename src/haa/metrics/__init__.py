"""Every measure of the field as a torchmetrics class; the maths is in `haa.metrics.functional`."""

from haa.metrics.captions import BLEU, ROUGEL, CaptionScores, CIDEr
from haa.metrics.fixations import NSS, AUCJudd, AUCUniform, InformationGain, LogLikelihood
from haa.metrics.maps import CC, KLDivergence, KLDivergenceMIT, Similarity
from haa.metrics.vqa import VQAAccuracy, VQAAccuracyByType

__all__ = [
    "BLEU",
    "CC",
    "NSS",
    "ROUGEL",
    "AUCJudd",
    "AUCUniform",
    "CIDEr",
    "CaptionScores",
    "InformationGain",
    "KLDivergence",
    "KLDivergenceMIT",
    "LogLikelihood",
    "Similarity",
    "VQAAccuracy",
    "VQAAccuracyByType",
]
