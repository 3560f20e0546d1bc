"""The caption transformer: what its words may know, and that writing agrees with reading."""

import pytest
import torch

from haa.models.backbone import Tiny
from haa.models.caption_transformer import CaptionTransformer
from haa.text import BOS, EOS


def model() -> CaptionTransformer:
    torch.manual_seed(0)
    return CaptionTransformer(Tiny(channels=16), caption_vocab=12, hidden=16, heads=2).eval()


def test_a_word_does_not_know_those_behind_it():
    ours = model()
    image = torch.rand(1, 3, 16, 40)
    logits, attention = ours(image, torch.tensor([[BOS, 5, 7, 8]]))
    changed, attention_changed = ours(image, torch.tensor([[BOS, 5, 9, 4]]))
    torch.testing.assert_close(logits[:, :2], changed[:, :2])
    torch.testing.assert_close(attention[:, :2], attention_changed[:, :2])
    assert not torch.allclose(logits[:, 2], changed[:, 2])


def test_every_word_has_a_map_of_the_grids_form():
    _, attention = model()(torch.rand(2, 3, 24, 40), torch.tensor([[BOS, 5, 7], [BOS, 6, 6]]))
    assert attention.shape == (2, 3, 3, 5)
    torch.testing.assert_close(attention.sum((2, 3)), torch.ones(2, 3))


@pytest.mark.parametrize("beam", [1, 3])
def test_what_is_generated_scores_in_the_forward_pass_as_in_the_search(beam):
    ours = model()
    image = torch.rand(4, 3, 16, 24)
    tokens, maps = ours.generate(image, beam=beam, max_length=6)
    logits, attention = ours(image, torch.cat([torch.full((4, 1), BOS), tokens[:, :-1]], 1))
    for b in range(4):
        row = tokens[b].tolist()
        length = row.index(EOS) + 1 if EOS in row else len(row)
        torch.testing.assert_close(maps[b, :length], attention[b, :length])
        if beam == 1:
            allowed = logits[b, :length].clone()
            allowed[:, :3] = -torch.inf
            assert allowed.argmax(1).tolist() == row[:length]


def test_the_map_is_differentiable():
    ours = model()
    _, attention = ours(torch.rand(1, 3, 16, 24), torch.tensor([[BOS, 5]]))
    attention[0, 1, 0, 0].backward()
    assert ours.backbone.body[0].weight.grad.abs().sum() > 0


def test_cached_features_replace_the_image():
    ours = model()
    image, tokens = torch.rand(2, 3, 16, 16), torch.tensor([[BOS, 5], [BOS, 6]])
    features = ours.backbone(image)
    torch.testing.assert_close(ours(None, tokens, features=features), ours(image, tokens))
    torch.testing.assert_close(ours.generate(None, features=features), ours.generate(image))
