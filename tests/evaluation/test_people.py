"""The human ceiling against scikit-learn's kernel densities and against sums written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KernelDensity

from haa.errors import InputError
from haa.evaluation.centre_prior import CentrePrior, fit_centre_prior
from haa.evaluation.people import People, fit_people
from haa.gaze import Gaze, density

SIZE = (60, 80)


def looked(images: int = 6, people: int = 4, each: int = 6, seed: int = 0, size=SIZE) -> list[Gaze]:
    """Return gaze of people who look at one spot of each image, and here and there."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    sides = torch.tensor(size[::-1])
    for _ in range(images):
        spot = torch.rand(2, generator=draw) * sides
        points = spot + 4 * torch.randn(people * each, 2, generator=draw)
        points[::5] = torch.rand(len(points[::5]), 2, generator=draw) * sides - 0.5
        subject = torch.arange(people * each) % people
        found.append(Gaze(points, size, subject=subject * 3 + 1).inside())
    return found


def prior_of(images: list[Gaze]) -> CentrePrior:
    shares = {"kernels": 0.9, "gaussian": 0.0, "uniform": 0.1}
    return CentrePrior(images, [str(i) for i in range(len(images))], 0.1, shares)


def folded(points: np.ndarray, centres: np.ndarray, widths: np.ndarray, size=SIZE) -> np.ndarray:
    """Return each kernel at each point, summed over its mirror images, by scikit-learn."""
    sides = np.array(size[::-1])
    columns = []
    for centre, width in zip(centres, widths, strict=True):
        moved = centre + 0.5
        copies = np.array(
            [
                [sx * moved[0] + 2 * kx * sides[0], sy * moved[1] + 2 * ky * sides[1]]
                for sx in (1, -1)
                for sy in (1, -1)
                for kx in (-1, 0, 1)
                for ky in (-1, 0, 1)
            ]
        )
        kde = KernelDensity(bandwidth=float(width), rtol=0, atol=0).fit(copies - 0.5)
        columns.append(np.exp(kde.score_samples(points)) * len(copies))
    return np.stack(columns, 1)


def split(gaze: Gaze, person: int) -> tuple[np.ndarray, np.ndarray]:
    of = (gaze.subject == person).numpy()
    points = gaze.points.double().numpy()
    return points[of], points[~of]


SHARES = {"kernels": 0.7, "prior": 0.2, "uniform": 0.1}


def test_each_persons_fixations_are_told_from_the_others_by_scikit_learns_kernels():
    images = looked()
    prior = prior_of(images)
    people = People(prior, 0.05, SHARES)
    gaze = images[2]
    own, others = split(gaze, 7)
    kernels = folded(own, others, np.full(len(others), 0.05 * 80)).mean(1)
    told = prior.log_density(2, torch.tensor(own)).exp().numpy()
    expected = 0.7 * kernels + 0.2 * told + 0.1 / (60 * 80)
    found = people.log_density_of_left_out(2)[gaze.subject == 7].exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(people.log_density(2, torch.tensor(own), without=7).exp(), expected, rtol=1e-6)


def test_adaptive_widths_follow_silvermans_section_5_3():
    images = looked()
    prior = prior_of(images)
    pilot = People(prior, 0.06, SHARES)
    people = People(prior, 0.04, SHARES, 0.5, pilot)
    gaze = images[1]
    own, others = split(gaze, 4)
    at = prior.log_density(1, torch.tensor(others)).exp().numpy()
    first = 0.7 * folded(others, others, np.full(len(others), 0.06 * 80)).mean(1) + 0.2 * at + 0.1 / 4800
    g = np.exp(np.log(first).mean())
    widths = 0.04 * 80 * (first / g) ** -0.5
    assert widths.max() > 1.5 * widths.min()
    told = prior.log_density(1, torch.tensor(own)).exp().numpy()
    expected = 0.7 * folded(own, others, widths).mean(1) + 0.2 * told + 0.1 / 4800
    found = people.log_density_of_left_out(1)[gaze.subject == 4].exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(people.log_density(1, torch.tensor(own), without=4).exp(), expected, rtol=1e-6)


def test_the_person_left_out_has_no_say_in_what_is_told_of_them():
    images = looked()
    people = fit_people(images, prior_of(images), bandwidth=0.05, adaptive=True)
    at = torch.tensor([[40.0, 30.0], [2.0, 58.0]])
    before = people.log_density(3, at, without=1)
    moved = images[3].points.clone()
    moved[images[3].subject == 1] = torch.tensor([10.0, 10.0])
    changed = [*images[:3], Gaze(moved, SIZE, subject=images[3].subject), *images[4:]]
    after = People(prior_of(changed), people.bandwidth, people.shares, 0.5, None)
    after.pilot = People(after.prior, people.pilot.bandwidth, people.pilot.shares)
    torch.testing.assert_close(after.log_density(3, at, without=1), before, rtol=1e-12, atol=0)
    assert not torch.allclose(after.log_density(3, at), people.log_density(3, at))


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("without", [None, 4])
def test_maps_sum_to_one_and_are_the_density_at_the_pixels_centres(adaptive, without):
    images = looked()
    people = fit_people(images, prior_of(images), bandwidth=0.05, adaptive=adaptive)
    found = people.map(0, without)
    assert found.shape == SIZE
    assert found.sum().item() == pytest.approx(1, abs=1e-12)
    y, x = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
    values = people.log_density(0, torch.stack([x.flatten(), y.flatten()], 1), without).exp().view(SIZE)
    # what lies beyond the border is folded back, so that hardly anything is left to normalise
    assert values.sum().item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(found, values / values.sum(), rtol=1e-9, atol=0)


