"""Show, Attend and Tell, compared with its equations written out for one picture and one word at a time."""

import pytest
import torch

from haa.models.backbone import Tiny
from haa.models.show_attend_tell import ShowAttendTell, doubly_stochastic
from haa.text import BOS, EOS


def model() -> ShowAttendTell:
    torch.manual_seed(0)
    return ShowAttendTell(Tiny(channels=16), caption_vocab=12, hidden=16, embedding=8).eval()


def test_values_equal_the_equations():
    ours = model()
    image, tokens = torch.rand(2, 3, 16, 40), torch.tensor([[BOS, 5, 7], [BOS, 6, 6]])
    logits, attention = ours(image, tokens)
    assert attention.shape == (2, 3, 2, 5)
    for b in range(2):
        a = ours.backbone(image[b : b + 1])[0].flatten(1).T
        h, c = (torch.tanh(layer(a.mean(0))) for layer in (ours.start_hidden, ours.start_cell))
        for t in range(3):
            y = ours.words.weight[tokens[b, t]]
            look = ours.attention
            e = torch.stack([look.score(torch.tanh(look.values(cell) + look.query(h)))[0] for cell in a])
            alpha = e.exp() / e.exp().sum()
            z = torch.sigmoid(ours.gate(h)) * sum(weight * cell for weight, cell in zip(alpha, a, strict=True))
            gates = torch.cat([y, z]) @ ours.lstm.weight_ih.T + h @ ours.lstm.weight_hh.T
            i, f, g, o = (gates + ours.lstm.bias_ih + ours.lstm.bias_hh).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            torch.testing.assert_close(attention[b, t].flatten(), alpha)
            torch.testing.assert_close(logits[b, t], ours.logits(y + ours.from_hidden(h) + ours.from_seen(z)))


@pytest.mark.parametrize("beam", [1, 3])
def test_what_is_generated_scores_in_the_forward_pass_as_in_the_search(beam):
    ours = model()
    image = torch.rand(4, 3, 16, 24)
    tokens, maps = ours.generate(image, beam=beam, max_length=6)
    given = torch.cat([torch.full((4, 1), BOS), tokens[:, :-1]], 1)
    logits, attention = ours(image, given)
    for b in range(4):
        row = tokens[b].tolist()
        length = row.index(EOS) + 1 if EOS in row else len(row)
        torch.testing.assert_close(maps[b, :length], attention[b, :length])
        if beam == 1:
            allowed = logits[b, :length].clone()
            allowed[:, :3] = -torch.inf
            assert allowed.argmax(1).tolist() == row[:length]


def test_cached_features_replace_the_image():
    ours = model()
    image, tokens = torch.rand(2, 3, 16, 16), torch.tensor([[BOS, 5], [BOS, 6]])
    features = ours.backbone(image)
    torch.testing.assert_close(ours(None, tokens, features=features), ours(image, tokens))
    torch.testing.assert_close(ours.generate(None, features=features), ours.generate(image))


def test_the_map_is_differentiable():
    ours = model()
    _, attention = ours(torch.rand(1, 3, 16, 24), torch.tensor([[BOS, 5]]))
    attention[0, 1, 0, 0].backward()
    assert ours.backbone.body[0].weight.grad.abs().sum() > 0


def test_doubly_stochastic_by_hand():
    attention = torch.tensor([[[[0.5, 0.5]], [[1.0, 0.0]], [[0.3, 0.7]]]])
    assert doubly_stochastic(attention).item() == pytest.approx((1 - 1.8) ** 2 + (1 - 1.2) ** 2)
    mask = torch.tensor([[True, True, False]])
    assert doubly_stochastic(attention, mask).item() == pytest.approx(0.5**2 + 0.5**2)
