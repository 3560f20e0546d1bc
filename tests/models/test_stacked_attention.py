"""Stacked attention, compared with its equations written out sample by sample."""

import pytest
import torch

from haa.models.additive_attention import AdditiveAttention
from haa.models.backbone import Tiny
from haa.models.stacked_attention import StackedAttention


def model(**arguments) -> StackedAttention:
    torch.manual_seed(0)
    return StackedAttention(
        Tiny(channels=16), question_vocab=20, answer_vocab=5, hidden=16, embedding=8, **arguments
    ).eval()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_values_equal_the_equations_sample_by_sample(layers):
    ours = model(layers=layers)
    image = torch.rand(3, 3, 16, 40)
    question = torch.tensor([[4, 7, 2, 9], [5, 0, 0, 0], [6, 6, 8, 0]])
    answers, attention = ours(image, question, question != 0)
    assert attention.shape == (3, 2, 5)
    for b in range(3):
        words = question[b][question[b] != 0]
        _, (state, _) = ours.reader(ours.words(words)[None])
        u = state[0, 0]
        v = torch.stack([ours.values(ours.backbone(image[b : b + 1]))[0, :, i, j] for i in range(2) for j in range(5)])
        for layer in ours.layers:
            scores = [layer.score(torch.tanh(layer.values(cell) + layer.query(u)))[0] for cell in v]
            p = torch.stack(scores).softmax(0)
            u = u + sum(weight * cell for weight, cell in zip(p, v, strict=True))
        torch.testing.assert_close(answers[b], ours.answer(u))
        torch.testing.assert_close(attention[b].flatten(), p)


def test_cached_features_replace_the_image():
    ours = model()
    image, question = torch.rand(2, 3, 16, 16), torch.tensor([[4, 5], [6, 7]])
    expected = ours(image, question, question != 0)
    given = ours(None, question, question != 0, features=ours.backbone(image))
    torch.testing.assert_close(given, expected)


def test_the_map_depends_on_the_question_and_is_differentiable():
    ours = model()
    image = torch.rand(1, 3, 16, 16).expand(2, -1, -1, -1)
    question = torch.tensor([[4, 5], [6, 7]])
    _, attention = ours(image, question, question != 0)
    assert not torch.allclose(attention[0], attention[1])
    torch.testing.assert_close(attention.sum((1, 2)), torch.ones(2))
    attention[0, 0, 0].backward()
    assert ours.backbone.body[0].weight.grad.abs().sum() > 0


def test_gradients_of_additive_attention():
    torch.manual_seed(0)
    layer = AdditiveAttention(3, 2, 4).double()
    values, query = torch.randn(2, 5, 3).double().requires_grad_(), torch.randn(2, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (values, query))
