"""The VQA task: its losses against the formulas, its accuracy against the official procedure, and that it learns."""

import math

import pytest
import torch

from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.models.backbone import Tiny
from haa.models.stacked_attention import StackedAttention
from haa.tasks.vqa import VQA, binary_cross_entropy, cross_entropy


def task(**arguments) -> tuple[VQA, dict]:
    torch.manual_seed(0)
    data = Shapes("train", train=16)
    vocabularies = VQA.build_vocabularies(data)
    sizes = {f"{name}_vocab": len(vocabulary) for name, vocabulary in vocabularies.items()}
    module = VQA(StackedAttention(Tiny(channels=16), **sizes, hidden=32), vocabularies=vocabularies, **arguments)
    batch = collate(list(data))
    batch["image"] = batch["image"].float() / 255
    return module, batch


def test_cross_entropy_equals_the_formula():
    logits = torch.randn(3, 4)
    targets = torch.tensor([[0.0, 1, 0, 0], [0.6, 0, 0.3, 0], [0, 0, 0, 0]])
    p = logits.double().softmax(1).log()
    expected = -(p[0, 1] + (0.6 * p[1, 0] + 0.3 * p[1, 2]) / 0.9) / 2
    assert cross_entropy(logits, targets).item() == pytest.approx(expected.item(), abs=1e-6)


def test_cross_entropy_of_one_answer_equals_pytorch():
    logits, answers = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    targets = torch.nn.functional.one_hot(answers, 4).float()
    torch.testing.assert_close(cross_entropy(logits, targets), torch.nn.functional.cross_entropy(logits, answers))


def test_answers_outside_the_list_leave_no_trace():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = cross_entropy(logits, torch.zeros(2, 3))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_binary_cross_entropy_equals_the_formula():
    logits, targets = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, 1.0]])
    p = [1 / (1 + math.exp(-x)) for x in (0.5, -1.0)]
    expected = -(0.3 * math.log(p[0]) + 0.7 * math.log(1 - p[0]) + math.log(p[1]))
    assert binary_cross_entropy(logits, targets).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("answer", "given", "expected"),
    [
        ("two", ["two"] * 3 + ["three"] * 7, 0.9),
        ("two", ["two"] * 10, 1.0),
        ("two", ["two"], 1.0),
        ("two", ["Two."], 1.0),
        ("two", ["three"], 0.0),
    ],
)
def test_accuracy_for_any_number_of_ground_truths(answer, given, expected):
    metrics = task()[0].make_metrics()
    metrics.update([answer], [given])
    assert metrics.compute()["accuracy"].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("multilabel", [False, True])
def test_a_step_gives_loss_map_and_answers_that_can_be_learnt(multilabel):
    module, batch = task(multilabel=multilabel)
    optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
    first = module.step(batch)
    assert first.attention.shape == (16, 8, 8)
    for _ in range(80):
        loss = module.step(batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5 * first.loss
    metrics = module.eval().make_metrics()
    module.update_metrics(metrics, module.step(batch), batch)
    assert metrics.compute()["accuracy"] > 0.8


def test_vocabularies_come_from_the_training_texts():
    vocabularies = VQA.build_vocabularies(Shapes("train", train=8))
    data = Shapes("train", train=8)
    assert vocabularies["question"].encode(data.strings("question"))[0].ne(1).all()
    assert vocabularies["answer"].encode(list(data.strings("answers"))).ge(0).all()


@pytest.mark.parametrize("multilabel", [False, True])
def test_confidence_is_that_in_the_answer_given(multilabel):
    module, batch = task(multilabel=multilabel)
    module.eval()
    alone = {key: value[:1] for key, value in batch.items()}
    given = module.step(alone)
    twice = {key: value[:1] * 2 if isinstance(value, list) else value[:2] for key, value in batch.items()}
    tokens, mask = module.vocabularies["question"].encode(twice["question"])
    logits, _ = module.model(twice["image"], tokens, mask)
    probabilities = 1 / (1 + (-logits).exp()) if multilabel else logits.exp() / logits.exp().sum(1, keepdim=True)
    torch.testing.assert_close(module.confidence(twice, given), probabilities[:, logits[0].argmax()])
