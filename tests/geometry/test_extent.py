"""Extents: maps brought to the picture, gaze brought to the cells."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.nn.functional import grid_sample, interpolate

from haa.batch import human_maps
from haa.gaze import density, resize
from haa.geometry.extent import WHOLE, Extent, edges, mean_of_cells, on_cells, on_picture

EXTENTS = [Extent(-0.1, 0.05, 0.9, 1.2), Extent(0.0, 0.0, 0.8, 1.0), Extent(-0.07, -0.07, 0.93, 0.93)]


@pytest.mark.parametrize("size", [(12, 20), (7, 9), (3, 3)])
def test_a_stretched_map_is_resized_as_ever(size):
    maps = torch.rand(2, 7, 9)
    torch.testing.assert_close(on_picture(maps, size), interpolate(maps[None], size, mode="bilinear")[0])


@pytest.mark.parametrize("extent", EXTENTS)
def test_a_map_on_the_picture_is_what_grid_sample_takes_from_it(extent):
    maps, (height, width) = torch.rand(2, 5, 6), (21, 33)
    y = ((torch.arange(height) + 0.5) / height - extent.top) / (extent.bottom - extent.top)
    x = ((torch.arange(width) + 0.5) / width - extent.left) / (extent.right - extent.left)
    where = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1) * 2 - 1
    expected = grid_sample(maps[:, None], where.expand(2, -1, -1, -1), padding_mode="border", align_corners=False)
    torch.testing.assert_close(on_picture(maps, (height, width), extent), expected[:, 0])


@pytest.mark.parametrize("extent", EXTENTS)
def test_the_value_at_a_point_is_that_of_its_cell(extent):
    """A map whose value is the number of its column is, on the picture, the x of `on_cells`."""
    columns = torch.arange(6.0).expand(1, 5, 6)
    pixels = on_picture(columns, (10, 30), extent)[0, 4]
    x = on_cells(torch.stack([torch.arange(30.0), torch.full((30,), 4.0)], 1), (10, 30), (5, 6), extent)[:, 0]
    torch.testing.assert_close(pixels, x.clamp(0, 5), atol=1e-5, rtol=0)


def test_points_of_a_stretched_map_are_resized_as_ever():
    points = torch.rand(3, 4, 2) * 50
    torch.testing.assert_close(on_cells(points, (50, 80), (5, 7)), resize(points, (50, 80), (5, 7)))


@pytest.mark.parametrize("extent", [WHOLE, *EXTENTS])
def test_all_mass_lands_in_the_cell_that_looks_at_it(extent):
    """A narrow density falls into the cell whose number `on_cells` gives, or the outermost where none looks there."""
    points = torch.tensor([[[3.0, 5.0]], [[61.0, 2.0]], [[30.0, 39.0]], [[47.2, 21.9]]])
    maps = density(points, (40, 64), sigma=0.05, grid=(4, 5), extent=extent)
    x, y = on_cells(points[:, 0], (40, 64), (4, 5), extent).round().unbind(-1)
    expected = (y.clamp(0, 3) * 5 + x.clamp(0, 4)).long()
    torch.testing.assert_close(maps.flatten(1)[range(4), expected], torch.ones(4))


def test_a_density_over_cells_is_the_fine_one_summed_over_them():
    points, extent = torch.rand(1, 6, 2) * 40 + 10, Extent(-0.125, -0.125, 0.875, 0.875)
    fine = density(points, (64, 64), sigma=4.0, grid=(64, 64))[0]
    cells = density(points, (64, 64), sigma=4.0, grid=(4, 4), extent=extent)[0]
    # cells of 16 pixels that begin 8 pixels up and left; the outermost reach to the border
    bounds = [0, 8, 24, 40, 64]
    spans = list(pairwise(bounds))
    expected = torch.stack([torch.stack([fine[a:b, c:d].sum() for c, d in spans]) for a, b in spans])
    torch.testing.assert_close(cells, expected, atol=1e-6, rtol=1e-4)


def test_a_published_map_over_cells_is_its_mass_in_them():
    published = torch.rand(2, 64, 64)
    maps = mean_of_cells(published, (4, 4), Extent(-0.125, -0.125, 0.875, 0.875)) * 16**2
    torch.testing.assert_close(maps[:, 0, 0], published[:, :8, :8].sum((1, 2)))
    torch.testing.assert_close(maps[:, 3, 1], published[:, 40:, 8:24].sum((1, 2)))
    torch.testing.assert_close(maps.sum((1, 2)), published.sum((1, 2)))


def test_cells_beyond_the_picture_hold_nothing():
    assert edges(4, 0.0, 2.0, torch.zeros(())).tolist() == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_human_maps_follow_the_extent():
    batch = {"image": torch.zeros(1, 3, 64, 64), "fixations": torch.tensor([[[31.0, 31.0]]]), "id": ["a"]}
    stretched, _ = human_maps(batch, (8, 8), 0.001)
    placed, _ = human_maps(batch, (8, 8), 0.001, Extent(-0.055, -0.055, 0.945, 0.945))
    assert stretched[0].argmax() == 3 * 8 + 3
    assert placed[0].argmax() == 4 * 8 + 4
