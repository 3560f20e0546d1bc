"""What is held is what would be computed again, to the last bit, and never what another key stands for."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from haa import batch as batches
from haa.batch import human_maps
from haa.gaze import density, pad
from haa.geometry import gaussians, profiles
from haa.geometry.extent import WHOLE, Extent
from haa.memory import held

SIZE = (96, 128)


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    held.HELD.clear(held.ALONE)
    yield
    held.HELD.clear(held.ALONE)


def some_points(counts: list[int], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    span = torch.tensor([SIZE[1] + 8.0, SIZE[0] + 8.0])  # some lie outside
    return pad([torch.rand(n, 2, generator=generator) * span - 4 for n in counts])


def some_batch(**more: object) -> dict[str, object]:
    return {"image": torch.zeros(3, 3, *SIZE), "fixations": some_points([90, 40, 150]), **more}


def afresh(monkeypatch, batch, *rest) -> tuple[Tensor, Tensor]:
    """Return human maps that nothing is held of."""
    with monkeypatch.context() as patch:
        for module in (batches, profiles):
            patch.setattr(module, "holds", lambda *tensors: False)
        return human_maps(batch, *rest)


def count_calls(monkeypatch, place, name: str) -> list[int]:
    calls, work = [], getattr(place, name)
    monkeypatch.setattr(place, name, lambda *rest: calls.append(1) or work(*rest))
    return calls


KEYS = {
    "the same": ({}, (None, 0.03, WHOLE)),
    "sigma": ({}, (None, 0.02, WHOLE)),
    "other gaze": ({"fixations": some_points([90, 40, 150], seed=1)}, (None, 0.03, WHOLE)),
    "mirrored": ({"fixations": SIZE[1] - 1 - some_points([90, 40, 150])}, (None, 0.03, WHOLE)),
    "other order": ({"fixations": some_points([90, 40, 150]).flip(0)}, (None, 0.03, WHOLE)),
    "nobody looked": ({"has_human": torch.tensor([True, False, True])}, (None, 0.03, WHOLE)),
    "weights": ({"weights": torch.linspace(0, 1, 150).expand(3, 150)}, (None, 0.03, WHOLE)),
    "size": ({"image": torch.zeros(3, 3, 100, 128)}, (None, 0.03, WHOLE)),
    "grid": ({}, ((24, 32), 0.03, WHOLE)),
    "grid, sigma": ({}, ((24, 32), 0.01, WHOLE)),
    "grid, size": ({"image": torch.zeros(3, 3, 100, 128)}, ((24, 32), 0.03, WHOLE)),
    "grid, extent": ({}, ((24, 32), 0.03, Extent(-0.02, -0.02, 0.98, 0.98))),
    "grid, weights": ({"weights": torch.linspace(0, 1, 150).expand(3, 150)}, ((24, 32), 0.03, WHOLE)),
    "grid, turned": ({}, ((32, 24), 0.03, WHOLE)),
}


def test_every_key_gives_what_is_computed_afresh_whatever_was_asked_before(monkeypatch):
    expected = {name: afresh(monkeypatch, some_batch(**more), *rest) for name, (more, rest) in KEYS.items()}
    assert not held.HELD.bytes
    for _ in range(2):
        for name, (more, rest) in KEYS.items():
            maps, has_human = human_maps(some_batch(**more), *rest)
            assert torch.equal(maps, expected[name][0]), name
            assert torch.equal(has_human, expected[name][1]), name
    assert held.HELD.bytes


@pytest.mark.parametrize("grid", [None, (24, 32)])
def test_the_second_time_nothing_is_computed(monkeypatch, grid):
    human_maps(some_batch(), grid, 0.03)
    calls = count_calls(monkeypatch, *((gaussians, "_sampled") if grid is None else (profiles, "_integrated")))
    human_maps(some_batch(), grid, 0.03)
    assert not calls
    human_maps(some_batch(), grid, 0.031)
    assert calls


def test_a_picture_is_known_in_another_batch(monkeypatch):
    together = some_points([90, 40, 150])
    apart = together[:2, :140]  # others beside it, and less padding
    expected = afresh(monkeypatch, {"image": torch.zeros(2, 3, *SIZE), "fixations": apart}, (24, 32), 0.03)[0]
    density(together, SIZE, 0.03 * 128, grid=(24, 32))
    calls = count_calls(monkeypatch, profiles, "_integrated")
    mine = human_maps({"image": torch.zeros(2, 3, *SIZE), "fixations": apart}, (24, 32), 0.03)[0]
    assert not calls
    assert torch.equal(mine, expected)


def test_what_was_made_in_evaluation_serves_a_graph():
    for grid in (None, (24, 32)):
        with torch.inference_mode():
            human_maps(some_batch(), grid, 0.03)
        weight = torch.ones((), requires_grad=True)
        (human_maps(some_batch(), grid, 0.03)[0] * weight).sum().backward()
        assert weight.grad is not None


def test_points_with_a_graph_keep_it():
    points = some_points([90]).nan_to_num().requires_grad_()
    density(points.detach(), SIZE, 2.0, grid=(24, 32))
    first = density(points, SIZE, 2.0, grid=(24, 32))
    first.square().sum().backward()
    assert points.grad is not None
    assert points.grad.abs().sum() > 0


def test_no_more_is_held_than_allowed_and_a_share_of_what_comes_round_is_found():
    some, made = held.Held(limit=10 * 40), []

    def value(number: int) -> Tensor:
        return some(number, lambda: (made.append(number) or torch.full((10,), float(number)),))[0]

    for _ in range(50):
        for number in range(15):
            assert torch.equal(value(number), torch.full((10,), float(number)))
            assert some.bytes <= 400
    assert len(made) < 0.8 * 50 * 15  # the least recently used would be asked for next: all would be made
    assert some("large", lambda: (torch.zeros(1000),))[0].shape == (1000,)
    assert some.bytes <= 400


def test_no_random_number_is_drawn_for_it():
    random.seed(0)
    torch.manual_seed(0)
    states = random.getstate(), torch.get_rng_state()
    some = held.Held(limit=8)
    for number in range(9):
        some(number, lambda: (torch.zeros(2),))
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])


def test_autocast_is_not_served():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not held.holds(torch.zeros(1))
