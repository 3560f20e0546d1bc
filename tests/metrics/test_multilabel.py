"""Scores of several labels a sample against scikit-learn, torchmetrics and counts by hand; unknown ones are masked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.distributed as dist
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score, roc_auc_score
from tests.processes import in_processes
from torchmetrics.classification import MultilabelAUROC, MultilabelAveragePrecision

import haa.metrics as M
from haa.metrics import functional as F

nan = torch.nan
S, N = 80, 6
PER_SAMPLE = (M.TopLabel, M.LabelAccuracy, M.RankingPrecision)


def planted(seed: int = 0, ties: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores with ties, and labels of which a fifth are unknown."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (S, N), generator=draw)
    scores = torch.randn(S, N, generator=draw) + labels
    unknown = torch.rand(S, N, generator=draw) < 0.2
    scores = (scores * 4).round() / 4 if ties else scores
    return scores, labels.masked_fill(unknown, -1).to(torch.int8)


def test_curves_are_scikit_learns_on_the_known_labels():
    scores, labels = planted()
    areas, precisions = F.class_curves(scores, labels)
    for place in range(N):
        known = labels[:, place] >= 0
        y, s = labels[known, place].numpy(), scores[known, place].numpy()
        assert areas[place].item() == pytest.approx(roc_auc_score(y, s), abs=1e-12)
        assert precisions[place].item() == pytest.approx(average_precision_score(y, s), abs=1e-12)


def test_macro_averages_are_torchmetrics():
    scores, labels = planted(1)
    metric = M.ClassCurves()
    for rows in torch.arange(S).split(32):
        metric.update(scores[rows], labels[rows])
    found = metric.compute()
    for name, theirs in (("auroc", MultilabelAUROC), ("mean_ap", MultilabelAveragePrecision)):
        expected = theirs(N, average="macro", ignore_index=-1)(scores.sigmoid(), labels.long())
        assert found[name].item() == pytest.approx(expected.item(), abs=1e-6)
    assert found["scored_classes"] == N


def test_classes_without_both_values_are_left_out_and_counted():
    scores, labels = planted(2)
    labels[:, 0], labels[:, 1], labels[:, 2] = 0, 1, -1
    metric = M.ClassCurves()
    metric.update(scores, labels)
    found = metric.compute()
    assert found["scored_classes"] == N - 3
    assert metric.per_class["auroc"].isnan().tolist() == [True] * 3 + [False] * 3
    assert metric.per_class["ap"].isnan().tolist() == [True] * 3 + [False] * 3
    alone = M.ClassCurves()
    alone.update(scores[:, 3:], labels[:, 3:])
    assert alone.compute()["mean_ap"] == found["mean_ap"]
    metric.reset()
    metric.update(scores, torch.zeros_like(labels))
    found = metric.compute()
    assert found["auroc"].isnan() and found["mean_ap"].isnan() and found["scored_classes"] == 0  # noqa: PT018


def test_ranking_precision_is_scikit_learns():
    scores, labels = planted(3)
    values = F.ranking_precision(scores, labels)
    for row in range(S):
        known = labels[row] >= 0
        y, s = labels[row, known].numpy()[None], scores[row, known].numpy()[None]
        if not y.any():
            assert values[row].isnan()
        else:
            assert values[row].item() == pytest.approx(label_ranking_average_precision_score(y, s), abs=1e-6)


def test_top_label_and_label_accuracy_by_hand():
    logits = torch.tensor([[3.0, 1.0, -1.0], [3.0, 1.0, -1.0], [-3.0, -1.0, -2.0], [1.0, 1.0, 1.0]])
    labels = torch.tensor([[1, 0, 1], [-1, 0, 1], [0, 0, 0], [-1, -1, -1]])
    torch.testing.assert_close(F.top_label(logits, labels), torch.tensor([1.0, 0.0, nan, nan]), equal_nan=True)
    # right: 1 of 3, none of 2, all 3
    expected = torch.tensor([1 / 3, 0.0, 1.0, nan])
    torch.testing.assert_close(F.label_accuracy(logits, labels), expected, equal_nan=True)


@pytest.mark.parametrize("kind", PER_SAMPLE)
def test_undefined_samples_are_counted_and_the_rest_averaged(kind):
    scores, labels = planted(4)
    labels[:10] = -1
    metric = kind()
    metric.update(scores, labels)
    assert metric.undefined >= 10
    assert metric.values.isnan().sum() == metric.undefined
    assert metric.compute().item() == pytest.approx(np.nanmean(metric.values.numpy()), abs=1e-6)


def two_are_one(rank: int, meet: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=2)
    scores, labels = planted(5)
    for kind in (*PER_SAMPLE, M.ClassCurves):
        together, alone = kind(), kind(sync_on_compute=False)
        rows = slice(0, 3) if rank == 0 else slice(3, S)
        together.update(scores[rows], labels[rows])
        alone.update(scores, labels)
        torch.testing.assert_close(together.compute(), alone.compute(), atol=1e-6, rtol=1e-6)


@pytest.mark.slow
def test_two_processes_are_one(tmp_path):
    in_processes(two_are_one, 2, str(tmp_path / "meet"))
