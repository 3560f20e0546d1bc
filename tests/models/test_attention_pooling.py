"""Attention pooling against the formula, from the image and from cached features."""

from __future__ import annotations

import torch

from haa.models.attention_pooling import AttentionPooling
from haa.models.backbone import Tiny

IMAGE = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def test_equals_the_formula():
    model = AttentionPooling(Tiny(channels=16), class_vocab=5)
    x = model.backbone(IMAGE).flatten(2)
    hidden, _, last = model.score.layers
    v, w = hidden.weight[:, :, 0, 0], last.weight[:, :, 0, 0]
    scores = w @ torch.tanh(v @ x + hidden.bias[:, None])
    weights = scores.exp() / scores.exp().sum(2, keepdim=True)
    logits, attention = model(IMAGE)
    torch.testing.assert_close(attention, weights.view(2, 8, 12))
    torch.testing.assert_close(logits, (x * weights).sum(2) @ model.classify.weight.T + model.classify.bias)


def test_cached_features_give_what_the_image_gives():
    model = AttentionPooling(Tiny(channels=16, frozen=True), class_vocab=5)
    for a, b in zip(model(IMAGE), model(None, features=model.backbone(IMAGE)), strict=True):
        assert torch.equal(a, b)
