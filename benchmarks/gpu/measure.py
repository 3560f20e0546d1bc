"""Seconds, bandwidth, memory and waits of work on a device."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

Work = Callable[[], object]


def on(values: Any, device: torch.device, samples: int | None = None) -> Any:
    """Return tensors within on a device, and of them and of lists the first samples."""

    def moved(value: Any) -> Any:
        if isinstance(value, Tensor):
            value = value if value.ndim == 0 else value[:samples]
            return value.to(device)
        return value[:samples] if isinstance(value, list) else value

    return tree_map(moved, values, is_leaf=lambda value: isinstance(value, list))


def synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def once(work: Work, device: torch.device) -> float:
    """Return the seconds of one call: by the device's own clock on CUDA, else by the wall clock."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3
    synchronize(device)
    start_seconds = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start_seconds


def seconds(work: Work, device: torch.device, rounds: int = 9, budget: float = 1.0) -> float:
    """Return the median seconds of a call after two that warm up; of fewer calls where they take longer than that."""
    first = once(work, device)
    if first < budget:
        once(work, device)
    taken: list[float] = []
    while len(taken) < rounds and sum(taken) < budget:
        taken.append(once(work, device))
    return median(taken)


def in_turns(works: dict[str, Work], device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every call; the works take turns, so that all meet the same machine."""
    for work in works.values():
        for _ in range(3):
            work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds):
        for name in list(works)[:: 1 if turn % 2 else -1]:
            taken[name].append(once(works[name], device))
    return taken


def bandwidth(device: torch.device, size: int) -> float:
    """Return the bytes a second of a copy within the device's memory, what is read and what is written."""
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / seconds(lambda: target.copy_(source), device, rounds=21)


def read_bytes(values: Any) -> int:
    """Return the bytes of the maps within: the least that has to be read."""
    return sum(x.nbytes for x in tree_leaves(values) if isinstance(x, Tensor) and x.ndim >= 3 and x.shape[-1] > 2)


def waits(work: Work, device: torch.device) -> int | None:
    """Return how often the host waits for the device within a call; None where the device cannot tell."""
    if device.type != "cuda":
        return None
    work()  # what is done once, such as choosing kernels, may wait
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(warning.message) for warning in caught)


def peak(work: Work, device: torch.device) -> int | None:
    """Return by how many bytes a call raises the memory that is in use at most; None where the device cannot tell."""
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def difference(found: Any, expected: Any) -> float:
    """Return the greatest difference of two structures, each tensor's relative to the greatest it should hold.

    Infinite where the structures or what is undefined in them differ.
    """
    pairs = tree_leaves(found), tree_leaves(expected)
    if len(pairs[0]) != len(pairs[1]):
        return float("inf")
    worst = 0.0
    for one, other in zip(*pairs, strict=True):
        if isinstance(one, Tensor) is not isinstance(other, Tensor):
            return float("inf")
        if not isinstance(other, Tensor):
            worst = worst if one == other else float("inf")
            continue
        one, other = one.detach().double().cpu(), other.detach().double().cpu()
        if one.shape != other.shape or not torch.equal(one.isnan(), other.isnan()):
            return float("inf")
        one, other = one.nan_to_num(), other.nan_to_num()
        if other.numel():
            scale = other.abs().max().clamp_min(1e-12)
            worst = max(worst, ((one - other).abs().max() / scale).item())
    return worst
