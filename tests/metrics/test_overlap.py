"""Dice and IoU against torchmetrics, and by hand where masks are empty."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.classification import BinaryF1Score, BinaryJaccardIndex

from haa.errors import InputError
from haa.metrics import Dice, IoU
from haa.metrics.functional import dice, iou


def test_values_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    prediction = torch.rand(6, 13, 17, generator=generator)
    mask = (torch.rand(6, 13, 17, generator=generator) > 0.6).to(torch.uint8) * 255
    for threshold in (0.5, 0.8):
        f1, jaccard = BinaryF1Score(threshold=threshold), BinaryJaccardIndex(threshold=threshold)
        pairs = list(zip(prediction, (mask > 127).int(), strict=True))
        expected = [f1(p, m).item() for p, m in pairs], [jaccard(p, m).item() for p, m in pairs]
        assert dice(prediction, mask, threshold).tolist() == pytest.approx(expected[0], abs=1e-6)
        assert iou(prediction, mask, threshold).tolist() == pytest.approx(expected[1], abs=1e-6)
    levels = (prediction * 255).round().to(torch.uint8)
    assert torch.equal(dice(levels, mask), dice(levels / 255, mask))


def test_empty_masks_and_predictions():
    nothing, something = torch.zeros(1, 1, 3), torch.tensor([[[0.9, 0.5, 0.9]]])  # 0.5 does not exceed 0.5
    empty, one = torch.zeros(1, 1, 3, dtype=torch.uint8), torch.tensor([[[0, 0, 255]]], dtype=torch.uint8)
    for metric, both in ((dice, 2 / 3), (iou, 1 / 2)):
        assert metric(nothing, empty).item() == 1
        assert metric(something, empty).item() == 0
        assert metric(nothing, one).item() == 0
        assert metric(something, one).item() == both
    assert dice(torch.tensor([[[0.9, torch.nan, 0.1]]]), one).isnan().item()
    with pytest.raises(InputError, match="resize"):
        dice(torch.rand(1, 4, 5), torch.ones(1, 4, 6))


def test_values_are_exact_beyond_what_float32_counts():
    side = 4200  # more than 2**24 pixels
    prediction, mask = torch.ones(1, side, side, dtype=torch.bool), torch.ones(1, side, side, dtype=torch.bool)
    mask[0, 0, 0] = False
    count = side * side
    assert iou(prediction, mask).item() == (count - 1) / count
    assert dice(prediction, mask).item() == 2 * (count - 1) / (2 * count - 1)


def test_a_metric_is_the_mean_over_images():
    prediction = torch.tensor([[[0.9, 0.9, 0.1]], [[0.1, 0.1, 0.1]]])
    mask = torch.tensor([[[0, 255, 255]], [[0, 0, 0]]], dtype=torch.uint8)
    for metric, first in ((Dice(), 0.5), (IoU(), 1 / 3)):
        metric.update(prediction[:1], mask[:1])
        metric.update(prediction[1:], mask[1:])
        assert metric.values.tolist() == [1.0]
        assert metric.compute().item() == pytest.approx((first + 1) / 2)
