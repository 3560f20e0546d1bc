from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from haa.attention import FeatureNorm, GradCAM, GradientTimesInput, InputGradient, Source, measure


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5)),
        *(nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)),
    )


SOURCES = [GradCAM("4"), InputGradient(), GradientTimesInput(), FeatureNorm("4")]


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_training_goes_on_as_if_nothing_had_been_measured(source: Source, context: type) -> None:
    """Two runs of SGD with dropout and batch norm, one with measurements in it, end in the same weights."""
    final = []
    for measured in (False, True):
        model = network()
        own = GradCAM("4")  # what the training itself reads
        own.attach(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        torch.manual_seed(1)
        for _ in range(3):
            image = torch.rand(4, 3, 8, 8)
            logits = model(image)
            if measured:
                with context():
                    found = measure(source, model, torch.full((2, 3, 8, 8), 0.5))
                assert not found.requires_grad
                assert torch.isfinite(found).all()
            loss = logits.square().mean() + own.read().mean()
            optimizer.zero_grad()
            loss.backward()
            if measured:
                with context():
                    measure(source, model, torch.full((2, 3, 8, 8), 0.5))
            optimizer.step()
        assert all(module.training for module in model.modules())
        final.append((model.state_dict(), torch.get_rng_state()))
    (plain, state), (again, other) = final
    assert torch.equal(state, other)
    for name, values in plain.items():
        assert torch.equal(values, again[name]), name


def test_is_the_map_in_evaluation_mode() -> None:
    model = network()
    image = torch.rand(2, 3, 8, 8)
    found = measure(GradCAM("4"), model, image)
    model.eval()
    source = GradCAM("4")
    source.attach(model)
    model(image)
    assert torch.equal(found, source.read())


def test_inputs_made_in_inference_mode() -> None:
    model = network()
    with torch.inference_mode():
        image = torch.rand(2, 3, 8, 8)
        assert measure(InputGradient(), model, image).shape == (2, 8, 8)


def test_source_may_be_attached_already() -> None:
    model = network().eval()
    source = FeatureNorm("4")
    source.attach(model)
    model(torch.zeros(1, 3, 8, 8))
    before = source.read()
    measure(source, model, torch.ones(1, 3, 8, 8))
    assert torch.equal(source.read(), before)


def test_leaves_no_hooks() -> None:
    model = network()
    hooks = copy.copy(model._forward_hooks), copy.copy(model[4]._forward_hooks)
    measure(GradCAM("4"), model, torch.rand(1, 3, 8, 8))
    assert hooks == (model._forward_hooks, model[4]._forward_hooks)


class Counting(nn.Module):
    """Changes a buffer whenever it runs, in evaluation too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x


def test_buffers_are_put_back() -> None:
    model = nn.Sequential(Counting(), network())
    measure(InputGradient(), model, torch.rand(1, 3, 8, 8))
    assert model[0].count == 0
