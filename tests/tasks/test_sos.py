"""The SOS task: its loss against the formulas, its scores at the masks' own size, and that it learns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.tasks.taught import taught

from haa.alignment import Alignment
from haa.data.loading.collate import collate
from haa.data.shapes import Shapes
from haa.errors import InputError
from haa.metrics.functional import dice, iou
from haa.metrics.functional.salient_objects import salient_objects
from haa.models.backbone import Tiny
from haa.models.unet import UNet
from haa.tasks.sos import SOS, iou_loss


def task(**options) -> tuple[SOS, dict]:
    torch.manual_seed(0)
    module = SOS(UNet(Tiny(channels=16, stages=(0, 1, 2)), hidden=16), **options)
    batch = collate(list(Shapes("train", task="sos", train=8)))
    batch["image"] = batch["image"].float() / 255
    return module, batch


@pytest.mark.parametrize("iou", [0.0, 0.7])
def test_loss_is_the_sum_over_scales(iou):
    module, batch = task(iou=iou)
    sides, _ = module.model(batch["image"])
    mask, expected = batch["mask"].double() / 255, 0.0
    for side in sides:
        p = F.interpolate(side[:, None], (64, 64), mode="bilinear")[:, 0].sigmoid().double()
        entropy = -(mask * p.log() + (1 - mask) * (1 - p).log()).mean()
        union = 1 - (1 - p) * (1 - mask)
        expected += entropy + iou * (1 - (p * mask).sum((1, 2)) / union.sum((1, 2))).mean()
    assert module.step(batch).loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_iou_loss_of_hard_masks_is_one_minus_the_counted_ratio():
    one, other = torch.rand(3, 9, 9) > 0.5, torch.rand(3, 9, 9) > 0.5
    expected = [1 - (a & b).sum().item() / (a | b).sum().item() for a, b in zip(one, other, strict=True)]
    assert iou_loss(one.float(), other.float()).tolist() == pytest.approx(expected, abs=1e-6)


def test_scores_are_taken_at_the_masks_own_size():
    module, batch = task()
    module.eval()
    masks = [(torch.rand(*size) > 0.7).to(torch.uint8) * 255 for size in [(90, 120)] * 5 + [(50, 40)] * 3]
    batch["native_mask"] = masks
    metrics, output = module.make_metrics(), module.step(batch)
    columns = module.update_metrics(metrics, output, batch)
    each = []
    for prediction, mask in zip(output.prediction, masks, strict=True):
        big = F.interpolate(prediction[None, None], tuple(mask.shape), mode="bilinear")[0]
        overlap = {"dice": dice(big, mask[None]), "iou": iou(big, mask[None])}
        each.append(salient_objects(big, mask[None]) | overlap)
    computed = metrics.compute()
    for name in ("mae", "f_adaptive", "f_mean", "f_weighted", "s_measure", "e_adaptive", "e_mean", "dice", "iou"):
        values = [scores[name].item() for scores in each]
        assert computed[name].item() == pytest.approx(sum(values) / 8, rel=1e-4)
        assert columns[name].tolist() == pytest.approx(values, rel=1e-4)
    curve = torch.stack([scores["f_curve"][0] for scores in each]).mean(0)
    assert computed["f_max"].item() == pytest.approx(curve.max().item(), rel=1e-4)
    assert "f_max" not in columns


def test_it_learns_and_alignment_pulls_the_gate():
    module, batch = task(alignment=Alignment(weight=1.0))
    loss, alignment = taught(module, batch, steps=60)
    assert loss < 0.5
    assert alignment < 0.7


def test_data_without_masks_is_refused():
    module, batch = task()
    del batch["mask"]
    with pytest.raises(InputError, match="masks"):
        module.step(batch)


def test_an_eps_that_float16_does_not_hold_is_refused():
    module, _ = task()
    module.configure_optimizers()
    module.half()
    with pytest.raises(InputError, match=r"optimizer\.eps=1e-08 is 0 in float16"):
        module.configure_optimizers()
    module.bfloat16().configure_optimizers()
