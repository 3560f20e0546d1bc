"""Metrics and losses on a device: seconds beside the processor's and beside one read of memory, waits, and values."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.cases import CASES, LOSSES, Pictures, loss_arguments
from benchmarks.gpu.measure import bandwidth, difference, on, peak, read_bytes, seconds, waits
from haa import gaze
from haa.metrics.functional.eager import eager_cpu

CPU = torch.device("cpu")
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        batch: Pictures of a batch.
        h: Height of the maps.
        w: Width of the maps.
        copied: Bytes that are copied to see how fast memory is.
        budget: Seconds for the calls of one work.
    """

    batch: int = 64
    h: int = 480
    w: int = 640
    copied: int = 2**29
    budget: float = 1.0


QUICK = Sizes(4, 60, 80, 2**24, 0.05)
GRID = (28, 28)
"""Cells of the maps that losses compare."""

Row = dict[str, Any]


def metrics(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Yield a row for every metric that reads tensors: its update."""
    pictures, speed = Pictures(sizes.batch, sizes.h, sizes.w), bandwidth(device, sizes.copied)
    yield {"name": "copy", "bytes a second": speed}
    for name, case in CASES.items():
        if not case.timed or case.like:
            continue
        few = min(case.batch, sizes.batch)
        given = on(case.given(pictures), CPU, few)
        there = on(case.given(pictures), device, few if case.waits else None)
        here, metric = case.make(), case.make().to(device)
        batch = few if case.waits else sizes.batch

        def update(metric: Any = metric, there: Any = there) -> None:
            metric.update(*there)

        def alone(metric: Any = here, given: Any = given) -> None:
            metric.update(*given)

        taken = seconds(update, device, budget=sizes.budget)
        yield {
            "name": name,
            "batch": batch,
            "seconds": taken,
            "seconds on the processor": seconds(alone, CPU, rounds=5, budget=sizes.budget) * batch / few,
            "seconds of one read": read_bytes(there) / speed,
            "waits": waits(update, device),
            "may wait": case.waits,
            "peak": peak(update, device),
        }


def loss_rows(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Yield a row for every loss: values and gradient."""
    pictures = Pictures(sizes.batch, *GRID)
    for name, loss in LOSSES.items():
        works = []
        for place in (device, CPU):
            attention, *human = on(loss_arguments(loss, pictures), place)
            attention.requires_grad_()

            def step(attention: Tensor = attention, human: list[Tensor] = human, loss: Any = loss) -> None:
                torch.autograd.grad(loss(attention, *human).sum(), attention)

            works.append(step)
        yield {
            "name": name,
            "batch": sizes.batch,
            "seconds": seconds(works[0], device, budget=sizes.budget),
            "seconds on the processor": seconds(works[1], CPU, rounds=5, budget=sizes.budget),
            "waits": waits(works[0], device),
            "peak": peak(works[0], device),
        }


@contextmanager
def as_elsewhere() -> Iterator[None]:
    """Take no shortcut that only the processor has (`haa.metrics.functional.eager`)."""
    parts = [
        part for name, part in sys.modules.items() if name.startswith("haa.metrics.") and hasattr(part, "eager_cpu")
    ]
    for part in parts:
        part.eager_cpu = lambda *tensors: False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for part in parts:
            part.eager_cpu = eager_cpu  # type: ignore[attr-defined]


def correctness(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Yield the difference of every metric, loss and density from the processor's, relative to the greatest value."""
    pictures = Pictures(min(sizes.batch, 8), sizes.h, sizes.w)
    for name, case in CASES.items():
        few = min(case.batch, 8)
        found = []
        for place, general in ((device, True), (CPU, False)):
            metric = case.make().to(place)
            with as_elsewhere() if general else nullcontext():
                metric.update(*on(case.given(pictures), place, few))
            found.append([metric.compute(), getattr(metric, "values", None)])
        yield {"name": name, "kind": "metric", "difference": difference(*found)}
    pictures = Pictures(8, *GRID)
    for name, loss in LOSSES.items():
        found = []
        for place in (device, CPU):
            attention, *human = on(loss_arguments(loss, pictures), place)
            attention.requires_grad_()
            values = loss(attention, *human)
            found.append([values, *torch.autograd.grad(values.sum(), attention)])
        yield {"name": name, "kind": "loss and gradient", "difference": difference(*found)}
    many = torch.rand(2, 7000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([sizes.w, sizes.h])
    many = many.floor()  # as a mouse has them: a few hundred distinct numbers, for which the processor has a table
    for points in (many[:, :60], many):
        for grid in (None, (14, 14)):
            # points with a gradient take no shortcut
            places = points.to(device).requires_grad_(), points
            maps = [gaze.density(x, (sizes.h, sizes.w), 0.03 * sizes.w, grid) for x in places]
            name = f"{points.shape[1]} points {'at the pixels' if grid is None else 'in 14 x 14 cells'}"
            yield {"name": name, "kind": "density", "difference": difference(*maps)}
