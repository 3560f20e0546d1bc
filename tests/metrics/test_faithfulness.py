"""Faithfulness against loops in numpy that mask one image at a time, and against closed forms."""

from __future__ import annotations

import itertools

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
    faithfulness,
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


OPTIONS = {"steps": 5, "shares": [0.1, 0.25, 0.5], "baseline": 0.3}


def total(image):
    return image.sum((1, 2, 3))


def four(image: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Deletion, insertion, comprehensiveness and sufficiency of one map, one mask after the other."""
    grid, base = np.linspace(0, 1, 6), np.full_like(image, 0.3)
    without, alone = ([masked(image, maps, s, base, insert) for s in grid] for insert in (False, True))
    fall, rest = ([masked(image, maps, s, base, insert) for s in OPTIONS["shares"]] for insert in (False, True))
    whole = masked(image, maps, 0, base, False)
    return np.array(
        [np.trapezoid(without, grid), np.trapezoid(alone, grid), whole - np.mean(fall), whole - np.mean(rest)]
    )


def random_map(maps: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The cell with the lowest place in a random order gets the map's highest value, and so on."""
    out = np.empty(maps.size)
    for cell, rank in enumerate(np.argsort(draws)):
        out[cell] = sorted(maps.flat, reverse=True)[rank]
    return out.reshape(maps.shape)


@pytest.mark.parametrize("random", [0, 1, 3])
def test_all_four_are_less_those_of_random_maps(random):
    got = faithfulness(score, IMAGE, MAPS, **OPTIONS, random=random, seed=5)
    for row, (image, maps) in enumerate(zip(IMAGE.numpy(), MAPS.numpy(), strict=True)):
        draws = torch.rand(random, 48, generator=torch.Generator().manual_seed(5 + row)).numpy()
        expected = four(image, maps)
        if random:
            expected = expected - np.mean([four(image, random_map(maps, draw)) for draw in draws], axis=0)
        np.testing.assert_allclose([values[row].item() for values in got.values()], expected, atol=1e-12)
    assert list(got) == ["deletion", "insertion", "comprehensiveness", "sufficiency"]


def test_many_random_maps_are_the_mean_over_all_orders():
    """By hand: every order of four pixels that sum to 10 has, on average, an area of 5 and a fall of 3.75."""
    image = torch.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    options = {"steps": 4, "shares": [0.25, 0.5]}
    orders = [torch.tensor([[list(order)]]) for order in itertools.permutations([1.0, 2.0, 3.0, 4.0])]
    plain = [faithfulness(total, image, order, **options, random=0) for order in orders]
    means = {name: np.mean([values[name].item() for values in plain]) for name in plain[0]}
    assert means == {"deletion": 5, "insertion": 5, "comprehensiveness": 3.75, "sufficiency": 6.25}
    got = faithfulness(total, image, image[:, 0], **options, random=4000)
    expected = {"deletion": -1.25, "insertion": 1.25, "comprehensiveness": 1.75, "sufficiency": -1.75}
    assert {name: values.item() for name, values in got.items()} == pytest.approx(expected, abs=0.05)


def test_confidence_alone_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(64, 1, 16, 16, generator=generator) * 0.2
    image[:, :, 4:8, 4:8] += 0.8
    noise = torch.rand(64, 16, 16, generator=generator)
    marked = torch.zeros(64, 16, 16)
    marked[:, 4:8, 4:8] = 1
    found = {}
    for confidence in (4.0, 16.0):

        def sure(x, confidence=confidence):
            return torch.sigmoid(confidence * (x[:, 0, 4:8, 4:8].mean((1, 2)) - 0.35))

        for name, maps in (("noise", noise), ("good", marked)):
            for random in (0, 4):
                values = faithfulness(sure, image, maps, 10, baseline=image.mean((2, 3), keepdim=True), random=random)
                found[name, random, confidence] = torch.stack([v.mean() for v in values.values()])
    assert (found["noise", 0, 16.0] - found["noise", 0, 4.0]).abs().max() > 0.2
    for confidence in (4.0, 16.0):
        assert found["noise", 4, confidence].abs().max() < 0.03
        fall, rise, missed, kept = found["good", 4, confidence].tolist()
        assert (fall < -0.1, rise > 0.1, missed > 0.1, kept < -0.1) == (True,) * 4


def test_values_depend_on_the_place_in_the_set_and_not_on_the_batch():
    whole = faithfulness(score, IMAGE, MAPS, **OPTIONS, seed=7)
    state = torch.get_rng_state()
    for batch_size in (1, 64):
        parts = [
            faithfulness(score, IMAGE[rows], MAPS[rows], **OPTIONS, batch_size=batch_size, seed=7 + rows.start)
            for rows in (slice(0, 2), slice(2, 3))
        ]
        for name, values in whole.items():
            torch.testing.assert_close(torch.cat([part[name] for part in parts]), values, rtol=0, atol=1e-12)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(whole["deletion"], faithfulness(score, IMAGE, MAPS, **OPTIONS, seed=8)["deletion"])


def test_random_maps_rank_the_cells_alike_whatever_the_map():
    """Less the map's own value, what remains is that of the random maps: the same for two maps."""
    other = MAPS.flip(1, 2) ** 2
    references = [
        {n: plain[n] - v for n, v in faithfulness(score, IMAGE, maps, **OPTIONS).items()}
        for maps in (MAPS, other)
        for plain in [faithfulness(score, IMAGE, maps, **OPTIONS, random=0)]
    ]
    torch.testing.assert_close(references[0], references[1], rtol=0, atol=1e-12)


def test_a_map_that_is_the_same_everywhere_gets_nothing():
    for size in [(6, 8), (2, 3)]:
        got = faithfulness(score, IMAGE, torch.full((3, *size), 0.1, dtype=torch.float64), **OPTIONS)
        assert torch.stack(list(got.values())).abs().max() < 1e-12


def test_random_maps_are_as_coarse_as_the_map():
    """Two cells have two orders: the random maps are the map and its mirror image."""
    image, maps = IMAGE[:1], torch.tensor([[[1.0, 0.0]]])
    own, mirrored = (faithfulness(score, image, m, **OPTIONS, random=0) for m in (maps, maps.flip(2)))
    for seed in range(4):
        order = torch.rand(1, 2, generator=torch.Generator().manual_seed(seed)).argsort(1)[0]
        other = own if order[0] == 0 else mirrored
        got = faithfulness(score, image, maps, **OPTIONS, random=1, seed=seed)
        torch.testing.assert_close(got, {name: own[name] - other[name] for name in own}, rtol=0, atol=1e-12)


def test_frames_are_resized_apart_and_ranked_together():
    frames = torch.rand(3, 2, 2, 3, generator=torch.Generator().manual_seed(1))
    tall = nn.functional.interpolate(frames, (3, 8), mode="bilinear").flatten(1, 2)
    for metric in (deletion, insertion):
        torch.testing.assert_close(metric(score, IMAGE, frames), metric(score, IMAGE, tall))
    plain = [faithfulness(score, IMAGE, maps, **OPTIONS, random=0) for maps in (frames, tall)]
    torch.testing.assert_close(plain[0], plain[1])
    # a random map exchanges cells of one frame with those of the other
    draws = torch.stack([torch.rand(2, 12, generator=torch.Generator().manual_seed(row)) for row in range(3)], 1)
    values = frames.flatten(1).sort(descending=True).values
    others = [values.gather(1, draw.argsort(1)).view_as(frames) for draw in draws]
    means = [faithfulness(score, IMAGE, other, **OPTIONS, random=0) for other in others]
    got = faithfulness(score, IMAGE, frames, **OPTIONS, random=2)
    for name, found in got.items():
        torch.testing.assert_close(found, plain[0][name] - (means[0][name] + means[1][name]) / 2)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="random=-1"):
        faithfulness(score, IMAGE, MAPS, random=-1)
    with pytest.raises(InputError, match="frames below each other"):
        deletion(score, IMAGE, MAPS[:, None].expand(-1, 4, -1, -1))
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
