"""Rasterising against scipy's filters and the convention's corner cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from haa.errors import InputError
from haa.gaze import Gaze, counts, density, pad, resize, valid


@pytest.mark.parametrize(("h", "w", "sigma", "n"), [(30, 41, 3.0, 12), (60, 20, 5.5, 1), (9, 9, 0.8, 200)])
def test_density_is_scipys_filter_of_the_counts(h, w, sigma, n):
    generator = np.random.default_rng(n)
    points = np.stack([generator.integers(0, w, n), generator.integers(0, h, n)], 1)
    image = np.zeros((h, w))
    np.add.at(image, (points[:, 1], points[:, 0]), 1)
    blurred = gaussian_filter(image, sigma, mode="constant", truncate=12)
    mine = density(torch.from_numpy(points)[None].double(), (h, w), sigma)
    np.testing.assert_allclose(mine[0], blurred / blurred.sum(), atol=1e-9)
    np.testing.assert_array_equal(counts(torch.from_numpy(points)[None].double(), (h, w))[0], image)


@pytest.mark.parametrize("whole", [True, False], ids=["on pixels", "between pixels"])
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize(("h", "w", "sigma"), [(30, 40, 2.5), (60, 80, 8.0)], ids=["at once", "through nodes"])
def test_thousands_of_points_are_the_sum_of_their_gaussians(whole, gradient, h, w, sigma):
    generator = np.random.default_rng(0)
    points = generator.random((2, 2000, 2)) * [w - 1, h - 1]
    points = np.floor(points) if whole else points
    points[1, 700:] = math.nan
    weights = generator.random((2, 2000))
    given = torch.from_numpy(points).requires_grad_(gradient)
    maps = density(given, (h, w), sigma, weights=torch.from_numpy(weights))
    for mine, xy, each in zip(maps.detach(), points, weights, strict=True):
        xy, each = xy[~np.isnan(xy[:, 0])], each[~np.isnan(xy[:, 0])]
        rows, columns = (np.exp(-((np.arange(n) - xy[:, i, None]) ** 2) / (2 * sigma**2)) for n, i in ((h, 1), (w, 0)))
        theirs = (each[:, None] * rows).T @ columns
        np.testing.assert_allclose(mine, theirs / theirs.sum(), rtol=1e-12)
    if gradient:
        maps[0, 3, 3].backward()
        assert given.grad[0].isfinite().all()
        assert given.grad[0].any()


def test_values_far_from_all_points_keep_their_digits_through_nodes():
    # eight standard deviations away, where the log-likelihood of a fixation still counts
    points = torch.rand(1, 2000, 2, dtype=torch.float64) * 40
    maps = density(points, (80, 200), 20.0)[0]
    x, y = points[0].T.numpy()
    theirs = (
        np.exp(-((199 - x) ** 2 + (79 - y) ** 2) / 800).sum() / np.exp(-((20 - x) ** 2 + (20 - y) ** 2) / 800).sum()
    )
    assert (maps[79, 199] / maps[20, 20]).item() == pytest.approx(theirs, rel=1e-12, abs=0)


def test_mass_per_cell_is_the_integral_of_the_gaussians():
    size, grid, sigma = (40, 60), (5, 4), 7.0
    points = torch.rand(1, 6, 2, dtype=torch.float64) * torch.tensor([59.0, 39.0])
    rows, columns = (np.arange(g + 1) * (s / g) - 0.5 for s, g in zip(size, grid, strict=True))
    mass = np.zeros(grid)
    for x, y in points[0].numpy():
        mass += np.outer(np.diff(norm.cdf(rows, y, sigma)), np.diff(norm.cdf(columns, x, sigma)))
    np.testing.assert_allclose(density(points, size, sigma, grid)[0], mass / mass.sum(), atol=1e-9)


def test_padding_outside_points_weights_and_nobody():
    size = (12, 16)
    points = pad([torch.tensor([[3.0, 4.0], [15.6, 1.0]]), torch.zeros(0, 2), torch.tensor([[3.0, 4.0], [9.0, 9.0]])])
    maps = density(points, size, 2.0, weights=torch.tensor([[1.0, 5.0], [1.0, 1.0], [1.0, 0.0]]))
    torch.testing.assert_close(maps[0], maps[2])
    assert maps[1].count_nonzero() == 0
    assert maps[0].sum().item() == pytest.approx(1, abs=1e-5)
    assert counts(points, size).sum((1, 2)).tolist() == [1, 0, 2]


def test_float32_is_close_to_float64_at_full_size():
    points = torch.rand(2, 60, 2, dtype=torch.float64) * torch.tensor([639.0, 479.0])
    single, double = density(points.float(), (480, 640), 24.0), density(points, (480, 640), 24.0)
    torch.testing.assert_close(single.double(), double, atol=1e-10, rtol=1e-4)


def test_a_resize_keeps_cells():
    points = torch.rand(1, 50, 2) * torch.tensor([8.0, 6.0]) - 0.5
    fine = counts(resize(points, (6, 8), (12, 16)), (12, 16))
    assert torch.equal(fine.view(6, 2, 8, 2).sum((1, 3)), counts(points, (6, 8))[0])
    assert valid(torch.tensor([[7.49, 5.49], [7.5, 0.0], [math.nan, 0.0]]), (6, 8)).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("points", "keywords", "message"),
    [
        (torch.zeros(3), {}, r"give \(n, 2\)"),
        (torch.zeros(2, 2), {"duration": torch.zeros(3)}, "duration"),
        (torch.tensor([[math.nan, 0.0]]), {}, "NaN"),
    ],
)
def test_what_is_no_gaze_raises(points, keywords, message):
    with pytest.raises(InputError, match=message):
        Gaze(points, (4, 4), **keywords)


def test_gaze_at_a_clip_is_taken_apart_by_frame():
    gaze = Gaze(
        torch.arange(8.0).view(4, 2), (9, 9), torch.tensor([1, 1, 2, 2]), torch.arange(4.0), torch.tensor([0, 3, 0, 3])
    )
    assert gaze.at(3).points.tolist() == [[2, 3], [6, 7]]
    assert gaze.at(3).subject.tolist() == [1, 2]
    assert gaze.at(3).duration.tolist() == [1, 3]
    assert gaze.at(3).frame is None
    assert gaze.at(1).points.shape == (0, 2)
    assert gaze.of(2).frame.tolist() == [0, 3]
    assert gaze.resized((18, 9)).frame.tolist() == [0, 3, 0, 3]


@pytest.mark.parametrize("frame", [[0], [0, -1]])
def test_a_frame_for_each_point_from_0(frame):
    with pytest.raises(InputError, match="frame"):
        Gaze(torch.zeros(2, 2), (9, 9), frame=torch.tensor(frame))


def test_a_still_has_no_frames():
    with pytest.raises(InputError, match="still"):
        Gaze(torch.zeros(2, 2), (9, 9)).at(0)