def test_far_from_the_border_kernels_alone_are_the_blur_of_haa():
    points = torch.tensor([[40.0, 30.0], [45.3, 28.1], [38.0, 33.0]])
    images = [Gaze(points, SIZE, subject=torch.tensor([0, 1, 2]))] * 2
    people = People(prior_of(images), 0.04, {"kernels": 1.0, "prior": 0.0, "uniform": 0.0})
    blurred = density(points[None].double(), SIZE, 0.04 * 80)[0]
    torch.testing.assert_close(people.map(0), blurred, rtol=1e-6, atol=1e-12)


def test_the_fit_beats_every_width_and_share_of_a_grid():
    images = looked(3)
    prior = prior_of(images)
    people = fit_people(images, prior, adaptive=False)
    best = torch.cat([people.log_density_of_left_out(i) for i in range(len(images))]).mean().item()
    for bandwidth in np.geomspace(0.02, 0.15, 5):
        for kernels in (0.5, 0.7, 0.85):
            for uniform in (0.01, 0.05, 0.1):
                shares = {"kernels": kernels, "prior": 1 - kernels - uniform, "uniform": uniform}
                other = People(prior, float(bandwidth), shares)
                values = torch.cat([other.log_density_of_left_out(i) for i in range(len(images))])
                assert values.mean().item() <= best + 1e-4


def test_kernels_are_adaptive_where_that_makes_the_left_out_likelier():
    """Half of the fixations lie within a pixel or two of a spot, the others far around."""
    draw = torch.Generator().manual_seed(5)
    images = []
    for _ in range(3):
        near, far = (torch.randn(40, 2, generator=draw) * width + torch.tensor([40.0, 30.0]) for width in (1.0, 12.0))
        images.append(Gaze(torch.cat([near, far]), SIZE, subject=torch.arange(80) % 8).inside())
    prior = prior_of(images)
    chosen, fixed = fit_people(images, prior), fit_people(images, prior, adaptive=False)
    assert chosen.sensitivity == 0.5
    assert fixed.sensitivity == 0
    assert chosen.bits.mean > fixed.bits.mean + 0.02
    difference = chosen.bits.values - chosen.bits_over_prior.values
    torch.testing.assert_close(difference, prior.bits.values)


def test_who_looked_alone_is_told_from_the_prior_and_nobody_is_lost():
    images = looked(4)
    alone = Gaze(torch.tensor([[10.0, 20.0], [30.0, 5.0]]), SIZE, subject=torch.tensor([5, 5]))
    images = [*images, alone, Gaze(torch.zeros(0, 2), SIZE)]
    prior = prior_of(images)
    people = fit_people(images, prior, bandwidth=0.05)
    s_p, s_u = people.shares["prior"], people.shares["uniform"]
    expected = (s_p * prior.own[4].exp() + s_u / 4800) / (s_p + s_u)
    torch.testing.assert_close(people.log_density_of_left_out(4).exp(), expected)
    torch.testing.assert_close(people.log_density(4, alone.points, without=5).exp(), expected)
    assert people.map(4, without=5).sum().item() == pytest.approx(1)
    assert people.map(5).sum().item() == pytest.approx(1)
    assert len(people.log_density_of_left_out(5)) == 0
    assert people.bits.values.isnan().tolist() == [False] * 5 + [True]
    assert math.isfinite(people.bits.mean)


def test_what_cannot_be_fitted_is_refused():
    images = looked(3)
    prior = prior_of(images)
    with pytest.raises(InputError, match="not those of the prior"):
        fit_people(images[:2], prior)
    with pytest.raises(InputError, match="bandwidth=0"):
        fit_people(images, prior, bandwidth=0)
    nameless = [Gaze(gaze.points, SIZE) for gaze in images]
    with pytest.raises(InputError, match="does not say who looked"):
        fit_people(nameless, prior_of(nameless))
    single = [Gaze(gaze.points, SIZE, subject=torch.zeros(len(gaze.points), dtype=torch.long)) for gaze in images]
    with pytest.raises(InputError, match="by two people"):
        fit_people(single, prior_of(single))


def test_progress_ends_at_one():
    told: list[float] = []
    images = looked(3)
    people = fit_people(images, fit_centre_prior(images), progress=told.append)
    assert told[-1] == 1
    assert told == sorted(told)
    assert "People(bandwidth=" in repr(people)
