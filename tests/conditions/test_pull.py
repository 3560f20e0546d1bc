"""A control is a control only if it pulls as hard: its maps are as far from a uniform attention as people's are."""

from __future__ import annotations

import pytest
import torch

from haa.batch import human_maps
from haa.conditions import Center, Human, Inverted, Random, Shuffled
from haa.data.loading.collate import collate
from haa.data.loading.samples import Samples
from haa.data.loading.transforms import Transform
from haa.data.shapes import Shapes
from haa.gaze import density

SAMPLES = 100


class Published(Shapes):
    """Shapes of which maps are published, and no fixations."""

    def __getitem__(self, index):
        return {**super().__getitem__(index), "gaze": None, "density": self.record(index)["density"]}

    def record(self, index):
        gaze = super().gaze(index)
        return {"id": str(index), "density": density(gaze.points[None], gaze.size, 0.03 * self.size)[0]}

    def gaze(self, index):
        return None

    def looked(self, index):
        return True


def pull(kind: type[Shapes], task: str, condition, cells: int = 8) -> float:
    """Mean KL divergence of the human maps of a split from a uniform attention of 8 x 8 cells, in nats."""
    samples = Samples(kind("train", task=task, train=SAMPLES), Transform(), condition=condition, seed=0)
    maps, has_human = human_maps(collate([samples[0, i] for i in range(SAMPLES)]), (cells, cells), sigma=0.03)
    assert has_human.all()
    maps = maps.double().flatten(1)
    return (torch.special.xlogy(maps, maps).sum(1) + torch.tensor(cells**2).log()).mean().item()


@pytest.mark.parametrize("task", ["vqa", "saliency"])
@pytest.mark.parametrize("control", [Shuffled(1), Random(1), Center(1), Inverted(1)], ids=lambda c: c.label)
def test_a_control_pulls_as_hard_as_human_gaze(task, control):
    assert pull(Shapes, task, control) == pytest.approx(pull(Shapes, task, Human()), rel=0.2)


@pytest.mark.parametrize("task", ["vqa", "saliency"])
@pytest.mark.parametrize("control", [Shuffled(1), Random(1), Center(1)], ids=lambda c: c.label)
def test_a_control_of_published_maps_pulls_as_hard(task, control):
    assert pull(Published, task, control) == pytest.approx(pull(Published, task, Human()), rel=0.2)


@pytest.mark.parametrize(
    "control", [Random(1, keep_shape=False), Center(1, points=500), Inverted(1, points=200)], ids=lambda c: c.label
)
def test_what_is_drawn_one_by_one_pulls_less(control):
    assert pull(Shapes, "vqa", control) < 0.6 * pull(Shapes, "vqa", Human())


def test_center_has_the_splits_own_mean_map():
    data = Shapes("train", train=400)

    def mean(condition) -> torch.Tensor:
        points = [condition.gaze(data, i).points for i in range(len(data))]
        return density(torch.cat(points)[None], (64, 64), 2.0, grid=(8, 8))[0].flatten()

    human, center, anywhere = mean(Human()), mean(Center(1)), mean(Random(1))
    assert torch.corrcoef(torch.stack([human, center]))[0, 1] > 0.9
    # its total variation from the split's own mean map, and that of maps that are anywhere
    assert (center - human).abs().sum() < 0.4 * (anywhere - human).abs().sum()
