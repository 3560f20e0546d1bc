"""What a data set says of itself where its class implements no more than it must."""

from __future__ import annotations

import pytest
import torch

from haa.data.dataset import GazeDataset
from haa.data.shapes import Shapes
from haa.gaze import Gaze


class Plain(GazeDataset):
    def __init__(self, x: float = 1.0, length: int = 3, label: int = 0) -> None:
        self.x, self.length, self.label = x, length, label

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        raise AssertionError("a picture was read")

    def gaze(self, index):
        return None if index else Gaze(torch.tensor([[self.x, 2.0]]), (6, 8), subject=torch.tensor([1]))


class WithRecords(Plain):
    def record(self, index):
        density = torch.full((2, 2), self.x)
        return {"id": f"s{index}", "gaze": self.gaze(index), "label": self.label, "density": density}

    def fingerprint(self):
        return "mine"


def changed(before: GazeDataset, after: GazeDataset) -> list[str]:
    one, other = before.identity(), after.identity()
    return [key for key in one if one[key] != other[key]]


def test_what_is_unknown_is_none_and_no_picture_is_read():
    known = Plain().identity()
    assert [key for key, value in known.items() if value is None] == ["stimuli", "labels"]
    assert changed(Plain(), Plain()) == []
    assert changed(Plain(), Plain(x=1.5)) == ["gaze"]
    assert changed(Plain(), Plain(length=2)) == ["ids", "gaze"]


def test_records_tell_labels_and_published_maps():
    assert WithRecords().identity()["stimuli"] == "mine"
    assert changed(WithRecords(), WithRecords()) == []
    assert changed(WithRecords(), WithRecords(label=1)) == ["labels"]
    assert changed(WithRecords(), WithRecords(x=0.5)) == ["gaze"]
    assert WithRecords(label=object()).identity()["labels"] is None


@pytest.mark.parametrize("task", ["vqa", "captioning", "saliency", "sos", "finegrained", "action"])
def test_shapes_are_told_by_their_arguments(task):
    base = Shapes("train", task)
    assert changed(base, Shapes("train", task, cache=False)) == []
    assert changed(base, Shapes("train", task, train=999)) == changed(base, Shapes("test", task, test=1000))
    assert changed(base, Shapes("train", task, train=999)) == ["ids", "stimuli", "gaze", "labels"]
    assert changed(base, Shapes("train", task, seed=1)) == ["stimuli", "gaze", "labels"]
    tastes = ["gaze", "labels"] if task in ("captioning", "sos") else ["gaze"]
    assert changed(base, Shapes("train", task, contrast_gain=0)) == tastes


def test_labels_of_shapes_depend_on_the_observer_where_it_is_said_that_they_do():
    for task in ("vqa", "finegrained", "action", "captioning", "sos"):
        one, other = (Shapes("train", task, contrast_gain=gain, size_gain=-gain) for gain in (9, -9))
        same = all(str(one[i].get(key)) == str(other[i].get(key)) for i in range(20) for key in ("label", "answers"))
        told = all(
            str(one[i].get("captions")) == str(other[i].get("captions"))
            and torch.equal(one[i].get("mask", torch.zeros(1)), other[i].get("mask", torch.zeros(1)))
            for i in range(20)
        )
        assert same
        assert told == (task not in ("captioning", "sos"))
