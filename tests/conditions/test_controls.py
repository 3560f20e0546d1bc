"""What every condition promises, and then each one's own: by hand where it can be, else by statistics at 5 sigma."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from omegaconf import OmegaConf

from haa import build
from haa.conditions import Center, Corrupted, Human, Inverted, Random, Shuffled, Subset
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.gaze import Gaze, density, valid

CONF = sorted((Path(__file__).parents[2] / "conf" / "condition").glob("*.yaml"))


class People(GazeDataset):
    """Pictures of different sizes at which 6 people look 5 times each, around (0.25, 0.75) of the sides.

    Every fourth sample has no gaze; samples 2k and 2k + 1 show one picture; the first fixation lies outside.
    """

    def __init__(self, length: int = 40, subjects: bool = True) -> None:
        self.length, self.subjects = length, subjects

    def __len__(self) -> int:
        return self.length

    def gaze(self, index: int) -> Gaze | None:
        if index % 4 == 3:
            return None
        rng = torch.Generator().manual_seed(index)
        size = (60 + index, 80 + 2 * index)
        points = (torch.tensor([0.25, 0.75]) + 0.03 * torch.randn(30, 2, generator=rng)) * torch.tensor(size[::-1])
        points[0] = -20.0
        subject = torch.arange(30) // 5 + 1 if self.subjects else None
        return Gaze(points, size, subject, duration=100.0 + torch.arange(30.0))

    def stimulus(self, index: int) -> str:
        return f"picture {index // 2}"


CONDITIONS = [
    Human(),
    Shuffled(1),
    Random(1),
    Random(1, keep_shape=False),
    Center(1),
    Center(1, cluster=0.0),
    Center(1, points=50),
    Inverted(1),
    Inverted(1, points=200),
    Corrupted(0.3, seed=1),
    Subset(observers=2, seed=1),
    Subset(share=0.5, seed=1),
]
EVERY = pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: "-".join(map(str, [type(c).__name__])))


def same(one: Gaze | None, other: Gaze | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.size == other.size and torch.equal(one.points, other.points)


@EVERY
def test_gaze_is_on_the_samples_own_stimulus_and_only_where_it_had_some(condition):
    data = People()
    for i in range(len(data)):
        own, gaze = data.gaze(i), condition.gaze(data, i)
        assert own is not None or gaze is None
        if gaze is not None:
            assert gaze.size == own.size
            assert gaze.points.dtype == torch.float32
            outside = (~valid(gaze.points, gaze.size)).sum()
            assert outside <= (1 if isinstance(condition, Human | Shuffled | Subset) else 0)


@EVERY
def test_gaze_depends_on_seed_and_index_alone(condition):
    data, other = People(), pickle.loads(pickle.dumps(condition))
    forwards = [condition.gaze(data, i) for i in range(len(data))]
    torch.rand(3)
    backwards = [other.gaze(People(), i) for i in reversed(range(len(data)))][::-1]
    assert all(same(a, b) for a, b in zip(forwards, backwards, strict=True))


@pytest.mark.parametrize("make", [Shuffled, Random, Center, Inverted, lambda seed: Subset(share=0.5, seed=seed)])
def test_another_seed_gives_other_gaze(make):
    data = People()
    one, other = ([make(seed=seed).gaze(data, i) for i in range(len(data))] for seed in (1, 2))
    assert not all(same(a, b) for a, b in zip(one, other, strict=True))


@EVERY
def test_another_split_is_looked_at_anew(condition):
    condition.gaze(People(40), 0)
    for data in (People(40), People(12), People(40)):
        assert same(condition.gaze(data, 0), pickle.loads(pickle.dumps(condition)).gaze(data, 0))


def test_random_of_single_fixations_has_the_number_the_people_and_the_durations_and_is_uniform():
    data, condition = People(400), Random(seed=3, keep_shape=False)
    relative = []
    for i in range(0, 400, 4):
        own, gaze = data.gaze(i).inside(), condition.gaze(data, i)
        assert len(gaze.points) == len(own.points) == 29
        assert torch.equal(gaze.subject, own.subject)
        assert torch.equal(gaze.duration, own.duration)
        relative.append((gaze.points.numpy() + 0.5) / np.array(own.size[::-1]))
    relative = np.concatenate(relative)
    for axis in (0, 1):
        assert scipy.stats.kstest(relative[:, axis], "uniform").pvalue > 1e-5
    assert abs(np.corrcoef(relative.T)[0, 1]) < 5 / np.sqrt(len(relative))


def test_random_moves_all_fixations_together():
    data, condition = People(400), Random(seed=3)
    moves = []
    for i in range(0, 400, 4):
        own, gaze = data.gaze(i).inside(), condition.gaze(data, i)
        sides = np.array(own.size[::-1])
        move = ((gaze.points - own.points).numpy() % sides) / sides
        apart = (move - move[0] + 0.5) % 1 - 0.5
        assert np.abs(apart).max() < 1e-5
        moves.append(move[0])
    for axis in (0, 1):
        assert scipy.stats.kstest(np.array(moves)[:, axis], "uniform").pvalue > 1e-5


def relative(gaze: Gaze) -> torch.Tensor:
    return (gaze.points + 0.5) / torch.tensor(gaze.size[::-1])


def others(data: GazeDataset, index: int) -> torch.Tensor:
    """Fixations at other stimuli than that of sample ``index``, in shares of the sides."""
    rest = (i for i in range(len(data)) if data.stimulus(i) != data.stimulus(index) and data.gaze(i) is not None)
    return torch.cat([relative(data.gaze(i).inside()) for i in rest])


def distances(places: torch.Tensor, pool: torch.Tensor) -> torch.Tensor:
    """Distance of each place from the nearest one of the pool."""
    return (places[:, None] - pool).norm(dim=2).amin(1)


def test_center_one_by_one_is_as_many_fixations_at_other_stimuli():
    data, condition = People(), Center(seed=2, cluster=0.0)
    for index in (0, 5, 38):
        gaze, own = condition.gaze(data, index), data.gaze(index).inside()
        assert len(gaze.points) == len(own.points) == 29
        assert distances(relative(gaze), others(data, index)).max() < 1e-5
        assert torch.equal(gaze.subject, own.subject)
        assert torch.equal(gaze.duration, own.duration)
    draws = [relative(condition.gaze(data, index)) for index in (0, 1)]
    assert distances(*draws).max() > 1e-4  # every sample has a draw of its own


def test_center_draws_every_fixation_of_the_others_alike():
    class Two(People):
        """One fixation at x = 0, of which it is drawn; at the other picture 1 to 4 fixations at x = 1, 2, 3, 4."""

        def gaze(self, index):
            x = torch.tensor([0.0]) if index else torch.tensor([1.0, 2.0, 3.0, 4.0])
            return Gaze(torch.stack([x, x], 1), (9, 9))

        def stimulus(self, index):
            return str(index)

    drawn = [round(Center(seed).gaze(Two(2), 1).points[0, 0].item()) for seed in range(400)]
    assert scipy.stats.chisquare(np.bincount(drawn, minlength=5)[1:]).pvalue > 1e-5
    assert 0 not in drawn


class Alone(People):
    def stimulus(self, index):
        return "the one"


def test_center_of_one_stimulus_is_its_own_fixations():
    gaze = Center(cluster=0.0).gaze(Alone(4), 0)
    pool = torch.cat([relative(Alone(4).gaze(i).inside()) for i in range(3)])
    assert distances(relative(gaze), pool).max() < 1e-5


@pytest.mark.parametrize("condition", [Center(3), Inverted(3)])
def test_clusters_move_as_they_are(condition):
    """Everybody has two groups of three fixations, 2 pixels wide and some 40 of 100 apart."""
    groups = torch.tensor([[0.0, 0.0], [2.0, 1.0], [-1.0, 1.5]])

    class Groups(People):
        def gaze(self, index):
            one, other = 30.0 + index, 70.0 - index
            return Gaze(torch.cat([groups + one, groups + torch.tensor([one, other])]), (100, 100))

    data = Groups(10)
    for index in range(10):
        points = condition.gaze(data, index).points.view(2, 3, 2)
        if isinstance(condition, Center):
            assert distances((points[:, 0] + 0.5) / 100, others(data, index)).max() < 1e-5
        if (points > 3).all() and (points < 96).all():  # else a border may have reflected it
            torch.testing.assert_close(points - points[:, :1], groups.expand(2, 3, 2), atol=1e-4, rtol=0)
        assert not torch.allclose(points.flatten(0, 1), data.gaze(index).points, atol=1)


def test_inverted_moves_to_where_nobody_looked():
    """Everybody looks at the middle of the left half: hardly a cluster may come to lie there."""

    class Left(People):
        def gaze(self, index):
            return Gaze(torch.tensor([[15.5, 31.5]] * 20), (64, 64))

    placed = torch.stack([Inverted(sigma=0.1).gaze(Left(400), i).points for i in range(400)])
    assert (placed == placed[:, :1]).all()
    left, right = ((placed[:, 0] - torch.tensor([x, 31.5])).norm(dim=1) < 6.4 for x in (15.5, 47.5))
    # 400 draws from an inverse that is 1 on the right, and at most 1 - exp(-1/2) = 0.39, 0.21 on average, on the left
    assert left.sum() < right.sum()
    assert right.sum() > 400 * 3.14 * 6.4**2 / 64**2 * 0.5


def test_the_pool_of_a_big_split_is_bounded():
    class Many(People):
        def gaze(self, index):
            return Gaze(torch.rand(5000, 2, generator=torch.Generator().manual_seed(index)) * 50, (60, 60))

    assert len(Center().fit(Many(6)).places) == 600


def test_center_of_a_number_is_the_splits_own_bias():
    data = People(400)
    first, second = Center(points=200).gaze(data, 0), Center(points=200).gaze(data, 1)
    assert len(first.points) == 200
    torch.testing.assert_close(first.resized(second.size).points, second.points, atol=1e-4, rtol=0)
    places = relative(first).numpy()
    np.testing.assert_allclose(places.mean(0), [0.25, 0.75], atol=5 * 0.03 / np.sqrt(200) + 0.01)
    np.testing.assert_allclose(places.std(0), 0.03, rtol=0.3)


def test_center_of_few_fixations_is_all_of_them():
    data = People(4)
    expected = torch.cat([relative(data.gaze(i).inside()) for i in range(3)])
    got = relative(Center(points=500).gaze(data, 0))
    torch.testing.assert_close(got.sort(0).values, expected.sort(0).values)


def test_inverted_is_drawn_from_the_maximum_minus_the_density():
    """One fixation in the middle of the left half: by columns, against the inverted density computed pixel by pixel."""

    class One(People):
        def gaze(self, index):
            return Gaze(torch.tensor([[15.5, 31.5]]), (64, 64))

    gaze = Inverted(points=20_000, sigma=0.1).gaze(One(), 0)
    human = density(torch.tensor([[[15.5, 31.5]]]), (64, 64), sigma=6.4)[0].double()
    inverse = (human.max() - human) / (human.max() - human).sum()
    cells = (gaze.points + 0.5).floor().long()
    drawn = np.zeros((64, 64))
    np.add.at(drawn, (cells[:, 1].numpy(), cells[:, 0].numpy()), 1)
    blocks = lambda m: m.reshape(8, 8, 8, 8).sum((1, 3)).ravel()  # noqa: E731
    assert scipy.stats.chisquare(blocks(drawn), 20_000 * blocks(inverse.numpy())).pvalue > 1e-5
    assert drawn[28:36, 12:20].sum() < 0.25 * drawn[28:36, 44:52].sum()


@pytest.mark.parametrize(("p", "replaced"), [(0.0, 0), (0.1, 3), (0.5, 14), (1.0, 29)])
def test_corrupted_replaces_exactly_its_share(p, replaced):
    data = People()
    own, gaze = data.gaze(0).inside(), Corrupted(p, seed=2).gaze(data, 0)
    changed = (gaze.points != own.points).any(1)
    assert changed.sum() == replaced
    assert torch.equal(gaze.subject, own.subject)


def test_what_a_little_corruption_replaces_more_replaces_alike():
    data = People()
    own, little, much = (Corrupted(p).gaze(data, 0).points for p in (0.0, 0.3, 0.7))
    changed = (little != own).any(1)
    assert torch.equal(little[changed], much[changed])


def test_corrupted_places_are_uniform():
    data, condition = People(400), Corrupted(1.0)
    relative = [
        (condition.gaze(data, i).points + 0.5) / torch.tensor(data.gaze(i).size[::-1]) for i in range(0, 400, 4)
    ]
    for axis in (0, 1):
        assert scipy.stats.kstest(torch.cat(relative)[:, axis].numpy(), "uniform").pvalue > 1e-5


def test_subset_of_people_keeps_all_that_they_did_and_nests():
    data = People()
    for i in (0, 1, 2):
        two, four = (Subset(observers=k).gaze(data, i) for k in (2, 4))
        assert len(two.subject.unique()) == 2
        assert set(two.subject.tolist()) <= set(four.subject.tolist())
        assert same(two, data.gaze(i).of(*two.subject.unique().tolist()))
    assert same(Subset(observers=99).gaze(data, 0), data.gaze(0))
    chosen = {tuple(Subset(observers=2).gaze(data, i).subject.unique().tolist()) for i in range(0, 40, 4)}
    assert len(chosen) > 1


@pytest.mark.parametrize(("share", "pictures"), [(1.0, 20), (0.5, 10), (0.1, 2), (0.001, 1)])
def test_subset_of_pictures_keeps_whole_pictures_and_nests(share, pictures):
    data = People()
    kept = {i for i in range(40) if Subset(share=share).gaze(data, i) is not None}
    assert len({data.stimulus(i) for i in kept}) == pictures
    assert kept == {i for i in range(40) if i % 4 != 3 and data.stimulus(i) in {data.stimulus(k) for k in kept}}
    assert all(same(Subset(share=share).gaze(data, i), data.gaze(i)) for i in kept)
    assert kept <= {i for i in range(40) if Subset(share=min(1.0, 2 * share)).gaze(data, i) is not None}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Subset(), "condition.observers"),
        (lambda: Subset(observers=0), "condition.observers=0"),
        (lambda: Subset(share=0.0), "condition.share=0"),
        (lambda: Corrupted(1.5), "condition.p=1.5"),
        (lambda: Center(points=0), "condition.points=0"),
        (lambda: Center(cluster=-0.1), "condition.cluster=-0.1"),
        (lambda: Inverted(sigma=0), "condition.sigma=0"),
        (lambda: Inverted(points=0), "condition.points=0"),
        (lambda: Inverted(cluster=-0.1), "condition.cluster=-0.1"),
        (lambda: Subset(observers=2).gaze(People(subjects=False), 0), "does not say who looked"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(make, message):
    with pytest.raises(InputError, match=message):
        make()


# predicted gaze needs a checkpoint: tests/conditions/test_predicted.py
OWN = [path for path in CONF if not path.stem.startswith("predicted")]


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_option_is_a_condition(path):
    node = OmegaConf.merge({"seed": 5}, {"node": OmegaConf.load(path)}).node
    if path.stem == "subset":
        node.share = 0.5
    condition = build.make(node)
    assert getattr(condition, "seed", 5) == 5
    condition.gaze(People(), 0)


@pytest.mark.slow
def test_a_control_trains_through_the_command(haa):
    small = (
        "data.train=16",
        "data.val=8",
        "data.test=8",
        "loader.batch_size=8",
        "callbacks.pictures=null",
        "test=false",
    )
    run = haa("train", "-m", "task=vqa", "align_weight=0.5", "condition=random,center,inverted,corrupted", *small, "trainer=debug")  # fmt: skip  # noqa: E501
    assert len(list(run.glob("*/checkpoints/best.ckpt"))) == 4
