"""What alignment costs: time and memory of a training step, as ratios within one run, into docs/cost.md.

OMP_WAIT_POLICY=passive python -m benchmarks.training_cost

On two cores that have nothing else to do; threads that wait without spinning leave processor times that mean something.
"""

from __future__ import annotations

import logging
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import MetricCollection

from benchmarks.peak import peak
from haa.alignment import Alignment
from haa.attention import GradCAM, SelfAttention, Source
from haa.batch import Batch, Output
from haa.tasks.aligned_module import AlignedModule

PAGE = Path(__file__).parent.parent / "docs" / "cost.md"
THREADS, BATCH, SIZE, CLASSES = 2, 16, 224, 10
ROUNDS, STEPS = 5, 2


class Looking(nn.Module):
    """ResNet-18 whose pooling is an attention map, which it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = timm.create_model("resnet18", num_classes=CLASSES)
        self.gate = nn.Conv2d(512, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone.forward_features(image)
        attention = self.gate(features).flatten(1).softmax(1).view(-1, *features.shape[2:])
        return self.backbone.fc((features * attention[:, None]).sum((2, 3))), attention


class Vit(nn.Module):
    """ViT-tiny, which returns no map."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES)

    def forward(self, image: Tensor) -> tuple[Tensor, None]:
        return self.backbone(image), None


class Classification(AlignedModule):
    """A task of haa: its step, and nothing to measure."""

    def step(self, batch: Batch) -> Output:
        logits, attention = self.model(batch["image"])
        loss = F.cross_entropy(logits, batch["label"])  # type: ignore[typeddict-item]
        return Output(loss, logits.detach(), attention)

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        pass


def top(output: Any) -> Tensor:
    return output[0].amax(1)


# name: (model, weight, source); the first is the hand-written loop
RESNET: dict[str, tuple[type[nn.Module], float, Source | None]] = {
    "plain PyTorch loop": (Looking, 0.0, None),
    "haa, align_weight=0": (Looking, 0.0, None),
    "haa, native map": (Looking, 1.0, None),
    "haa, Grad-CAM, last stage": (Looking, 1.0, GradCAM("backbone.layer4", target=top)),
}
VIT: dict[str, tuple[type[nn.Module], float, Source | None]] = {
    "plain PyTorch loop": (Vit, 0.0, None),
    "haa, align_weight=0": (Vit, 0.0, SelfAttention()),
    "haa, self-attention, last block": (Vit, 1.0, SelfAttention()),
    "haa, Grad-CAM, last block": (Vit, 1.0, GradCAM("backbone.blocks.11.norm1", target=top)),
}
MODELS = {"ResNet-18": RESNET, "ViT-tiny": VIT}


def batches(count: int) -> list[dict[str, Any]]:
    rng = torch.Generator().manual_seed(0)
    return [
        {
            "image": torch.rand(BATCH, 3, SIZE, SIZE, generator=rng),
            "label": torch.randint(CLASSES, (BATCH,), generator=rng),
            "fixations": torch.rand(BATCH, 60, 2, generator=rng) * SIZE - 0.5,
            "id": [str(i) for i in range(BATCH)],
        }
        for _ in range(count)
    ]


def optimizer(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-4)


Taken = tuple[float, float]
"""Seconds by the clock, and of the processor."""


def now() -> Taken:
    return time.perf_counter(), time.process_time()


def since(began: Taken) -> Taken:
    return time.perf_counter() - began[0], time.process_time() - began[1]


class Plain:
    """The loop that one writes without a framework."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.optimizer = model.train(), optimizer(model.parameters())

    def round(self, steps: int) -> list[Taken]:
        taken = []
        for batch in batches(steps + 1):
            began = now()
            loss = F.cross_entropy(self.model(batch["image"])[0], batch["label"])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            taken.append(since(began))
        return taken[1:]


class Clock(pl.Callback):
    def __init__(self) -> None:
        self.taken: list[Taken] = []

    def on_train_batch_start(self, *args: Any) -> None:
        self.began = now()

    def on_train_batch_end(self, *args: Any) -> None:
        self.taken.append(since(self.began))


class Hosted:
    """The same within haa: a Trainer, a task, an alignment."""

    def __init__(self, model: nn.Module, weight: float, source: Source | None) -> None:
        self.module = Classification(model, Alignment(weight=weight), optimizer)
        self.module.watch(source)

    def round(self, steps: int) -> list[Taken]:
        clock = Clock()
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        trainer = pl.Trainer(max_epochs=1, accelerator="cpu", callbacks=[clock], **quiet)  # type: ignore[arg-type]
        trainer.fit(self.module, DataLoader(batches(steps + 1), batch_size=None))  # type: ignore[arg-type]
        return clock.taken[1:]


def build(model: str, variant: str) -> Plain | Hosted:
    torch.manual_seed(0)
    make, weight, source = MODELS[model][variant]
    return Plain(make()) if variant.startswith("plain") else Hosted(make(), weight, source)


def times(model: str) -> dict[str, list[Taken]]:
    """Median seconds per step of every round; the variants take turns, so that all meet the same machine."""
    made = {variant: build(model, variant) for variant in MODELS[model]}
    taken: dict[str, list[Taken]] = {variant: [] for variant in made}
    for turn in range(ROUNDS):
        for variant in list(made)[:: 1 if turn % 2 else -1]:
            taken[variant].append(tuple(statistics.median(x) for x in zip(*made[variant].round(STEPS), strict=True)))  # type: ignore[arg-type]
    return taken


def memory(model: str, variant: str) -> float:
    """By how many MB two steps raise a fresh process's peak memory."""
    command = [sys.executable, "-m", "benchmarks.training_cost", "memory", model, variant]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def table() -> str:
    rows = []
    for model, variants in MODELS.items():
        taken = times(model)
        used = {variant: memory(model, variant) for variant in variants}
        first, base = list(variants)[:2]

        def ratio(variant: str, to: str, taken: dict[str, list[Taken]] = taken) -> str:
            # round by round, so that what slows the machine down slows both
            clock, processor = (
                statistics.median(a[i] / b[i] for a, b in zip(taken[variant], taken[to], strict=True)) for i in (0, 1)
            )
            return f"{clock:.3f} ({processor:.3f})"

        for variant in variants:
            seconds = f"{1000 * statistics.median(clock for clock, _ in taken[variant]):.0f} ms"
            ratios = f"{ratio(variant, first)} | {ratio(variant, base)}"
            space = f"{used[variant]:.0f} MB | {used[variant] / used[base]:.2f}"
            rows.append(f"| {model}: {variant} | {seconds} | {ratios} | {space} |")
            print(rows[-1], flush=True)
    return "\n".join([HEAD, *rows])


HEAD = """| step | time | / plain loop | / align_weight=0 | peak memory | / align_weight=0 |
| --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(THREADS)
    if sys.argv[1:2] == ["memory"]:
        made = build(*sys.argv[2:4])
        before = peak()
        made.round(2)
        print(peak() - before)
        return
    found = table()
    marks = "<!-- table -->", "<!-- end -->"
    page = PAGE.read_text()
    above, below = page.split(marks[0])[0], page.split(marks[1])[1]
    PAGE.write_text(f"{above}{marks[0]}\n{found}\n{marks[1]}{below}")


if __name__ == "__main__":
    main()
