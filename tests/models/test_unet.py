"""The U-Net's gate against the formula, its ways with frozen and trained backbones, and where gradients arrive."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from haa.alignment import Alignment
from haa.errors import InputError
from haa.models.backbone import Timm, Tiny
from haa.models.residual_gate import ResidualGate
from haa.models.unet import UNet

IMAGE = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def test_gate_equals_the_formula():
    gate, x = ResidualGate(8), torch.randn(2, 8, 5, 6)
    first, _, last = gate.score
    hidden = F.conv2d(x, first.weight, first.bias, padding=1).clamp_min(0)
    expected = 1 / (1 + torch.exp(-F.conv2d(hidden, last.weight, last.bias)))
    y, attention = gate(x)
    torch.testing.assert_close(attention, expected[:, 0])
    torch.testing.assert_close(y, x + expected * x)


@pytest.mark.parametrize(
    ("backbone", "strides"),
    [
        (Tiny(stages=(0, 1, 2)), [8, 4, 2]),
        (Tiny(stages=(2, 0, 1)), [8, 4, 2]),
        (Tiny(), [8, 4]),  # one stage, then the image itself
        (Tiny(stages=(0, 1, 2), frozen=True), [2]),  # as its features are cached: in one grid
        (Timm("resnet18", stages=(1, 2, 4)), [32, 8, 4]),
    ],
)
def test_sides_go_from_the_coarsest_stage_to_the_finest(backbone, strides):
    sides, attention = UNet(backbone, hidden=16)(IMAGE)
    assert [tuple(side.shape) for side in sides] == [(2, 64 // s, 96 // s) for s in strides]
    assert attention.shape == sides[0].shape
    assert ((attention > 0) & (attention < 1)).all()


def test_the_order_in_which_stages_are_chosen_does_not_matter():
    torch.manual_seed(0)
    one = UNet(Tiny(stages=(0, 1, 2)))
    torch.manual_seed(0)
    other = UNet(Tiny(stages=(2, 0, 1)))
    torch.testing.assert_close(one(IMAGE)[0][-1], other(IMAGE)[0][-1])


def test_cached_features_give_what_the_image_gives():
    model = UNet(Tiny(frozen=True)).eval()
    expected = model(IMAGE)
    got = model(IMAGE, features=model.backbone(IMAGE))
    for a, b in zip([*expected[0], expected[1]], [*got[0], got[1]], strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("of", ["sides", "alignment"])
def test_gradients_reach_gate_and_backbone(of):
    model = UNet(Tiny(stages=(0, 1, 2)))
    sides, attention = model(IMAGE)
    batch = {"image": IMAGE, "fixations": torch.tensor([[[5.0, 5.0]], [[60.0, 30.0]]])}
    loss = sides[-1].square().mean() if of == "sides" else Alignment()(attention, batch)
    loss.backward()
    for part in (model.gate.score[0], model.gate.score[2], model.backbone.body[0]):
        assert part.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("arguments", [{"hidden": 12}, {"detail": 3}])
def test_widths_that_cannot_be_normalised_in_groups_are_refused(arguments):
    with pytest.raises(InputError, match="multiples of 8"):
        UNet(Tiny(), **arguments)
