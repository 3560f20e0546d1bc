"""Training steps on a device: six tasks with and without alignment, attention sources, bf16 and torch.compile."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from benchmarks import token_attention
from benchmarks.gpu.cases import LOSSES, Pictures, loss_arguments
from benchmarks.gpu.measure import in_turns, on, peak, waits
from haa import build
from haa.batch import ready
from haa.cli.overrides import conf, modern, open_signatures
from haa.tasks.aligned_module import AlignedModule

TASKS = ("saliency", "sos", "finegrained", "vqa", "captioning", "action")
BASE, ALIGNED = "align_weight=0", "align_weight=0.5"
Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        batch: Pictures of a batch; of clips a quarter.
        side: Height and width of the pictures.
        backbone: Of all tasks but that of clips.
        rounds: Steps that are measured.
        patches: Patches along a side of the picture that a vision-language model reads.
    """

    batch: int = 32
    side: int = 224
    backbone: str = "resnet18"
    rounds: int = 15
    patches: int = token_attention.SIDE


QUICK = Sizes(4, 64, "tiny", 2, 2)


class Step:
    """A training step, as Lightning takes it."""

    def __init__(self, words: tuple[str, ...], device: torch.device, half: bool = False, compiled: str = "") -> None:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(conf()), version_base="1.3"):
            words = (*words, "output_dir=.", "cache=null", "data.val=2", "data.test=2")
            cfg = build.checked(compose("train", open_signatures("train", modern(list(words)))))
        torch.manual_seed(0)
        data = build.datamodule(cfg)
        self.module: AlignedModule = build.module(
            cfg, build.task_class(cfg).build_vocabularies(data.dataset("train"))
        ).to(device)
        self.module.log = self.module.log_dict = lambda *args, **kwargs: None  # type: ignore[assignment, method-assign]
        self.batch = ready(next(iter(data.train_dataloader())), device)
        self.half, self.device = half, device
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=1e-4)
        self()  # finds where the cells of maps lie, once
        if compiled:
            self.module.model.compile(backend=compiled)

    def __call__(self) -> None:
        context: AbstractContextManager[Any] = nullcontext()
        if self.half:
            context = torch.autocast(self.device.type, torch.bfloat16)
        with context:
            loss = self.module.training_step(self.batch, 0)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def tasks(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Yield the rows of the six tasks."""
    for task in TASKS:
        words = of_task(task, sizes)
        for half in (False, True):
            steps = {weight: Step((*words, weight), device, half) for weight in (BASE, ALIGNED)}
            yield from rows(f"{task}, {'bf16' if half else 'float32'}", steps, device, sizes)
            del steps


def sources(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Yield the rows of the attention sources, beside the same model without alignment."""
    cnn = of_task("finegrained", sizes)
    steps = {BASE: Step((*cnn, BASE), device)}
    steps |= {
        name: Step((*cnn, ALIGNED, f"attention={name}", *more), device)
        for name, more in {"gradcam": [], "feature_norm": ["attention.layer=backbone"], "input_gradient": []}.items()
    }
    yield from rows(f"finegrained, {sizes.backbone}", steps, device, sizes)
    if sizes.side == 224:
        vit = ("task=finegrained", "model=class_token", "backbone=vit_tiny", *of_data(sizes.batch, sizes.side))
        steps = {BASE: Step((*vit, BASE), device)}
        steps |= {name: Step((*vit, ALIGNED, f"attention={name}"), device) for name in ("self_attention", "rollout")}
        yield from rows("finegrained, ViT-Tiny", steps, device, sizes)
    try:
        import transformers  # noqa: F401
    except ImportError:
        yield {"name": "token attention: transformers is not installed", "missing": True}
        return
    model = token_attention.build("fused", sizes.patches).to(device)
    given = on(token_attention.batch(sizes.patches), device)
    works: dict[str, Callable[[], None]] = {
        name: lambda name=name: token_attention.step(model, name, given) for name in ("fused", "fused, TokenAttention")
    }
    yield from rows("vision-language model", works, device, sizes)


def compiled(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Yield the rows of a model that torch.compile compiles, without alignment and with its own map aligned."""
    backend = "inductor" if device.type == "cuda" or (sizes != QUICK and shutil.which("g++")) else "aot_eager"
    words = of_task("finegrained", sizes)
    for weight in (BASE, ALIGNED):
        steps = {"eager": Step((*words, weight), device), backend: Step((*words, weight), device, compiled=backend)}
        yield from rows(f"finegrained, {weight}", steps, device, sizes)
    pictures = Pictures(sizes.batch, 28, 28)
    for name in ("kl_divergence", "Weighted"):
        loss, given = LOSSES[name], on(loss_arguments(LOSSES[name], pictures), device)
        given[0].requires_grad_()
        works: dict[str, Callable[[], object]] = {
            kind: lambda call=call, given=given: torch.autograd.grad(call(*given).sum(), given[0])
            for kind, call in {"eager": loss, backend: torch.compile(loss, backend=backend)}.items()
        }
        yield from rows(f"loss {name}", works, device, sizes)


def of_task(task: str, sizes: Sizes) -> tuple[str, ...]:
    if task == "action":
        return ("task=action", *of_data(max(2, sizes.batch // 4), sizes.side))
    stages = ["backbone.stages=[1,2,3,4]"] if task == "sos" and sizes.backbone != "tiny" else []
    backbone = "tiny_stages" if task == "sos" and sizes.backbone == "tiny" else sizes.backbone
    return (f"task={task}", f"backbone={backbone}", *stages, *of_data(sizes.batch, sizes.side))


def of_data(batch: int, side: int) -> tuple[str, ...]:
    return f"data.train={batch}", f"data.size={side}", f"loader.batch_size={batch}", "loader.num_workers=0"


def rows(name: str, steps: dict[str, Any], device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Yield a row for each step, beside the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        taken = in_turns(steps, device, sizes.rounds)
    first = next(iter(taken.values()))
    for step, work in steps.items():
        yield {
            "name": f"{name}: {step}",
            "seconds": median(taken[step]),
            "ratio": median(a / b for a, b in zip(taken[step], first, strict=True)),
            "waits": waits(work, device),
            "peak": peak(work, device),
        }
