"""Fixations from traces whose rests and jumps are known."""

from __future__ import annotations

import numpy as np
import pytest

from haa.data.readers.eye_movements import detect_fixations

RATE = 240


def trace(*rests: tuple[float, float, int], jump: int = 8, noise: float = 0.0) -> np.ndarray:
    """Rests of (x, y, samples), with straight saccades of ``jump`` samples between them."""
    parts = []
    for number, (x, y, samples) in enumerate(rests):
        if number:
            before = rests[number - 1]
            parts.append(np.linspace(before[:2], (x, y), jump + 2)[1:-1])
        parts.append(np.tile([[x, y]], (samples, 1)))
    whole = np.concatenate(parts)
    return whole + np.random.default_rng(0).normal(0, noise, whole.shape)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_rests_are_found_where_they_are(noise):
    found = detect_fixations(trace((100, 50, 60), (400, 300, 72), (410, 120, 96), noise=noise), RATE, 35)
    np.testing.assert_allclose([(f.x, f.y) for f in found], [(100, 50), (400, 300), (410, 120)], atol=0.5)
    # a saccade's first and last samples may count either way: two samples of 4.2 ms at each end
    np.testing.assert_allclose([f.duration for f in found], [250, 300, 400], atol=17)
    np.testing.assert_allclose([f.start for f in found], [0, 283, 617], atol=17)


def test_slow_drift_is_one_fixation():
    # 5 degrees a second, below the threshold of 30
    drift = np.stack([np.arange(120) * 5 * 35 / RATE, np.full(120, 7.0)], 1)
    [fixation] = detect_fixations(drift, RATE, 35)
    assert fixation.duration == 500
    assert fixation.x == pytest.approx(np.median(drift[:, 0]))


def test_a_lost_sample_ends_a_fixation():
    rest = trace((10, 20, 100))
    rest[50] = np.nan
    found = detect_fixations(rest, RATE, 35)
    assert [(f.start, f.duration) for f in found] == [
        pytest.approx((0, 50 * 1000 / RATE)),
        pytest.approx((51 * 1000 / RATE, 49 * 1000 / RATE)),
    ]


def test_a_short_rest_is_none():
    assert len(detect_fixations(trace((10, 20, 60), (300, 20, 8), (10, 200, 60)), RATE, 35)) == 2


@pytest.mark.parametrize("samples", [0, 1, 3])
def test_too_few_samples(samples):
    assert detect_fixations(np.zeros((samples, 2)), RATE, 35) == []


def test_nothing_seen():
    assert detect_fixations(np.full((100, 2), np.nan), RATE, 35) == []
