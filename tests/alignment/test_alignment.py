from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.special
import torch
from omegaconf import OmegaConf

from haa import build
from haa.alignment import Alignment
from haa.batch import human_maps
from haa.errors import InputError
from haa.losses import Weighted, correlation, kl_divergence, nss


def batch(**keys):
    return {"image": torch.zeros(3, 3, 32, 48), "id": ["a", "b", "c"], **keys}


CONF = Path(__file__).parents[2] / "conf"
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


def test_points_reach_a_loss_of_points_in_pixels_of_the_map():
    """An image of 32 x 48 on a grid of 4 x 6: cells of 8 x 8 pixels."""
    attention = torch.rand(3, 4, 6, dtype=torch.float64)
    a = (attention - attention.mean((1, 2), keepdim=True)) / attention.std((1, 2), keepdim=True, correction=0)
    expected = -((a[0, 2, 1] + a[0, 0, 5]) / 2 + a[1, 2, 3]) / 2
    got = Alignment(loss=nss)(attention, batch(fixations=POINTS.double()))
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=0)


def test_a_sum_of_losses_of_maps_and_of_points():
    attention, looks = torch.rand(3, 4, 6), batch(fixations=POINTS)
    mixed = Alignment(loss=Weighted({"kl": kl_divergence, "nss": nss}, {"nss": 0.1}))(attention, looks)
    alone = Alignment()(attention, looks) + 0.1 * Alignment(loss=nss)(attention, looks)
    torch.testing.assert_close(mixed, alone)


def test_a_loss_of_points_refuses_published_maps():
    with pytest.raises(InputError, match="publishes maps only"):
        Alignment(loss=nss)(torch.rand(3, 4, 6), batch(density=torch.rand(3, 32, 48)))
    assert Alignment(loss=nss)(torch.rand(3, 4, 6), batch()) == 0


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weight"):
        Alignment(weight=-1)


@pytest.mark.parametrize("path", sorted((CONF / "loss").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_loss_falls_towards_people(path):
    chosen = {"align_weight": 0.5, "alignment": {"loss": OmegaConf.load(path)}}
    alignment = build.make(OmegaConf.merge(OmegaConf.load(CONF / "train.yaml"), chosen).alignment)
    looks = batch(fixations=POINTS)
    human, _ = human_maps(looks, (4, 6), alignment.sigma)
    attention = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0))
    assert alignment.weight == 0.5
    assert alignment(human, looks) < alignment(attention, looks)


@pytest.mark.parametrize("loss", [kl_divergence, nss, Weighted({"kl": kl_divergence, "nss": nss})])
def test_compiles_without_a_break(loss):
    torch.compiler.reset()
    alignment = Alignment(loss, weight=0.5)
    attention, looks = torch.rand(3, 4, 6), batch(fixations=POINTS)
    compiled = torch.compile(alignment, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(attention, looks), alignment(attention, looks))
