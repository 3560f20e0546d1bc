"""Metrics as torchmetrics classes; `haa.metrics.functional` has their mathematics as functions."""

from haa.metrics import sooner  # noqa: F401  first of all: what follows imports torchmetrics
from haa.metrics.captions import BLEU, ROUGEL, CaptionScores, CIDEr
from haa.metrics.classification import ClassAccuracy, TopAccuracy, VideoAccuracy
from haa.metrics.faithfulness import Comprehensiveness, Deletion, Insertion, Sufficiency
from haa.metrics.fixations import NSS, AUCJudd, AUCUniform, InformationGain, LogLikelihood
from haa.metrics.maps import (
    CC,
    EarthMoversDistance,
    KLDivergence,
    KLDivergenceMIT,
    PointingGame,
    Similarity,
    Spearman,
    TopKIoU,
)
from haa.metrics.multilabel import ClassCurves, LabelAccuracy, RankingPrecision, TopLabel
from haa.metrics.overlap import Dice, IoU
from haa.metrics.saliency import saliency_metrics
from haa.metrics.salient_objects import (
    MAE,
    EAdaptive,
    EMax,
    EMean,
    FAdaptive,
    FMax,
    FMean,
    FWeighted,
    SalientObjects,
    SMeasure,
)
from haa.metrics.sampled_auc import AUCBorji, AUCShuffled
from haa.metrics.vqa import VQAAccuracy, VQAAccuracyByType

__all__ = [
    "BLEU",
    "CC",
    "MAE",
    "NSS",
    "ROUGEL",
    "AUCBorji",
    "AUCJudd",
    "AUCShuffled",
    "AUCUniform",
    "CIDEr",
    "CaptionScores",
    "ClassAccuracy",
    "ClassCurves",
    "Comprehensiveness",
    "Deletion",
    "Dice",
    "EAdaptive",
    "EMax",
    "EMean",
    "EarthMoversDistance",
    "FAdaptive",
    "FMax",
    "FMean",
    "FWeighted",
    "InformationGain",
    "Insertion",
    "IoU",
    "KLDivergence",
    "KLDivergenceMIT",
    "LabelAccuracy",
    "LogLikelihood",
    "PointingGame",
    "RankingPrecision",
    "SMeasure",
    "SalientObjects",
    "Similarity",
    "Spearman",
    "Sufficiency",
    "TopAccuracy",
    "TopKIoU",
    "TopLabel",
    "VQAAccuracy",
    "VQAAccuracyByType",
    "VideoAccuracy",
    "saliency_metrics",
]
