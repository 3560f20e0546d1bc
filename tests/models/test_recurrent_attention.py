"""Recurrent attention: causal, against the formula for two frames, an inserted map, gradients."""

from __future__ import annotations

import pytest
import torch

from haa.alignment import Alignment
from haa.models.backbone import Tiny
from haa.models.position import grid_position
from haa.models.recurrent_attention import RecurrentAttention

CLIP = torch.rand(2, 4, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return RecurrentAttention(Tiny(channels=16), class_vocab=5, hidden=16)


def test_equals_the_formula(model):
    state, states = torch.zeros(2, 16), []
    logits, maps = model(CLIP)
    for t in range(4):
        v = model.values(model.backbone(CLIP[:, t])).flatten(2).transpose(1, 2) + grid_position(8, 12, 16, CLIP)
        a = model.look(v, state)
        torch.testing.assert_close(maps[:, t].flatten(1), a)
        state = model.remember((a[..., None] * v).sum(1), state)
        states.append(state)
    h = torch.stack(states, 1)
    beta = (h @ model.moment.weight.T + model.moment.bias).softmax(1)
    torch.testing.assert_close(logits, model.classify((beta * h).sum(1)))


def test_a_map_that_is_given_is_looked_by(model):
    given = torch.zeros(2, 4, 64, 96)
    given[0, :, :8, :8] = 1.0
    attention = model(CLIP, attention=given)[1]
    assert attention[0, :, 0, 0].tolist() == [1.0] * 4
    torch.testing.assert_close(attention[1], model(CLIP)[1][1])


@pytest.mark.parametrize("of", ["logits", "alignment"])
def test_gradients_reach_the_attention(model, of):
    logits, attention = model(CLIP)
    batch = {"clip": CLIP, "fixations": torch.full((2, 4, 1, 2), 20.0)}
    (logits[:, 0].sum() if of == "logits" else Alignment()(attention, batch)).backward()
    for part in (model.backbone.body[0], model.look.score, model.look.values):
        assert part.weight.grad.abs().sum() > 0
