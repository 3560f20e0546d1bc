"""Shares and widths against cases worked out by hand, intervals against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from haa.evaluation.mixtures import LEAST, Bits, Steps, fit_shares, likeliest_width, mean_bits


def test_shares_of_two_densities_are_the_root_of_their_equation():
    """With densities (3, 1) seen a times and (1/2, 1) seen b times, d/ds = 0 gives s = (4 a - b) / (2 (a + b))."""
    a, b = 40, 60
    densities = torch.tensor([[3.0, 1.0]] * a + [[0.5, 1.0]] * b)
    likelihood, shares = fit_shares(densities, ("one", "uniform"))
    # a 2 / (1 + 2 s) = b 0.5 / (1 - 0.5 s)
    s = (2 * a - 0.5 * b) / (a + b)
    assert shares["one"] == pytest.approx(s, abs=1e-6)
    assert likelihood == pytest.approx((a * math.log(1 + 2 * s) + b * math.log(1 - s / 2)) / (a + b), abs=1e-12)


def test_shares_of_three_densities_fulfil_the_conditions_of_a_maximum():
    """Where a share is above its bound, the mean of its density over the mixture is 1; elsewhere it is below."""
    draw = np.random.default_rng(0)
    x = np.concatenate([draw.normal(0, 1, 300), draw.normal(4, 0.5, 100)])
    columns = [scipy.stats.norm(m, s).pdf(x) for m, s in ((0, 1), (4, 0.5), (2, 3))]
    _, shares = fit_shares(torch.tensor(np.stack(columns, 1)), ("a", "b", "c"))
    s = np.array(list(shares.values()))
    assert s.sum() == pytest.approx(1)
    slope = (np.stack(columns, 1) / (np.stack(columns, 1) @ s)[:, None]).mean(0)
    np.testing.assert_allclose(slope[:2], 1, atol=1e-5)
    assert slope[2] <= 1 + 1e-5
    assert shares["a"] == pytest.approx(0.75, abs=0.03)


def test_a_density_that_explains_nothing_gets_no_share_but_the_last_keeps_the_least():
    _, shares = fit_shares(torch.tensor([[5.0, 0.1, 1.0]] * 9), ("one", "two", "uniform"))
    assert shares["two"] == pytest.approx(0, abs=1e-9)
    assert shares["uniform"] == pytest.approx(LEAST, rel=1e-3)


def test_the_likeliest_width_is_found():
    found = likeliest_width(lambda width: -(math.log(width / 0.07) ** 2), (0.003, 0.3))
    assert found == pytest.approx(0.07, rel=0.01)


def test_intervals_count_a_picture_once_and_leave_out_what_is_nan():
    bits = Bits(torch.tensor([1.0, 2.0, 4.0, math.nan, 0.5]), ["a", "b", "b", "c", "d"])
    values = [1.0, 3.0, 0.5]
    assert bits.mean == pytest.approx(1.5)
    low, high = scipy.stats.t.interval(0.95, 2, loc=1.5, scale=scipy.stats.sem(values))
    assert bits.interval() == pytest.approx((low, high))
    assert Bits(torch.tensor([math.nan]), ["a"]).mean is not None
    assert all(math.isnan(value) for value in Bits(torch.tensor([1.0]), ["a"]).interval())


def test_bits_are_logarithms_to_the_base_of_two():
    assert mean_bits(torch.tensor([math.log(2), math.log(8)])) == pytest.approx(2)
    assert math.isnan(mean_bits(torch.zeros(0)))


def test_progress_grows_and_ends_at_one():
    told: list[float] = []
    steps = Steps(told.append, expected=2)
    for _ in range(4):
        steps.step()
    steps.done()
    assert told == [1 / 3, 2 / 3, 1, 1, 1]
    Steps(None, 2).step()
