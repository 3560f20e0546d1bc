"""Attention sources: a map of where a model looks, for models that do not return one; each enters a training loss.

A source is attached to a model once; after each forward pass ``read()`` gives the map of that pass, ``(b, i, j)``,
non-negative, differentiable. `measure` reads any of them without touching the training.
"""

from haa.attention.cross_attention import CrossAttention
from haa.attention.feature_norm import FeatureNorm
from haa.attention.gradcam import GradCAM
from haa.attention.input_gradient import GradientTimesInput, InputGradient
from haa.attention.measure import measure
from haa.attention.rollout import Rollout
from haa.attention.self_attention import SelfAttention
from haa.attention.source import AttentionSource, Source
from haa.attention.target import top_class

__all__ = [
    "AttentionSource",
    "CrossAttention",
    "FeatureNorm",
    "GradCAM",
    "GradientTimesInput",
    "InputGradient",
    "Rollout",
    "SelfAttention",
    "Source",
    "measure",
    "top_class",
]
