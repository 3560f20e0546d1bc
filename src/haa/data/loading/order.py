"""Which samples a process reads, and when: in training a function of (seed, epoch), in evaluation each once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import distributed
from torch.utils.data import BatchSampler, Sampler

from haa.data.seeds import generator
from haa.errors import InputError

Key = tuple[int, int]
"""(epoch, index): what a training loader asks for, so that a worker knows the epoch, however long it has lived."""


class TrainSampler(Sampler[Key]):
    """A new order every epoch, shared by all processes, each of which reads every world-th sample.

    The order is a function of (seed, epoch) alone, so a resumed run sees what the undisturbed one sees. Where the
    processes do not divide the samples, the order's first samples come once more at its end: gradients are averaged
    over processes, which must take equally many steps.

    Args:
        length: number of samples.
        seed: of the order.

    Example:
        >>> sampler = TrainSampler(3, seed=0)
        >>> sampler.set_epoch(7)
        >>> sorted(sampler)
        [(7, 0), (7, 1), (7, 2)]
    """

    def __init__(self, length: int, seed: int = 0) -> None:
        self.length = length
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.length // process()[1])

    def __iter__(self) -> Iterator[Key]:
        rank, world = process()
        order = torch.randperm(self.length, generator=generator(self.seed, self.epoch)).tolist()
        padded = [order[i % self.length] for i in range(len(self) * world)]
        return ((self.epoch, index) for index in padded[rank::world])


class EvaluationSampler(Sampler[int]):
    """Every sample exactly once over all processes, so that what they sum up is what one process sums up.

    Args:
        length: number of samples.

    Raises:
        InputError: if there are more processes than samples.

    Example:
        >>> list(EvaluationSampler(3))
        [0, 1, 2]
    """

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        rank, world = process()
        if self.length < world:
            raise InputError(f"{self.length} samples cannot be shared by {world} processes: set trainer.devices lower")
        return len(range(rank, self.length, world))

    def __iter__(self) -> Iterator[int]:
        rank, world = process()
        return iter(range(rank, self.length, world))


class EvaluationBatches(BatchSampler):
    """Batches of an `EvaluationSampler`, equally many in every process.

    Validation inside DDP broadcasts buffers (batch normalisation's, say) at every batch, so one batch more in one
    process blocks all of them. Processes differ by one sample at most; where that would be a batch of its own, the
    others cut their last batch in two. (Batches of one sample cannot be cut.)

    Args:
        sampler: gives this process' samples.
        batch_size: samples in a batch.
        drop_last: must be False; Lightning passes it.

    Example:
        >>> list(EvaluationBatches(EvaluationSampler(3), batch_size=2))
        [[0, 1], [2]]
    """

    def __init__(self, sampler: EvaluationSampler, batch_size: int, drop_last: bool = False) -> None:
        if drop_last:
            raise ValueError("evaluation reads every sample: drop_last must be False")
        super().__init__(sampler, batch_size, drop_last=False)
        self.shard = sampler

    def __len__(self) -> int:
        longest = -(-self.shard.length // process()[1])
        return min(-(-longest // self.batch_size), len(self.shard))

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.shard)
        rest, number = len(self.shard), len(self)
        for later in range(number - 1, -1, -1):
            size = min(self.batch_size, rest - later)  # leaves one for each later batch
            rest -= size
            yield list(islice(indices, size))


def process() -> tuple[int, int]:
    """(rank, world size) of this process: (0, 1) when it is alone."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
