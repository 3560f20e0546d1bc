"""The centre prior against scikit-learn's kernel density of the fixations and their mirror images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.neighbors import KernelDensity

from haa.errors import InputError
from haa.evaluation.centre_prior import CentrePrior, fit_centre_prior
from haa.gaze import Gaze

KERNELS = {"kernels": 1.0, "gaussian": 0.0, "uniform": 0.0}
SIZES = [(60, 80), (90, 60), (50, 50)]


def gazes(count: int = 9, n: int = 40, seed: int = 0) -> list[Gaze]:
    """Return gaze near the middle of images of three sizes, at fractional positions, at the border too."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for i in range(count):
        h, w = SIZES[i % 3]
        points = torch.randn(n, 2, generator=draw) * torch.tensor([w / 4, h / 4]) + torch.tensor([w / 2, h / 2])
        found.append(Gaze(points, (h, w)).inside())
    return found


def relative(gaze: Gaze) -> np.ndarray:
    return ((gaze.points.double() + 0.5) / torch.tensor(gaze.size[::-1])).numpy()


def mirrored(points: np.ndarray) -> np.ndarray:
    """Return points of the unit square with their mirror images at all borders and corners."""
    return np.concatenate(
        [
            np.stack([sx * points[:, 0] + 2 * kx, sy * points[:, 1] + 2 * ky], 1)
            for sx in (1, -1)
            for sy in (1, -1)
            for kx in (-1, 0, 1)
            for ky in (-1, 0, 1)
        ]
    )


def sklearns(others: np.ndarray, bandwidth: float, at: np.ndarray) -> np.ndarray:
    copies = mirrored(others)
    kde = KernelDensity(bandwidth=bandwidth, rtol=0, atol=0).fit(copies)
    return np.exp(kde.score_samples(at)) * len(copies) / len(others)


