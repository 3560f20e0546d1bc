"""Order in which a process reads samples: in training a function of (seed, epoch), in evaluation each sample once.

Where pictures keep their shape, a batch holds pictures of one size: `TrainBatchesBySize`, `EvaluationBatchesBySize`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import distributed
from torch.utils.data import BatchSampler, Sampler

from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Size

Key = tuple[int, int]
"""(epoch, index): a training loader asks for both, so that a worker knows the epoch, however long it has lived."""


class TrainSampler(Sampler[Key]):
    """A new order every epoch, shared by all processes; each process reads every world-th sample.

    The order is a function of (seed, epoch) alone, so a resumed run sees what the undisturbed one sees. Where the
    number of processes does not divide the number of samples, the order's first samples come once more at its end:
    gradients are averaged over processes, so all of them must take equally many steps.

    Args:
        length: Number of samples.
        seed: Seed of the order.

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
        """Set the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.length // process()[1])

    def order(self) -> list[int]:
        """Return the epoch's order of all samples."""
        return torch.randperm(self.length, generator=generator(self.seed, self.epoch)).tolist()

    def __iter__(self) -> Iterator[Key]:
        rank, world = process()
        order = self.order()
        padded = [order[i % self.length] for i in range(len(self) * world)]
        return ((self.epoch, index) for index in padded[rank::world])


class EvaluationSampler(Sampler[int]):
    """Every sample exactly once over all processes, so that their sums together are those of a single process.

    Args:
        length: Number of samples.

    Raises:
        InputError: If there are more processes than samples.

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
    process blocks all of them. Processes differ by one sample at most. Where this sample would be a batch of its own,
    the other processes cut their last batch in two. (Batches of one sample cannot be cut.)

    Args:
        sampler: Sampler of this process' samples.
        batch_size: Number of samples in a batch.
        drop_last: Must be False; Lightning passes it.

    Raises:
        ValueError: If ``drop_last`` is True.

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
        remaining, number = len(self.shard), len(self)
        for later in range(number - 1, -1, -1):
            size = min(self.batch_size, remaining - later)  # leaves one sample for each later batch
            remaining -= size
            yield list(islice(indices, size))


class TrainBatchesBySize(BatchSampler):
    """Batches of pictures of one size each, in an order that is a function of (seed, epoch), shared by all processes.

    The samples of the epoch's order go, one after the other, to batches of their size; what is left over at the end
    makes smaller ones, and the batches are put in a random order. Each process takes every world-th batch. Where their
    number does not divide that of the batches, the first come once more at the end.

    Args:
        sampler: The epoch's order of all samples; its `TrainSampler.set_epoch` is called.
        batch_size: Number of samples in a batch, at most.
        sizes: Size of every sample's picture.
        shared: Let each process take its share of every batch instead, of equally many samples: a batch's first ones
            come once more where it is not shared evenly.

    Example:
        >>> batches = TrainBatchesBySize(TrainSampler(3, seed=0), batch_size=2, sizes=[(2, 3), (3, 2), (2, 3)])
        >>> sorted(sorted(index for _, index in batch) for batch in batches)
        [[0, 2], [1]]
    """

    def __init__(self, sampler: TrainSampler, batch_size: int, sizes: Sequence[Size], shared: bool = False) -> None:
        super().__init__(sampler, batch_size, drop_last=False)  # type: ignore[arg-type]
        self.every, self.sizes, self.shared = sampler, sizes, shared

    def __len__(self) -> int:
        batches = len(by_size(range(len(self.sizes)), self.sizes, self.batch_size))
        return batches if self.shared else -(-batches // process()[1])

    def __iter__(self) -> Iterator[list[Key]]:  # type: ignore[override]
        rank, world = process()
        epoch = self.every.epoch
        batches = by_size(self.every.order(), self.sizes, self.batch_size)
        order = torch.randperm(len(batches), generator=generator(self.every.seed, epoch)).tolist()
        if self.shared:
            own = [_share(batches[i], rank, world) for i in order]
        else:
            own = [batches[order[i % len(batches)]] for i in range(len(self) * world)][rank::world]
        return ([(epoch, index) for index in batch] for batch in own)


def _share(batch: list[int], rank: int, world: int) -> list[int]:
    return [batch[i % len(batch)] for i in range(rank, -(-len(batch) // world) * world, world)]


class EvaluationBatchesBySize(BatchSampler):
    """Batches of pictures of one size each, every sample once over all processes, equally many in every process.

    Where the number of processes does not divide that of batches, batches are cut in two; this is why it must
    (`EvaluationBatches`). Batches of one sample cannot be cut.

    Args:
        sampler: Says how many samples there are.
        batch_size: Number of samples in a batch, at most.
        sizes: Size of every sample's picture.

    Example:
        >>> list(EvaluationBatchesBySize(EvaluationSampler(4), batch_size=2, sizes=[(2, 3), (3, 2), (2, 3), (2, 3)]))
        [[0, 2], [1], [3]]
    """

    def __init__(self, sampler: EvaluationSampler, batch_size: int, sizes: Sequence[Size]) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        self.sizes = sizes

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __iter__(self) -> Iterator[list[int]]:
        len(self.sampler)  # type: ignore[arg-type]  # which refuses fewer samples than processes
        rank, world = process()
        batches = sorted(by_size(range(len(self.sizes)), self.sizes, self.batch_size))
        while len(batches) % world and len(longest := max(batches, key=len)) > 1:
            place = batches.index(longest)
            middle = len(longest) // 2
            batches[place : place + 1] = [longest[:middle], longest[middle:]]
        return iter(batches[rank::world])


def by_size(indices: Iterable[int], sizes: Sequence[Size], batch_size: int) -> list[list[int]]:
    """Return indices in batches of one size each, in the order in which batches are full; then those that are not.

    Example:
        >>> by_size([2, 0, 1, 3], [(2, 3), (3, 2), (2, 3), (2, 3)], 2)
        [[2, 0], [1], [3]]
    """
    full: list[list[int]] = []
    open_: dict[Size, list[int]] = {}
    for index in indices:
        batch = open_.setdefault(sizes[index], [])
        batch.append(index)
        if len(batch) == batch_size:
            full.append(open_.pop(sizes[index]))
    return full + list(open_.values())


def process() -> tuple[int, int]:
    """Return (rank, world size) of this process: (0, 1) when it is alone."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
