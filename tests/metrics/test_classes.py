"""What the classes add to the functions: state, counts, synchronisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tests.processes import in_processes
from torchmetrics import Metric, MetricCollection

import haa.metrics as M
from haa.errors import InputError
from haa.gaze import Gaze
from haa.metrics import functional as F

nan = math.nan
POINTS = (M.NSS, M.AUCJudd, M.AUCUniform, M.AUCBorji, M.LogLikelihood)
MAPS = (M.CC, M.Similarity, M.KLDivergence, M.KLDivergenceMIT, M.Spearman, M.PointingGame, M.TopKIoU)
OBJECTS = (M.SalientObjects, M.SMeasure, M.FMax, M.FWeighted, M.MAE, M.Dice, M.IoU)


def arguments(metric: type[Metric], device: str = "cpu", h: int = 12, w: int = 17) -> tuple[torch.Tensor, ...]:
    p, d = torch.rand(3, h, w, device=device), torch.rand(3, h, w, device=device)
    f = torch.rand(3, 5, 2, device=device) * 10
    if metric is M.InformationGain:
        return p, d, f
    if metric in POINTS:
        return p, f
    return (p, d > 0.5) if metric in (*OBJECTS, M.PointingGame) else (p, d)


def test_undefined_samples_are_counted_and_never_averaged():
    p = torch.rand(3, 4, 6)
    f = torch.tensor([[[1.0, 1.0], [2.0, 2.0]], [[nan, nan], [nan, nan]], [[5.0, 3.0], [-9.0, 0.0]]])
    metric = M.NSS()
    metric.update(p, f)
    assert (metric.count.item(), metric.undefined.item(), metric.outside.item()) == (2, 1, 1)
    assert metric.values.isnan().tolist() == [False, True, False]
    assert metric.compute().item() == pytest.approx(F.nss(p, f)[[0, 2]].mean().item(), abs=1e-6)
    metric.reset()
    assert metric.values is None
    assert metric.undefined.item() == 0
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert metric.compute().isnan()


@pytest.mark.parametrize("metric", [M.NSS, M.SalientObjects, M.SMeasure, M.FMax])
def test_values_have_the_form_of_the_score_and_are_none_before_update_and_after_reset(metric):
    instance = metric()
    assert instance.values_after == "update"
    assert instance.values is None
    instance.update(*arguments(metric))
    score, values = instance.compute(), instance.values
    if isinstance(score, dict):
        assert score.keys() == values.keys()
        score, values = score["mae"], values["mae"]
    assert values.shape == (3,)
    if metric is not M.FMax:  # whose score is the maximum of a mean
        torch.testing.assert_close(values.mean().float(), score)
    instance.reset()
    assert instance.values is None


def test_a_device_without_float64_gets_a_float32_sum():
    metric, like = M.NSS(), []
    metric.update(*arguments(M.NSS))
    score = metric.compute()

    def move(tensor: torch.Tensor) -> torch.Tensor | SimpleNamespace:
        like.append(tensor)  # the first call asks where the tensors go
        return SimpleNamespace(device=torch.device("mps")) if len(like) == 1 else tensor

    metric._apply(move)
    assert metric.sum.dtype == torch.float32
    assert all(tensor.dtype != torch.float64 for tensor in like)
    torch.testing.assert_close(metric.compute(), score)
    metric.reset()
    assert (metric.sum.dtype, metric.sum.item()) == (torch.float32, 0)


def test_a_collection_does_not_merge_metrics_whose_first_batch_was_undefined():
    both = MetricCollection({"nss": M.NSS(), "auc": M.AUCJudd()})
    p, f = torch.rand(2, 4, 6), torch.tensor([[[1.0, 1.0]], [[4.0, 2.0]]])
    both.update(p, torch.full_like(f, nan))
    both.update(p, f)
    values = both.compute()
    assert values["nss"].item() == pytest.approx(F.nss(p, f).mean().item(), abs=1e-6)
    assert values["auc"].item() == pytest.approx(F.auc_judd(p, f).mean().item(), abs=1e-6)


@pytest.mark.parametrize("metric", [*POINTS, *MAPS, *OBJECTS, M.InformationGain])
def test_batches_sum_up_in_constant_space(metric):
    whole, parts = metric(), metric()
    given = arguments(metric)
    whole.update(*given)
    for i in range(3):
        parts.update(*(x[i : i + 1] for x in given))
    size = sum(getattr(parts, name).numel() for name in parts._defaults)
    assert size == sum(default.numel() for default in parts._defaults.values())
    torch.testing.assert_close(parts.compute(), whole.compute(), atol=1e-6, rtol=1e-6)
    assert parts.bounds[0] <= parts.bounds[1]


def test_shuffled_auc_takes_the_other_images_fixations():
    generator = torch.Generator().manual_seed(0)
    sizes = [(10, 20), (30, 20), (10, 20), (8, 8)]
    gaze = [
        (name, Gaze(torch.rand(6, 2, generator=generator) * torch.tensor([w - 1.0, h - 1.0]), (h, w)))
        for name, (h, w) in zip("abcd", sizes, strict=True)
    ]
    metric = M.AUCShuffled(gaze)
    for name, each in gaze:
        p = torch.rand(1, *each.size, generator=generator)
        others = torch.cat([other.resized(each.size).points for key, other in gaze if key != name])
        metric.update(p, each.points[None], [name])
        torch.testing.assert_close(metric.values, F.auc_shuffled(p, each.points[None], others))
    metric.update(p, gaze[0][1].points[None], ["unknown"])  # a picture that was not collected: all are others
    everything = torch.cat([other.resized((8, 8)).points for _, other in gaze])
    torch.testing.assert_close(metric.values, F.auc_shuffled(p, gaze[0][1].points[None], everything))
    with pytest.raises(InputError, match="collected before"):
        metric.collect(gaze[:1])
    with pytest.raises(InputError, match="call collect"):
        M.AUCShuffled().update(p, gaze[0][1].points[None], ["a"])
    with pytest.raises(InputError, match="2 stimulus names"):
        metric.update(p, gaze[0][1].points[None], ["a", "b"])


def two_are_one(rank: int, meet: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=2)
    g = torch.Generator().manual_seed(0)
    p, d, f = torch.rand(5, 9, 7, generator=g), torch.rand(5, 9, 7, generator=g), torch.rand(5, 3, 2, generator=g) * 9
    f[1] = nan
    said = ["a dog runs", "two cats", "red é", "a b c", "the end"]
    meant = [["a dog is running"], ["cats", "two cats"], ["a dog is running"], ["cats", "two cats"], ["end"]]
    types = ["x", "y", "x", "z", "y"]

    def scores(rows: Sequence[int], **options: bool) -> list[Any]:
        metrics = [
            M.NSS(**options),
            M.KLDivergence(**options),
            M.SalientObjects(**options),
            M.CaptionScores(**options),
            M.VQAAccuracyByType(**options),
        ]
        inputs = [(p, f), (p, d), (p, d > 0.5), (said, meant), (said, meant, types)]
        for metric, given in zip(metrics, inputs, strict=True):
            for i in rows:
                metric.update(*(x[i : i + 1] for x in given))
        return [metric.compute() for metric in metrics]

    together, alone = scores([0] if rank == 0 else [1, 2, 3, 4]), scores(range(5), sync_on_compute=False)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)


@pytest.mark.slow
def test_two_processes_are_one(tmp_path):
    in_processes(two_are_one, 2, str(tmp_path / "meet"))
