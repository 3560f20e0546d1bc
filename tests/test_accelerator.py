"""No metric's update, no loss and no training step waits for the accelerator, and what is to be one graph is one.

Everything public is found by name: what is new and has no case here fails.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import timm
import torch
from benchmarks.gpu.cases import CASES, LOSSES, Pictures, loss_arguments
from hydra import compose, initialize_config_dir
from tests.accelerator import DEVICE, HostWaits, nobody_waits, without_autocast
from tests.attention.cross import Cross
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torchmetrics import Metric

import haa.attention as A
import haa.metrics as M
from haa import build, gaze, losses
from haa.alignment import Alignment
from haa.alignment.loop import align
from haa.alignment.schedule import GradientNorm, constant, linear_warmup
from haa.batch import ready
from haa.cli.overrides import conf, modern, open_signatures
from haa.data.loading.datamodule import DataModule
from haa.geometry import gaussians
from haa.geometry.extent import Extent
from haa.losses import asks_for
from haa.tasks.aligned_module import AlignedModule

TASKS = ("action", "captioning", "finegrained", "saliency", "sos", "vqa")
WRITE = ("captioning", "vqa")
"""Tasks that evaluate texts, which are read on the host."""
WHERE = Extent(-0.1, -0.1, 0.9, 0.9)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> str:
    without_autocast(monkeypatch)
    return DEVICE


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return Pictures(4, 24, 33, points=5)


def on(device: str, values: Any) -> Any:
    return tree_map_only(Tensor, lambda x: x.to(device), values)


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: x.cpu(),
        lambda x: x.tolist(),
        lambda x: torch.tensor([1.0, 2.0], device=x.device),
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: x[:, [0, 1]],
        lambda x: x[torch.tensor([0, 1])],
        lambda x: x + torch.ones(3),
    ],
)
def test_what_waits_is_noticed(wait):
    x = torch.rand(3, 3, device=DEVICE)
    with nobody_waits(), pytest.raises((HostWaits, RuntimeError, NotImplementedError)):
        wait(x)


def test_what_does_not_wait_is_let_pass():
    x = torch.rand(3, 3, device=DEVICE)
    with nobody_waits():
        torch.where(x > 0, x, 0.0) + x[:2].sum() * torch.tensor(2.0) + x.new_full((), 3.0)
        torch.tensor([1.0, 2.0]).to(DEVICE, non_blocking=True)
        x[0] = 1.0


def test_every_metric_has_a_case():
    public = {name for name in M.__all__ if inspect.isclass(getattr(M, name))}
    assert public | {"MeanLoss"} == set(CASES)


def test_every_loss_has_a_case():
    assert set(losses.__all__) - {"asks_for"} == set(LOSSES)


@pytest.mark.parametrize("name", CASES)
def test_update_waits_for_nobody(name, device, pictures):
    case = CASES[name]
    metric, given = case.make(), case.given(pictures)
    metric, given = metric.to(device), on(device, given)
    if case.waits:
        with pytest.raises((HostWaits, NotImplementedError)), nobody_waits():
            metric.update(*given)
        return
    with nobody_waits():
        metric.update(*given)
    values = getattr(metric, "values", None)
    for value in values.values() if isinstance(values, dict) else [values]:
        assert value is None or (value.device.type, value.shape) == (device, (4,))
    for state in metric._defaults:
        kept = getattr(metric, state)
        assert all(each.device.type == device for each in (kept if isinstance(kept, list) else [kept]))


@pytest.mark.parametrize("kind", ["uint8", "bool"])
def test_pictures_of_whole_numbers_wait_for_nobody_either(kind, device, pictures):
    levels, mask = (pictures.prediction * 255).to(torch.uint8), pictures.mask.to(torch.uint8) * 255
    for name in ("SalientObjects", "Dice", "IoU"):
        metric, given = CASES[name].make().to(device), on(device, (levels, mask if kind == "uint8" else mask > 0))
        with nobody_waits():
            metric.update(*given)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.compiles and not case.like])
def test_update_is_one_graph(name, pictures):
    case = CASES[name]
    given = case.given(pictures)
    once, metric = case.make(), case.make()
    once.update(*given)
    torch._dynamo.reset()
    raw = type(metric).update

    def update(*given: Tensor) -> dict[str, Tensor]:
        raw(metric, *given)
        return states(metric)

    found = torch.compile(update, fullgraph=True, backend="eager")(*given)
    torch.testing.assert_close(found, states(once), equal_nan=True, atol=1e-5, rtol=1e-5)


def states(metric: Metric) -> dict[str, Tensor]:
    return {name: getattr(metric, name) for name in metric._defaults}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_gradient_wait_for_nobody(name, device, pictures):
    attention, *human = on(device, loss_arguments(LOSSES[name], pictures))
    attention.requires_grad_()
    with nobody_waits():
        values = LOSSES[name](attention, *human)
        values.sum().backward()
    assert (values.device.type, values.shape, attention.grad.device.type) == (device, (4,), device)


def test_a_baseline_on_the_host_is_brought_to_the_device(device, pictures):
    attention, points = on(device, loss_arguments(losses.information_gain, pictures))
    with nobody_waits():
        assert losses.information_gain(attention, points, torch.rand(5, 7)).device.type == device


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_one_graph(name, pictures):
    torch.compiler.reset()
    given = loss_arguments(LOSSES[name], pictures)
    compiled = torch.compile(lambda *x: LOSSES[name](*x), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*given), LOSSES[name](*given))


POINTS: dict[str, Callable[[Tensor], Tensor]] = {
    "density": lambda points: gaze.density(points, (24, 33), 3.0),
    "density on a grid": lambda points: gaze.density(points, (24, 33), 3.0, (4, 5), extent=WHERE),
    "weighted density": lambda points: gaze.density(points, (24, 33), 3.0, weights=points[..., 0].abs()),
    "counts": lambda points: gaze.counts(points, (24, 33)),
    "valid": lambda points: gaze.valid(points, (24, 33)),
    "resize": lambda points: gaze.resize(points, (24, 33), (48, 66)),
}
MANY = gaussians.MANY + 10


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("number", [5, MANY])
def test_points_become_maps_on_the_device(name, number, device):
    points = torch.rand(2, number, 2) * 20
    there = points.to(device)
    with nobody_waits():
        assert POINTS[name](there).device.type == device
    torch.compiler.reset()
    compiled = torch.compile(POINTS[name], fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(points), POINTS[name](points), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("schedule", [constant, linear_warmup, GradientNorm()], ids=["constant", "warm-up", "norm"])
@pytest.mark.parametrize("loss", [losses.kl_divergence, LOSSES["Weighted"]], ids=["of maps", "of maps and points"])
@pytest.mark.parametrize("published", [False, True])
def test_alignment_waits_for_nobody(loss, schedule, published, device, pictures):
    if published and "fixations" in asks_for(loss):
        return
    seen = {"density": pictures.density} if published else {"fixations": pictures.fixations}
    batch = on(
        device, {"image": torch.rand(4, 3, 24, 33), "has_human": torch.tensor([True, False, True, True]), **seen}
    )
    alignment = Alignment(loss, weight=0.5, schedule=schedule)
    weights = nn.Parameter(torch.rand(4, 7, 7, device=device))
    with nobody_waits():
        for extent in (Extent(), WHERE):
            task_loss = weights.square().sum()
            total, log = alignment.join(task_loss, weights.softmax(1), batch, 0.5, [("weights", weights)], extent)
            total.backward()
    assert {value.device.type for value in (total, weights.grad, *log.values())} == {device}


def vit() -> nn.Module:
    small = {"img_size": (32, 48), "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 4}
    return timm.models.VisionTransformer(**small)


def cnn() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))


SOURCES: dict[str, tuple[Callable[[], nn.Module], Callable[[], A.Source]]] = {
    "SelfAttention": (vit, lambda: A.SelfAttention(heads=[0])),
    "Rollout": (vit, lambda: A.Rollout(query="mean")),
    "CrossAttention": (Cross, lambda: A.CrossAttention("decoder.multihead_attn")),
    "FeatureNorm": (cnn, lambda: A.FeatureNorm("0")),
    "GradCAM": (cnn, lambda: A.GradCAM("0")),
    "InputGradient": (cnn, A.InputGradient),
    "GradientTimesInput": (cnn, A.GradientTimesInput),
}
VALUES = {"TokenAttention"}
"""Which tokens are an image's is told by their ids, whose values are read on the host."""