@pytest.mark.parametrize("bandwidth", [0.02, 0.1, 0.3])
def test_densities_are_those_of_scikit_learn(bandwidth):
    images = gazes()
    prior = CentrePrior(images, list("abcdefghi"), bandwidth, KERNELS)
    others = np.concatenate([relative(gaze) for i, gaze in enumerate(images) if i != 4])
    at = torch.rand(50, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([59.0, 89.0])
    expected = sklearns(others, bandwidth, relative(Gaze(at, images[4].size))) / (90 * 60)
    np.testing.assert_allclose(prior.log_density(4, at).exp().numpy(), expected, rtol=1e-6, atol=1e-14)


def test_images_of_one_picture_are_left_out_together():
    images = gazes(4)
    prior = CentrePrior(images, ["a", "b", "a", "c"], 0.1, KERNELS)
    others = np.concatenate([relative(images[1]), relative(images[3])])
    expected = sklearns(others, 0.1, relative(images[0]))
    np.testing.assert_allclose(prior.own[0].exp().numpy() * 60 * 80, expected, rtol=1e-6)


def test_nothing_is_left_out_for_an_image_of_another_data_set():
    images = gazes(3)
    prior = CentrePrior(images, ["a", "b", "c"], 0.1, KERNELS)
    everything = np.concatenate([relative(gaze) for gaze in images])
    at = torch.tensor([[3.0, 4.0], [20.0, 9.0]])
    expected = sklearns(everything, 0.1, relative(Gaze(at, (40, 30)))) / (40 * 30)
    np.testing.assert_allclose(prior.log_density(None, at, size=(40, 30)).exp().numpy(), expected, rtol=1e-6)


def test_the_gaussian_has_the_moments_of_the_others():
    images = gazes(3)
    prior = CentrePrior(images, ["a", "b", "c"], 0.1, {"kernels": 0.0, "gaussian": 1.0, "uniform": 0.0})
    others = np.concatenate([relative(images[1]), relative(images[2])])
    mean, deviation = others.mean(0), others.std(0)
    at = relative(images[0])
    folds = [scipy.stats.norm(s * mean + 2 * k, deviation).pdf(at)[:, None] for s in (1, -1) for k in range(-3, 4)]
    expected = np.concatenate(folds, 1).sum(1).prod(1) / (60 * 80)
    np.testing.assert_allclose(prior.own[0].exp().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("size", [(60, 80), (7, 5), (1, 1)])
@pytest.mark.parametrize("bandwidth", [0.005, 0.05])
def test_maps_sum_to_one_and_are_the_density_at_the_pixels_centres(size, bandwidth):
    prior = CentrePrior(gazes(3), ["a", "b", "c"], bandwidth, {"kernels": 0.7, "gaussian": 0.1, "uniform": 0.2})
    density = prior.map(1, size)
    assert density.shape == size
    assert density.sum().item() == pytest.approx(1, abs=1e-12)
    if size == (60, 80):
        y, x = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
        points = torch.stack([x.flatten(), y.flatten()], 1)
        expected = prior.log_density(1, points, size=size).exp().view(size)
        torch.testing.assert_close(density, expected / expected.sum(), rtol=1e-9, atol=0)
        # nothing is lost at the border: without being divided by its sum it is 1 already
        if bandwidth > 0.02:
            assert expected.sum().item() == pytest.approx(1, abs=1e-4)


def test_the_fit_is_the_best_of_scikit_learns_over_a_grid():
    """No width and uniform share of a grid make the fixations likelier."""
    images = gazes(4, 40)
    prior = fit_centre_prior(images)
    area = np.concatenate([np.full(len(g.points), np.log(g.size[0] * g.size[1])) for g in images])
    fitted = float((torch.cat(prior.own).numpy() + area).mean())
    likelihoods = []
    for bandwidth in np.geomspace(0.05, 0.3, 5):
        values = np.concatenate(
            [
                sklearns(np.concatenate([relative(o) for o in images if o is not gaze]), bandwidth, relative(gaze))
                for gaze in images
            ]
        )
        likelihoods += [np.log((1 - s) * values + s).mean() for s in (1e-6, 0.01, 0.05, 0.1, 0.3)]
    assert fitted >= max(likelihoods) - 1e-4
    assert math.fsum(prior.shares.values()) == pytest.approx(1)


def test_gaze_that_is_uniform_gets_the_uniform_density():
    draw = torch.Generator().manual_seed(3)
    images = [Gaze(torch.rand(100, 2, generator=draw) * 60 - 0.5, (60, 60)) for _ in range(5)]
    prior = fit_centre_prior(images)
    assert prior.bits.mean == pytest.approx(0, abs=0.05)
    assert prior.map(0).std() < 0.2 * prior.map(0).mean()


def test_images_without_gaze_and_fixations_outside_are_left_out():
    images = gazes(4)
    beside = [*images, Gaze(torch.tensor([[-9.0, 3.0]]), (60, 80)), Gaze(torch.zeros(0, 2), (60, 80))]
    prior, same = (fit_centre_prior(some, bandwidth=0.1) for some in (beside, images))
    assert prior.shares == pytest.approx(same.shares)
    assert prior.bits.values[:4].tolist() == pytest.approx(same.bits.values.tolist())
    assert prior.bits.values[4:].isnan().all()
    assert prior.bits.mean == pytest.approx(same.bits.mean)


def test_progress_is_told_and_a_given_bandwidth_is_kept():
    told: list[float] = []
    prior = fit_centre_prior(gazes(3), bandwidth=0.1, progress=told.append)
    assert prior.bandwidth == 0.1
    assert told[-1] == 1
    assert told == sorted(told)
    assert "bandwidth=0.1, kernels=" in repr(prior)
    assert prior.uniform == prior.shares["uniform"]


def test_what_cannot_be_fitted_is_refused():
    images = gazes(2)
    with pytest.raises(InputError, match="1 pictures have gaze"):
        fit_centre_prior(images, ["a", "a"])
    with pytest.raises(InputError, match="1 names of pictures for 2 images"):
        fit_centre_prior(images, ["a"])
    with pytest.raises(InputError, match=r"gaze.at\(frame\)"):
        fit_centre_prior([images[0], Gaze(torch.zeros(1, 2), (9, 9), frame=torch.zeros(1, dtype=torch.long))])
    with pytest.raises(InputError, match="bandwidth=3"):
        fit_centre_prior(images, bandwidth=3.0)
    with pytest.raises(InputError, match="give size"):
        CentrePrior(images, ["a", "b"], 0.1, KERNELS).map()
