"""Gaze keeps its digits and is computed in float32, whatever the precision of the model, the batch or the autocast."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

import haa
from haa.alignment import Alignment
from haa.alignment.callback import AlignmentCallback
from haa.attention import FeatureNorm
from haa.batch import human_maps
from haa.gaze import counts, density, resize, valid
from haa.metrics import CC, NSS
from haa.metrics.mean_loss import MeanLoss

POINTS = torch.rand(8, 20, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1024.0, 512.0])
ROWS = [{"image": torch.rand(3, 512, 1024), "fixations": points, "label": k % 2} for k, points in enumerate(POINTS)]
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


class Module(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv2d(3, 4, 3, stride=16, padding=1)
        self.net = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        self.seen: list[dict] = []

    def training_step(self, batch, _):
        batch = batch[0] if isinstance(batch, list | tuple) else batch
        self.seen.append(batch)
        return nn.functional.cross_entropy(self.net(batch["image"]), batch["label"])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)


def fit(precision, rows, named=None):
    torch.manual_seed(1)
    module = Module()
    callback = AlignmentCallback(FeatureNorm("0"), Alignment(weight=0.5), batch=named)
    trainer = pl.Trainer(max_epochs=1, precision=precision, accelerator="cpu", callbacks=[callback], **QUIET)
    trainer.fit(module, DataLoader(rows, batch_size=8))
    return module.seen[0], float(trainer.callback_metrics["train/align_loss"]), trainer


@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "bf16-mixed"])
def test_a_plugin_leaves_gaze_as_it_is(precision):
    _, expected, _ = fit("32-true", ROWS)
    batch, found, trainer = fit(precision, ROWS)
    assert torch.equal(batch["fixations"], POINTS)
    if precision.endswith("true"):
        assert batch["image"].dtype in (torch.float16, torch.bfloat16)
    assert found == pytest.approx(expected, rel=5e-3)
    assert "convert_input" not in vars(trainer.precision_plugin)


def test_gaze_under_other_names_and_deeper_in_a_batch_too():
    renamed = [({"image": row["image"], "gaze": {"xy": row["fixations"]}, "label": row["label"]}, 0) for row in ROWS]
    batch, _, _ = fit(
        "bf16-true", renamed, lambda batch: {"image": batch[0]["image"], "fixations": batch[0]["gaze"]["xy"]}
    )
    assert torch.equal(batch["gaze"]["xy"], POINTS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_arithmetic_is_that_of_float32(dtype):
    cast = POINTS.to(dtype)
    for function in (
        lambda points: density(points, (512, 1024), 20.0),
        lambda points: density(points, (512, 1024), 20.0, grid=(16, 32)),
        lambda points: density(points.repeat(1, 40, 1), (512, 1024), 20.0, grid=(16, 32)),
        lambda points: resize(points, (512, 1024), (500, 1000)),
        lambda points: counts(points, (512, 1024)),
        lambda points: valid(points, (512, 1024)),
    ):
        with torch.autocast("cpu", torch.bfloat16):
            found = function(cast)
        assert torch.equal(found, function(cast.float()))


def test_a_published_map_in_half_precision():
    published = density(POINTS, (512, 1024), 20.0)
    batch = {"image": torch.zeros(8, 3, 512, 1024, dtype=torch.bfloat16), "density": published.bfloat16()}
    maps, _ = human_maps(batch, (16, 32), 0.03)
    assert maps.dtype == torch.float32
    maps, _ = human_maps({"image": batch["image"]}, (16, 32), 0.03)
    assert maps.dtype == torch.float32


def test_ones_own_loop_is_told():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=16, padding=1), nn.ReLU()).bfloat16()
    aligned = haa.align(model, FeatureNorm("0"), weight=0.5)
    image = torch.rand(8, 3, 512, 1024).bfloat16()
    model(image)
    with pytest.warns(UserWarning, match="fixations come in bfloat16"):
        aligned(torch.zeros(()), {"image": image, "fixations": POINTS.bfloat16()})


def test_metrics_add_up_in_their_own_type():
    torch.manual_seed(0)
    prediction = torch.rand(8, 32, 64)
    points = POINTS / 16
    metrics = [NSS(), CC(), MeanLoss()]
    expected = []
    for half in (False, True):
        module = nn.ModuleList(metrics)
        if half:
            module.half()
        for metric, given in zip(
            metrics, ((prediction, points), (prediction, prediction.square()), (torch.tensor(2.1), 3)), strict=True
        ):
            metric.reset()
            for _ in range(30):
                metric.update(*given)
        expected.append([metric.compute().item() for metric in metrics])
    assert expected[0] == expected[1]


def test_it_compiles_in_one_graph():
    compiled = torch.compile(
        lambda points: density(points, (64, 64), 3.0, grid=(8, 8)), fullgraph=True, backend="eager"
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(compiled(POINTS / 16), density(POINTS / 16, (64, 64), 3.0, grid=(8, 8)))
