"""Faithfulness against loops in numpy that mask one image at a time, and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from haa.errors import InputError
from haa.metrics.faithfulness import Comprehensiveness, Deletion, Insertion, Sufficiency
from haa.metrics.functional import cc
from haa.metrics.functional.faithfulness import (
    comprehensiveness,
    deletion,
    insertion,
    sufficiency,
    weight_randomisation,
)

RNG = torch.Generator().manual_seed(0)
IMAGE = torch.rand(3, 3, 6, 8, generator=RNG, dtype=torch.float64)
MAPS = torch.rand(3, 6, 8, generator=RNG, dtype=torch.float64)
NET = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 2), nn.Softmax(1)).double()


def score(image):
    return NET(image)[:, 1]


def masked(image: np.ndarray, maps: np.ndarray, share: float, baseline: np.ndarray, insert: bool) -> float:
    """One image with one mask, pixel by pixel."""
    order = sorted(np.ndindex(maps.shape), key=lambda cell: -maps[cell])
    chosen = order[: int(np.floor(share * maps.size + 0.5))]
    out = (baseline if insert else image).copy()
    for row, column in chosen:
        out[:, row, column] = (image if insert else baseline)[:, row, column]
    with torch.no_grad():
        return score(torch.from_numpy(out)[None]).item()


def curve(image, maps, shares, baseline, insert) -> np.ndarray:
    whole = np.broadcast_to(baseline, image.shape)
    return np.array(
        [
            [masked(i, m, s, b, insert) for s in shares]
            for i, m, b in zip(image.numpy(), maps.numpy(), whole, strict=True)
        ]
    )


@pytest.mark.parametrize("baseline", [0.0, 0.3, IMAGE.mean((2, 3), keepdim=True), IMAGE.flip(3)])
@pytest.mark.parametrize(("metric", "insert"), [(deletion, False), (insertion, True)])
def test_curves(metric, insert, baseline):
    expected = curve(IMAGE, MAPS, np.linspace(0, 1, 8), np.asarray(baseline), insert)
    area, got = metric(score, IMAGE, MAPS, steps=7, baseline=baseline)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(area.numpy(), np.trapezoid(expected, np.linspace(0, 1, 8), axis=1), rtol=1e-10)


def test_erasure():
    shares = [0.1, 0.2, 0.5]
    whole = curve(IMAGE, MAPS, [0.0], np.zeros(1), False)
    without, alone = (curve(IMAGE, MAPS, shares, np.zeros(1), insert) for insert in (False, True))
    got = comprehensiveness(score, IMAGE, MAPS, shares)
    np.testing.assert_allclose(got.numpy(), (whole - without).mean(1), rtol=1e-9)
    np.testing.assert_allclose(sufficiency(score, IMAGE, MAPS, shares).numpy(), (whole - alone).mean(1), rtol=1e-9)


def test_a_sum_of_pixels_is_best_explained_by_itself():
    """For f(x) = sum x, the curve of the map x itself is below that of every other map."""
    total = lambda image: image.sum((1, 2, 3))  # noqa: E731
    own = IMAGE.sum(1)
    assert (deletion(total, IMAGE, own)[0] < deletion(total, IMAGE, MAPS)[0]).all()
    assert (insertion(total, IMAGE, own)[0] > insertion(total, IMAGE, MAPS)[0]).all()
    mirrored = deletion(total, IMAGE, own)[0] + insertion(total, IMAGE, own)[0]
    torch.testing.assert_close(mirrored, own.sum((1, 2)))


@pytest.mark.parametrize("batch_size", [1, 5, 1000])
def test_batches_make_no_difference_and_are_as_large_as_asked(batch_size):
    sizes = []

    def watched(image):
        sizes.append(len(image))
        assert not torch.is_grad_enabled()
        return score(image)

    got = deletion(watched, IMAGE, MAPS, steps=9, batch_size=batch_size)[1]
    torch.testing.assert_close(got, deletion(score, IMAGE, MAPS, steps=9)[1])
    assert max(sizes) <= batch_size
    assert sum(sizes) == 30


def test_coarse_maps_are_resized():
    coarse = torch.tensor([[[1.0, 0.0]]]).expand(3, 1, 2)
    fine = torch.linspace(1, 0, 8).expand(3, 6, 8)
    fine = torch.where(torch.arange(8) < 2, 1.0, fine).where(torch.arange(8) < 6, torch.zeros(()))
    torch.testing.assert_close(deletion(score, IMAGE, coarse, steps=2)[1], deletion(score, IMAGE, fine, steps=2)[1])


@pytest.mark.parametrize(
    ("metric", "function"),
    [
        (Deletion, lambda *a: deletion(*a)[0]),
        (Insertion, lambda *a: insertion(*a)[0]),
        (Comprehensiveness, comprehensiveness),
        (Sufficiency, sufficiency),
    ],
)
def test_classes_are_the_mean_over_batches(metric, function):
    made = metric()
    made.update(score, IMAGE[:1], MAPS[:1])
    made.update(score, IMAGE[1:], MAPS[1:])
    assert made.compute().item() == pytest.approx(function(score, IMAGE, MAPS).mean().item(), rel=1e-6)
    assert made.higher_is_better == (metric in (Insertion, Comprehensiveness))


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="steps=0"):
        deletion(score, IMAGE, MAPS, steps=0)
    with pytest.raises(InputError, match="give"):
        deletion(score, IMAGE, MAPS[:2])


def test_randomised_weights_change_a_gradient_and_not_an_edge_map():
    image = IMAGE.clone().requires_grad_()
    before = [p.clone() for p in NET.parameters()]
    state = torch.get_rng_state()

    def gradient():
        return torch.autograd.grad(score(image).sum(), image)[0].abs().sum(1)

    layers = [NET[3], NET[0]]
    values = weight_randomisation(gradient, layers, cc)
    assert values.shape == (3, 2)
    assert (values < 0.95).all()
    edges = weight_randomisation(lambda: (IMAGE - IMAGE.roll(1, 3)).abs().sum(1), layers, cc)
    torch.testing.assert_close(edges, torch.ones_like(edges))
    assert all(torch.equal(a, b) for a, b in zip(before, NET.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_randomised_layers_are_permuted_in_a_cascade_and_come_back_after_an_error():
    before = [NET[3].weight.detach().clone(), NET[0].weight.detach().clone()]
    seen = []

    def explain():
        seen.append([NET[3].weight.detach().clone(), NET[0].weight.detach().clone()])
        if len(seen) == 3:
            raise RuntimeError("no more")
        return MAPS

    with pytest.raises(RuntimeError, match="no more"):
        weight_randomisation(explain, [NET[3], NET[0]], cc)
    assert [[torch.equal(a, b) for a, b in zip(s, before, strict=True)] for s in seen] == [
        [True, True],
        [False, True],
        [False, False],
    ]
    torch.testing.assert_close(seen[2][0].flatten().sort().values, before[0].flatten().sort().values)
    assert torch.equal(NET[3].weight, before[0])
    assert torch.equal(NET[0].weight, before[1])
    with pytest.raises(InputError, match="ReLU"):
        weight_randomisation(explain, [NET[1]], cc)
