"""Position encodings, compared with the formula written out and with what they are for."""

import math

import pytest
import torch

from haa.models.position import grid_position, sinusoids


def test_values_equal_the_formula():
    out = sinusoids(torch.tensor([0.0, 1.0, 7.5]), 8)
    for row, p in zip(out.tolist(), [0.0, 1.0, 7.5], strict=True):
        for k in range(4):
            angle = p / 10000 ** (2 * k / 8)
            assert row[2 * k] == pytest.approx(math.sin(angle), abs=1e-6)
            assert row[2 * k + 1] == pytest.approx(math.cos(angle), abs=1e-6)


def test_a_grid_of_any_form_tells_every_cell_apart():
    grid = grid_position(5, 9, 32, like=torch.zeros(1))
    assert grid.shape == (45, 32)
    assert (torch.cdist(grid, grid) + 10 * torch.eye(45)).min() > 0.1


def test_rows_are_in_the_first_half_and_columns_in_the_second():
    grid = grid_position(3, 4, 16, like=torch.zeros(1, dtype=torch.float64)).view(3, 4, 16)
    assert grid.dtype == torch.float64
    torch.testing.assert_close(grid[:, 0, :8], grid[:, 3, :8])
    torch.testing.assert_close(grid[0, :, 8:], grid[2, :, 8:])
    torch.testing.assert_close(grid[:3, 0, :8], grid[0, :3, 8:])
