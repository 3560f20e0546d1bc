"""The two streams: differences and fusion by hand, an inserted map, and where gradients arrive."""

from __future__ import annotations

import pytest
import torch

from haa.alignment import Alignment
from haa.errors import InputError
from haa.models.backbone import Timm, Tiny
from haa.models.two_stream import TwoStream, stacked_differences

CLIP = torch.rand(2, 5, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("stack", [1, 2, 3, 4, 9])
def test_differences_are_those_around_each_frame(stack):
    grey = CLIP.mean(2)
    got = stacked_differences(CLIP, stack)
    assert got.shape == (2, 5, stack, 64, 96)
    for frame in range(5):
        for k in range(stack):
            first = min(max(frame - stack // 2 + k, 0), 3)
            expected = 0.5 + (grey[:, first + 1] - grey[:, first]) / 2
            torch.testing.assert_close(got[:, frame, k], expected)


def test_fusion_is_the_mean_of_the_streams_probabilities():
    model = TwoStream(Tiny(channels=16), class_vocab=5, stack=3)
    logits, attention = model(CLIP)
    assert attention.shape == (2, 5, 8, 12)
    torch.testing.assert_close(attention.sum((2, 3)), torch.ones(2, 5))
    scores = torch.zeros(2, 2, 5)
    for b in range(2):
        for t in range(5):
            x = model.backbone(CLIP[b, t][None])[0]
            m = model.motion(stacked_differences(CLIP, 3)[b, t][None])[0]
            for stream, (features, layer) in enumerate([(x, model.seen), (m, model.moved)]):
                scores[stream, b] += layer((features * attention[b, t]).sum((1, 2))) / 5
    torch.testing.assert_close(logits.exp(), scores.softmax(2).mean(0), rtol=1e-4, atol=1e-5)


def test_a_map_that_is_given_is_looked_by():
    model = TwoStream(Tiny(channels=16), class_vocab=5)
    own, given = model(CLIP)[1], torch.zeros(2, 5, 64, 96)
    given[0, :, :8, :8] = 1.0
    attention = model(CLIP, attention=given)[1]
    assert attention[0, :, 0, 0].tolist() == [1.0] * 5
    torch.testing.assert_close(attention[1], own[1])


@pytest.mark.parametrize("of", ["logits", "alignment"])
def test_gradients_reach_both_streams_and_the_attention(of):
    model = TwoStream(Tiny(channels=16), class_vocab=5)
    logits, attention = model(CLIP)
    batch = {"clip": CLIP, "fixations": torch.full((2, 5, 1, 2), 20.0)}
    (logits[:, 0].sum() if of == "logits" else Alignment()(attention, batch)).backward()
    for part in (model.backbone.body[0], model.motion.body[0], model.score.layers[0]):
        assert part.weight.grad.abs().sum() > 0


def test_a_stream_of_another_resolution_is_brought_to_the_frames():
    motion = Timm("resnet18", inputs=2, stages=(-2,))
    assert TwoStream(Tiny(channels=16), 5, motion, stack=2)(CLIP)[1].shape == (2, 5, 8, 12)
    assert TwoStream(Timm("test_vit"), 5)(CLIP)[1].shape == (2, 5, 4, 6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="make them equal"):
        TwoStream(Tiny(), 5, Tiny(inputs=3), stack=4)
    with pytest.raises(InputError, match="stack=0"):
        TwoStream(Tiny(), 5, stack=0)
    with pytest.raises(InputError, match="no motion"):
        TwoStream(Tiny(), 5)(CLIP[:, :1])