def test_every_source_has_a_case():
    kinds = [getattr(A, name) for name in A.__all__ if inspect.isclass(getattr(A, name))]
    concrete = {kind.__name__ for kind in kinds if issubclass(kind, A.Source) and not inspect.isabstract(kind)}
    assert concrete == set(SOURCES) | VALUES


@pytest.mark.parametrize("name", SOURCES)
def test_an_aligned_step_waits_for_nobody(name, device, pictures):
    make, source = SOURCES[name]
    model, batch = make(), {"image": torch.rand(2, 3, 32, 48), "fixations": torch.rand(2, 5, 2) * 30}
    with align(model, source(), weight=0.5) as aligned:
        aligned(model(batch["image"]).sum(), batch)  # the first pass finds where the cells of the map lie
        model, batch = model.to(device), on(device, batch)
        with nobody_waits():
            aligned(model(batch["image"]).sum(), batch).backward()
    assert all(p.grad is not None and p.grad.device.type == device for p in model.parameters())


@pytest.fixture(scope="module")
def settings() -> Iterator[Callable[..., Any]]:
    with initialize_config_dir(str(conf()), version_base="1.3"):
        yield lambda *words: build.checked(
            compose("train", open_signatures("train", modern([*words, "output_dir=.", "cache=null"])))
        )


def small(settings: Callable[..., Any], task: str) -> tuple[AlignedModule, DataModule]:
    cfg = settings(f"task={task}", "align_weight=0.5", "data.train=8", "data.val=2", "data.test=2")
    data = build.datamodule(cfg)
    module = build.module(cfg, build.task_class(cfg).build_vocabularies(data.dataset("train")))
    module.log = module.log_dict = lambda *args, **kwargs: None  # without a Trainer there is nowhere to log to
    return module, data


@pytest.mark.parametrize("task", TASKS)
def test_a_training_step_waits_for_nobody(task, device, settings):
    module, data = small(settings, task)
    batch = next(iter(data.train_dataloader()))
    module.training_step(ready(batch, torch.device("cpu")), 0)  # finds where the cells of the map lie
    module = module.to(device)
    batch = ready(batch, torch.device(device))
    with nobody_waits():
        module.training_step(batch, 0).backward()


@pytest.mark.parametrize("task", [task for task in TASKS if task not in WRITE])
def test_a_validation_step_waits_for_nobody(task, device, settings):
    module, data = small(settings, task)
    batch = next(iter(data.val_dataloader()))
    module.eval()
    with torch.no_grad():
        module.validation_step(ready(batch, torch.device("cpu")), 0)
        for scores in module.scores["val"].values():
            scores.reset()
        module = module.to(device)
        batch = on(device, ready(batch, torch.device(device)))
        with nobody_waits():
            module.validation_step(batch, 0)
