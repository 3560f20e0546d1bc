"""Orders that can be repeated, and shares that add up to the whole."""

from __future__ import annotations

import pytest
from torch.utils.data import DistributedSampler

from haa.data.loading import order as module
from haa.data.loading.order import (
    EvaluationBatches,
    EvaluationBatchesBySize,
    EvaluationSampler,
    TrainBatchesBySize,
    TrainSampler,
)
from haa.errors import InputError


@pytest.fixture
def processes(monkeypatch):
    """Runs a function as each of `world` processes would."""

    def run(world, function):
        out = []
        for rank in range(world):
            monkeypatch.setattr(module, "process", lambda rank=rank: (rank, world))
            out.append(function())
        return out

    return run


def epoch(length, seed, number):
    train = TrainSampler(length, seed)
    train.set_epoch(number)
    return list(train)


def test_order_is_a_function_of_seed_and_epoch():
    assert epoch(50, 0, 3) == epoch(50, 0, 3)
    assert epoch(50, 0, 3) != epoch(50, 0, 4)
    orders = {tuple(index for _, index in epoch(50, seed, number)) for seed in range(5) for number in range(5)}
    assert len(orders) == 25
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize(("length", "world"), [(10, 1), (10, 2), (11, 2), (7, 3), (2, 5)])
def test_training_is_padded_as_torch_pads(processes, length, world):
    shares = processes(world, lambda: [index for _, index in epoch(length, 0, 1)])
    order = [index for _, index in processes(1, lambda: epoch(length, 0, 1))[0]]

    class InOrder(list):
        pass

    for rank, share in enumerate(shares):
        expected = DistributedSampler(InOrder(order), num_replicas=world, rank=rank, shuffle=False)
        assert share == [order[i] for i in expected]
    assert processes(world, lambda: len(TrainSampler(length))) == [len(share) for share in shares]


@pytest.mark.parametrize("length", [3, 7, 8, 9, 16, 17, 50])
@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("size", [2, 3, 4, 64])
def test_evaluation_reads_each_once_in_equally_many_batches(processes, length, world, size):
    def share():
        batches = EvaluationBatches(EvaluationSampler(length), size)
        assert len(list(batches)) == len(batches)
        return list(batches)

    shares = processes(world, share)
    assert sorted(i for batches in shares for batch in batches for i in batch) == list(range(length))
    assert len({len(batches) for batches in shares}) == 1
    assert all(1 <= len(batch) <= size for batches in shares for batch in batches)
    assert [i for batch in shares[0] for i in batch] == list(range(0, length, world))


def test_one_process_has_full_batches():
    assert [len(batch) for batch in EvaluationBatches(EvaluationSampler(10), 4)] == [4, 4, 2]


def test_more_processes_than_samples(processes):
    with pytest.raises(InputError, match=r"1 samples cannot be shared by 2 processes: set trainer\.devices lower"):
        processes(2, lambda: len(EvaluationSampler(1)))


SIZES = [(2, 3), (3, 2), (2, 2)]


@pytest.mark.parametrize("length", [7, 8, 17, 50])
@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_batches_of_one_size_each(processes, length, world, size):
    sizes = [SIZES[i * i % 3] for i in range(length)]

    def share(batches):
        read = list(batches)
        assert len(read) == len(batches)
        return read

    scored = processes(world, lambda: share(EvaluationBatchesBySize(EvaluationSampler(length), size, sizes)))
    assert sorted(i for batches in scored for batch in batches for i in batch) == list(range(length))
    trained = processes(world, lambda: share(TrainBatchesBySize(TrainSampler(length, 1), size, sizes)))
    seen = [index for batches in trained for batch in batches for _, index in batch]
    assert set(seen) == set(range(length))
    assert len({len(batches) for batches in trained}) == 1  # else a process waits for a gradient that never comes
    if size > 1:
        assert len({len(batches) for batches in scored}) == 1
    of_training = [[index for _, index in batch] for batches in trained for batch in batches]
    for batch in of_training + [batch for batches in scored for batch in batches]:
        assert 1 <= len(batch) <= size
        assert len({sizes[index] for index in batch}) == 1
    if world == 1:
        assert len(seen) == length
        assert sum(len(batch) < size for batch in of_training) <= len(set(sizes))


@pytest.mark.parametrize("world", [2, 3])
def test_shared_batches_are_those_of_one_process(processes, world):
    sizes = [SIZES[i % 2] for i in range(26)]  # of each thirteen: batches of six, six and one

    def share():
        return [[index for _, index in batch] for batch in TrainBatchesBySize(TrainSampler(26, 1), 6, sizes, True)]

    (alone,) = processes(1, share)
    shares = processes(world, share)
    assert [set().union(*parts) for parts in zip(*shares, strict=True)] == [{*batch} for batch in alone]
    for parts in zip(*shares, strict=True):
        assert len({len(part) for part in parts}) == 1  # a mean of means is the mean


def test_sizes_come_in_another_order_every_epoch():
    sampler = TrainSampler(40, seed=0)
    batches = TrainBatchesBySize(sampler, 5, [SIZES[i % 2] for i in range(40)])
    orders = []
    for number in (0, 1, 0):
        sampler.set_epoch(number)
        orders.append(list(batches))
    assert orders[0] == orders[2] != orders[1]
    assert {epoch for batch in orders[1] for epoch, _ in batch} == {1}
    assert len({tuple(SIZES[batch[0][1] % 2] for batch in order) for order in orders}) == 2
