"""Conditions of data that publishes maps of gaze and no fixations: VQA-HAT, AiR-D, a folder's own."""

from __future__ import annotations

import pickle

import pytest
import torch
from torchvision.transforms.v2.functional import resize

from haa.conditions import Center, Condition, Corrupted, Human, Inverted, Random, Shuffled, Subset
from haa.data.dataset import GazeDataset
from haa.data.loading.datamodule import DataModule
from haa.data.loading.samples import Samples
from haa.data.loading.transforms import Transform
from haa.errors import InputError
from haa.gaze import Gaze

LENGTH = 16
CONDITIONS = [
    Human(),
    Shuffled(1),
    Random(1),
    Center(1),
    Inverted(1),
    Corrupted(0.3, seed=1),
    Subset(share=0.5, seed=1),
]
EVERY = pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: type(c).__name__)


class Maps(GazeDataset):
    """Maps of different sizes; samples 2k and 2k + 1 show one picture; every fourth sample has no map.

    Sample i has 3/4 of its mass at one pixel and 1/4 at another, further than a cluster reaches. Images are not read
    but by asking for the whole sample.
    """

    def __init__(self, split: str = "train", same_size: bool = False) -> None:
        self.same_size, self.images_read = same_size, 0

    def __len__(self) -> int:
        return LENGTH

    def size(self, index: int) -> tuple[int, int]:
        return (20, 28) if self.same_size else (20 + index, 28 + index)

    def pixels(self, index: int) -> dict[tuple[int, int], float]:
        """Row and column of each looked-at pixel, and its share."""
        return {} if index % 4 == 3 else {(index, 4): 0.75, (19 - index, 24): 0.25}

    def record(self, index):
        own = torch.zeros(self.size(index))
        for pixel, share in self.pixels(index).items():
            own[pixel] = share
        return {"id": str(index), "gaze": None, "density": own}

    def __getitem__(self, index):
        self.images_read += 1
        return {**self.record(index), "image": torch.full((3, *self.size(index)), index, dtype=torch.uint8)}

    def gaze(self, index):
        return None

    def looked(self, index):
        return index % 4 != 3

    def stimulus(self, index):
        return f"picture {index // 2}"


class Clips(Maps):
    """Clips of 5 frames, of which nobody looked at the first; the map moves right by a pixel from frame to frame."""

    def record(self, index):
        still = super().record(index)["density"]
        frames = torch.stack([still.roll(k, 1) for k in range(5)])
        frames[0] = 0
        return {"id": str(index), "gaze": None, "density": frames}

    def __getitem__(self, index):
        return {**self.record(index), "clip": torch.zeros(5, 3, *self.size(index), dtype=torch.uint8)}


@pytest.mark.parametrize("data", [Maps(), Clips()], ids=["stills", "clips"])
@EVERY
def test_a_map_has_its_own_shape_and_mass_and_is_only_where_there_was_one(condition, data):
    for i in range(LENGTH):
        own, given = data.record(i)["density"], condition.density(data, i)
        if i % 4 == 3:
            assert given is None
        elif given is not None:
            assert given.shape == own.shape
            assert (given >= 0).all()
            torch.testing.assert_close(given.sum((-2, -1)), own.sum((-2, -1)))
    assert data.images_read == 0


@EVERY
def test_a_map_depends_on_seed_and_index_alone(condition):
    data, other = Maps(), pickle.loads(pickle.dumps(condition))
    forwards = [condition.density(data, i) for i in range(LENGTH)]
    torch.rand(3)
    backwards = [other.density(Maps(), i) for i in reversed(range(LENGTH))][::-1]
    for one, two in zip(forwards, backwards, strict=True):
        assert one is two if one is None else torch.equal(one, two)


@pytest.mark.parametrize("make", [Shuffled, Random, Center, Corrupted, lambda seed: Subset(share=0.5, seed=seed)])
def test_another_seed_gives_other_maps(make):
    data = Maps()
    one, other = ([make(seed=seed).density(data, i) for i in range(LENGTH)] for seed in (1, 2))
    assert any(
        (a is None) != (b is None) or (a is not None and not torch.equal(a, b)) for a, b in zip(one, other, strict=True)
    )


def test_shuffled_is_another_stimulus_map_each_served_once():
    data, condition, partners = Maps(same_size=True), Shuffled(3), []
    seen = [i for i in range(LENGTH) if i % 4 != 3]
    for i in seen:
        given = condition.density(data, i)
        (partner,) = [j for j in seen if torch.equal(data.record(j)["density"], given)]
        assert data.stimulus(partner) != data.stimulus(i)
        partners.append(partner)
    assert sorted(partners) == seen


def test_shuffled_resizes_the_partners_map():
    data, condition = Maps(), Shuffled(3)
    given, partner = condition.density(data, 2), condition.fitted(data)[2]
    assert data.size(partner) != data.size(2)
    expected = resize(data.record(partner)["density"][None], [22, 30], antialias=True)[0]
    torch.testing.assert_close(given, expected / expected.sum())


def test_shuffled_gives_frames_in_order():
    data, condition = Clips(same_size=True), Shuffled(3)
    given, other = condition.density(data, 0), data.record(condition.fitted(data)[0])["density"]
    assert torch.equal(given, other)


@pytest.mark.parametrize("kind", [Maps, Clips])
def test_random_is_the_map_rolled(kind):
    data, moves = kind(), set()
    for i in (0, 1, 2):
        own, given = data.record(i)["density"], Random(4).density(data, i)
        h, w = own.shape[-2:]
        found = [(y, x) for y in range(h) for x in range(w) if torch.equal(own.roll((y, x), (-2, -1)), given)]
        assert len(found) == 1
        moves.add(found[0])
    assert len(moves) == 3


