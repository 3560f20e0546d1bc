"""What a run says of the weights that its backbone began with."""

from __future__ import annotations

import pytest
from torch import nn

from haa.models.attention_pooling import AttentionPooling
from haa.models.backbone import Tiny
from haa.models.backbone.base import backbone_weights


@pytest.mark.parametrize(
    ("trained", "frozen", "said"),
    [
        (None, False, "random"),
        (None, True, "random, frozen"),
        ("on ImageNet-1k", False, "trained on ImageNet-1k"),
        ("on ImageNet-1k", True, "trained on ImageNet-1k, frozen"),
    ],
)
def test_weights_are_told(trained, frozen, said):
    backbone = Tiny(frozen=frozen)
    backbone.trained = trained
    assert backbone_weights(AttentionPooling(backbone, class_vocab=2)) == said


def test_of_a_model_without_a_backbone_nothing_is_said():
    assert backbone_weights(nn.Linear(2, 2)) is None
