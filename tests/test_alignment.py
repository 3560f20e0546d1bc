from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import torch

from haa.alignment import Alignment
from haa.losses import correlation


def batch(**keys):
    return {"image": torch.zeros(3, 3, 32, 48), "id": ["a", "b", "c"], **keys}


NAN = float("nan")
POINTS = torch.tensor([[[10.0, 20.0], [40.0, 5.0]], [[24.0, 16.0], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]]])


def blurred(points: list[list[float]], sigma: float) -> np.ndarray:
    """scipy's filter at 15 times the resolution, summed over cells of 8 x 8 pixels: a 4 x 6 grid."""
    fine = np.zeros((32 * 15, 48 * 15))
    for x, y in points:
        fine[int((y + 0.5) * 15), int((x + 0.5) * 15)] += 1
    fine = scipy.ndimage.gaussian_filter(fine, sigma * 15, mode="constant", truncate=8)
    cells = fine.reshape(4, 120, 6, 120).sum((1, 3))
    return cells / cells.sum()


def test_value_is_the_mean_divergence_over_samples_with_gaze():
    attention = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0))
    humans = [blurred([[10, 20], [40, 5]], 0.05 * 48), blurred([[24, 16]], 0.05 * 48)]
    machine = [a / a.sum() for a in attention.double().numpy()]
    expected = np.mean([scipy.special.rel_entr(h, m).sum() for h, m in zip(humans, machine, strict=False)])
    got = Alignment(weight=1, sigma=0.05)(attention, batch(fixations=POINTS))
    assert got.item() == pytest.approx(expected, rel=2e-4)


def test_samples_marked_without_gaze_take_no_part():
    attention = torch.rand(3, 4, 6)
    keys = {"fixations": POINTS, "has_human": torch.tensor([True, False, False])}
    one = {"image": torch.zeros(1, 3, 32, 48), "id": ["a"], "fixations": POINTS[:1]}
    torch.testing.assert_close(Alignment()(attention, batch(**keys)), Alignment()(attention[:1], one))


def test_points_outside_the_image_are_no_gaze():
    attention = torch.rand(3, 4, 6, requires_grad=True)
    loss = Alignment()(attention, batch(fixations=torch.full((3, 2, 2), 1000.0)))
    loss.backward()
    assert loss == 0
    assert (attention.grad == 0).all()


@pytest.mark.parametrize("keys", [{}, {"fixations": POINTS.new_full((3, 0, 2), NAN)}])
def test_a_batch_without_any_gaze_costs_nothing(keys):
    assert Alignment()(torch.rand(3, 4, 6), batch(**keys)) == 0


def test_published_densities_are_pooled():
    maps = torch.rand(3, 32, 48)
    pooled = maps.reshape(3, 4, 8, 6, 8).mean((2, 4))
    loss = Alignment(loss=correlation)(pooled, batch(density=maps))
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weight"):
        Alignment(weight=-1)


def test_compiles_without_a_break():
    alignment = Alignment(weight=0.5)
    attention, looks = torch.rand(3, 4, 6), batch(fixations=POINTS)
    compiled = torch.compile(alignment, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(attention, looks), alignment(attention, looks))