def test_corrupted_is_a_blend_from_human_to_random():
    data = Maps()
    own, moved, given = (c.density(data, 1) for c in (Human(), Random(4), Corrupted(0.25, seed=4)))
    torch.testing.assert_close(given, 0.75 * own + 0.25 * moved)
    assert torch.equal(Corrupted(0, seed=4).density(data, 1), own)
    torch.testing.assert_close(Corrupted(1, seed=4).density(data, 1), moved)


def test_inverted_by_hand():
    class Two(Maps):
        def record(self, index):
            return {"id": "a", "density": torch.tensor([[0.5, 0.3], [0.2, 0.0]])}

    # each cell is a cluster of its own, and none moves to the highest, where max(D) - D is 0
    for seed in range(20):
        given = Inverted(seed).density(Two(), 0)
        assert given[0, 0] == 0
        assert given.sum() == pytest.approx(1)


def test_a_map_that_is_the_same_everywhere_is_inverted_without_loss():
    class Flat(Maps):
        def record(self, index):
            return {"id": "a", "density": torch.full((2, 4), 0.125)}

    assert Inverted().density(Flat(), 0).sum() == pytest.approx(1)


def test_center_moves_each_part_to_where_another_stimulus_was_looked_at():
    data = Maps(same_size=True)
    for i in (0, 1, 2, 4, 13):
        given = Center(2).density(data, i)
        rest = {p for j in range(LENGTH) if data.stimulus(j) != data.stimulus(i) for p in data.pixels(j)}
        placed = {tuple(p): given[tuple(p)].item() for p in given.nonzero().tolist()}
        assert set(placed) <= rest
        assert sorted(placed.values()) in ([0.25, 0.75], [1.0])
    # the places are drawn by what is looked at there: three quarters of the mass is in column 4
    drawn = [Center(seed) for seed in range(50)]
    left = [one.density(data, i)[:, 4].sum().item() for one in drawn for i in range(8) if i % 4 != 3]
    assert sum(left) / len(left) == pytest.approx(0.75, abs=5 * 0.34 / len(left) ** 0.5)


def test_center_reads_a_bounded_number_of_maps(monkeypatch):
    data, read = Maps(), []
    monkeypatch.setattr("haa.conditions.center.MOST_MAPS", 5)
    monkeypatch.setattr(data, "record", lambda i: read.append(i) or Maps.record(data, i))
    Center(0).fit(data)
    assert len(read) == 5


def test_subset_keeps_whole_pictures():
    data = Maps()
    kept = {i for i in range(LENGTH) if Subset(share=0.5).density(data, i) is not None}
    assert len({data.stimulus(i) for i in kept}) == 4
    assert kept == {i for i in range(LENGTH) if i % 4 != 3 and data.stimulus(i) in {data.stimulus(k) for k in kept}}


class Fixations(Condition):
    """Knows fixations only."""

    role = "control"

    def gaze(self, dataset, index):
        return Gaze(torch.zeros(1, 2), (8, 8))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Fixations(), r"Maps publishes maps only: give Fixations a method density\(dataset, index\)"),
        (Random(keep_shape=False), "leave condition.keep_shape=true"),
        (Center(points=500), "leave condition.points=null"),
        (Subset(observers=2), "give condition.share instead"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_needs_fixations_is_refused_with_the_cure(condition, message):
    with pytest.raises(InputError, match=message):
        Samples(Maps(), Transform(8), seed=0, condition=condition)[0, 0]


class Unsaid(Maps):
    """Does not say which samples have a map."""

    looked = GazeDataset.looked


@pytest.mark.parametrize("condition", [Shuffled(), Center()])
def test_a_dataset_that_hides_its_maps_is_told_so(condition):
    with pytest.raises(InputError, match="looked"):
        condition.density(Unsaid(), 0)


def test_a_map_of_another_shape_is_refused():
    class Small(Fixations):
        def density(self, dataset, index):
            return torch.ones(2, 2)

    with pytest.raises(ValueError, match=r"map for sample 0 is \(2, 2\), its own \(20, 28\)"):
        Samples(Maps(), Transform(8), seed=0, condition=Small())[0, 0]


def test_the_samples_own_map_travels_beside_the_exchanged_one_and_moves_alike():
    samples = Samples(Maps(), Transform((10, 14), flip=True), seed=0, condition=Random(4))
    human = Samples(Maps(), Transform((10, 14), flip=True), seed=0)
    flipped = 0
    for key in [(epoch, 1) for epoch in range(6)]:
        sample, own = samples[key], human[key]["density"]
        torch.testing.assert_close(sample["own_density"], own)
        assert not torch.allclose(sample["density"], own, atol=1e-3)
        assert sample["density"].shape == (10, 14)
        assert sample["density"].sum() == pytest.approx(1, abs=1e-5)
        flipped += bool(own[:, 7:].sum() > 0.5)
    assert 0 < flipped < 6
    assert "own_density" not in human[0, 1]


@pytest.mark.parametrize("kind", [Maps, Clips])
def test_maps_of_a_loader_are_the_same_with_any_number_of_workers(kind):
    def epoch(workers: int) -> dict[str, torch.Tensor]:
        data = DataModule(kind, Transform((10, 14)), Center(1), batch_size=4, num_workers=workers, seed=2)
        batches = list(data.train_dataloader())
        found = {}
        for batch in batches:
            assert "fixations" not in batch
            assert torch.equal(batch["has_human"], batch["density"].sum((-2, -1)) > 0)
            found |= dict(zip(batch["id"], batch["density"], strict=True))
        return found

    one, two = epoch(0), epoch(2)
    assert sorted(one) == sorted(two)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert sum(bool(map_.any()) for map_ in one.values()) == 12
