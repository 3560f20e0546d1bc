from __future__ import annotations

import pytest
import torch

from haa.conditions import Human, Shuffled
from haa.data.dataset import GazeDataset
from haa.gaze import Gaze


class Looks(GazeDataset):
    """Sample i shows picture pictures[i], of a size of its own; its one fixation has x = i, or there is none."""

    def __init__(self, pictures: list[str], without: tuple[int, ...] = ()) -> None:
        self.pictures, self.without = pictures, without

    def __len__(self) -> int:
        return len(self.pictures)

    def gaze(self, index: int) -> Gaze | None:
        return None if index in self.without else Gaze(torch.tensor([[float(index), 2.0]]), (10, 100 + index))

    def stimulus(self, index: int) -> str:
        return self.pictures[index]


def source(gaze: Gaze, own: Gaze) -> int:
    """Whose fixation it was before it was scaled."""
    x = gaze.points[0, 0].item()
    for other in range(100):
        if abs((other + 0.5) * own.size[1] / (100 + other) - 0.5 - x) < 1e-4:
            return other
    raise AssertionError(x)


def test_human_is_the_samples_own():
    data = Looks(["a", "b"])
    assert Human().gaze(data, 1).points[0, 0] == 1


@pytest.mark.parametrize("pictures", [list("abcdefgh"), list("aabbccdd"), list("aaabcdefg")])
def test_shuffled_gives_everybody_anothers_and_every_gaze_once(pictures):
    data = Looks(pictures, without=(1,))
    condition = Shuffled(seed=3)
    partners = {}
    for i in range(len(data)):
        gaze = condition.gaze(data, i)
        if i == 1:
            assert gaze is None
            continue
        assert gaze.size == data.gaze(i).size
        partners[i] = source(gaze, data.gaze(i))
    assert sorted(partners.values()) == sorted(partners)
    assert all(pictures[i] != pictures[j] for i, j in partners.items())


def test_shuffled_is_fixed_by_its_seed():
    data = Looks([str(i) for i in range(20)])
    draw = lambda seed: [Shuffled(seed).gaze(data, i).points[0, 0].item() for i in range(20)]  # noqa: E731
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_shuffled_of_one_picture_is_refused():
    with pytest.raises(ValueError, match="several stimuli"):
        Shuffled().gaze(Looks(["a", "a", "a"]), 0)
