"""What a version promises (docs/versioning.md): public names stay, and every file says the same version."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

import haa

ROOT = Path(__file__).parents[1]

PUBLIC = {
    "haa": """
        AlignedTrainer Alignment AlignmentCallback Evaluation Exchanged align measure
    """,
    "haa.alignment": """
        Alignment Loss
    """,
    "haa.attention": """
        AttentionSource CrossAttention FeatureNorm GradCAM GradientTimesInput InputGradient Rollout
        SelfAttention Source TokenAttention measure top_class
    """,
    "haa.losses": """
        Weighted asks_for correlation cosine information_gain jensen_shannon kl_divergence mse nss pyramid_mse
        ranking right_reasons similarity
    """,
    "haa.metrics": """
        AUCBorji AUCJudd AUCShuffled AUCUniform BLEU CC CIDEr CaptionScores ClassAccuracy ClassCurves
        Comprehensiveness Deletion Dice EAdaptive EMax EMean EarthMoversDistance FAdaptive FMax FMean
        FWeighted InformationGain Insertion IoU KLDivergence KLDivergenceMIT LabelAccuracy LogLikelihood MAE
        NSS PointingGame ROUGEL RankingPrecision SMeasure SalientObjects Similarity Spearman Sufficiency
        TopAccuracy TopKIoU TopLabel VQAAccuracy VQAAccuracyByType VideoAccuracy saliency_metrics
    """,
    "haa.metrics.functional": """
        auc_borji auc_judd auc_shuffled auc_uniform caption_scores cc class_curves comprehensiveness deletion
        dice earth_movers_distance faithfulness information_gain insertion iou java_caption_scores
        kl_divergence kl_divergence_mit label_accuracy log_likelihood normalise_answer nss pointing_game
        ptb_tokenize ranking_precision salient_objects similarity spearman sufficiency top_label topk_iou
        vqa_accuracy weight_randomisation
    """,
}
"""Names that are only taken away as docs/versioning.md says; new ones are added with the release that brings them."""


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_stay(module):
    there = importlib.import_module(module)
    assert [name for name in PUBLIC[module].split() if not hasattr(there, name)] == []


def test_every_file_says_the_same_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert cited == haa.__version__  # pyproject.toml and core/ are held by tests/test_extras.py
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", haa.__version__)
