"""Samples worked on by all cores, in order, with a progress bar; the numbers are those of one core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset

from haa.printing.progress import progress

T = TypeVar("T")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worked(work: Dataset[T], num_workers: int | None = None) -> Iterator[T]:
    """Yield what a data set gives, item by item in order, computed by several processes of one thread each.

    Sums in floating point depend on how they are divided among threads. One thread each makes the values the same
    on any number of cores.

    Args:
        work: What is computed: each item is one sample's work.
        num_workers: Number of processes; None is one for each core where there is enough to do, 0 is this process.
    """
    total = len(work)  # type: ignore[arg-type]
    if num_workers is None:
        num_workers = 0 if cores() == 1 or total < 4 * cores() else cores()
    loader: DataLoader[Any] = DataLoader(
        work, batch_size=1, collate_fn=list, num_workers=num_workers, worker_init_fn=_alone
    )
    with one_thread(), progress() as bar:
        task = bar.add_task("scoring", total=total)
        for part in loader:
            yield from part
            bar.update(task, advance=len(part))


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and numpy compute with one thread in this process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _alone(worker: int) -> None:
    """Let numpy compute with one thread in a process of the loader's, as torch does there."""
    threadpool_limits(1)
