"""Attention sources: maps of where a model looks, read out of models that return none.

A source is attached to a model once. After each forward pass, ``read()`` returns the map of that pass: ``(b, i, j)``,
non-negative and differentiable, so that it can enter a training loss. `measure` reads any source without touching the
training.
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
from haa.attention.token_attention import TokenAttention

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
    "TokenAttention",
    "measure",
    "top_class",
]
