"""Few pictures of each class: which, how many, and that nothing else changes."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from haa.data.dataset import GazeDataset
from haa.data.loading.datamodule import DataModule
from haa.data.loading.few import FewOfEachClass
from haa.data.loading.transforms import Transform
from haa.errors import InputError
from haa.gaze import Gaze


class Clips(GazeDataset):
    """Thirty samples of fifteen stimuli: class 0 has nine of these, class 1 five, class 2 one."""

    classes = ("many", "some", "one")

    def __init__(self, split="train"):
        self.split = split

    def __len__(self):
        return 30

    def stimulus(self, index):
        return f"{self.split}{index // 2}"

    def label(self, index):
        return 0 if index < 18 else 1 if index < 28 else 2

    def gaze(self, index):
        return Gaze(torch.tensor([[float(index % 8), 1.0]]), (6, 8)) if index % 3 else None

    def record(self, index):
        return {"id": str(index), "gaze": self.gaze(index), "label": self.label(index)}

    def __getitem__(self, index):
        return {**self.record(index), "image": torch.full((3, 6, 8), index, dtype=torch.uint8)}

    def fingerprint(self):
        return self.split


def names(dataset):
    return {dataset.stimulus(index) for index in range(len(dataset))}


def test_so_many_stimuli_of_each_class_with_all_their_samples():
    some = FewOfEachClass(Clips(), 3)
    assert Counter(Clips().label(2 * int(name.removeprefix("train"))) for name in names(some)) == {0: 3, 1: 3, 2: 1}
    assert Counter(some.stimulus(index) for index in range(len(some))) == dict.fromkeys(names(some), 2)
    assert some.indices == sorted(some.indices)


def test_more_hold_fewer_and_draws_differ():
    assert names(FewOfEachClass(Clips(), 2)) < names(FewOfEachClass(Clips(), 3)) < names(FewOfEachClass(Clips(), 99))
    assert len({frozenset(names(FewOfEachClass(Clips(), 2, seed))) for seed in range(10)}) > 5
    assert names(FewOfEachClass(Clips(), 2, 4)) == names(FewOfEachClass(Clips(), 2, 4))


def test_each_sample_is_the_splits_own():
    whole, some = Clips(), FewOfEachClass(Clips(), 2, 1)
    for place, index in enumerate(some.indices):
        assert torch.equal(some[place]["image"], whole[index]["image"])
        assert some.record(place)["id"] == str(index)
        assert some.looked(place) == whole.looked(index)
        assert (some.gaze(place) is None) == (whole.gaze(index) is None)
    assert list(some.native_sizes()) == [(6, 8)] * len(some)
    assert some.fingerprint() != FewOfEachClass(whole, 2).fingerprint() != whole.fingerprint()
    assert some.identity() == whole.identity()  # the config says which of it are taken
    with pytest.raises(KeyError):
        some.strings("question")


def test_training_alone_has_few():
    data = DataModule(Clips, Transform((3, 4)), per_class=1, per_class_seed=2, batch_size=4)
    assert sorted(name for batch in data.train_dataloader() for name in batch["id"]) == sorted(
        str(index) for index in FewOfEachClass(Clips(), 1, 2).indices
    )
    assert sum(len(batch["id"]) for batch in data.test_dataloader()) == 30
    assert data.missing_gaze("train")[1] == 6


@pytest.mark.parametrize("per_class", [0, -1, 1.5, True])
def test_what_is_no_number_of_pictures_is_refused(per_class):
    with pytest.raises(InputError, match=r"loader\.per_class"):
        FewOfEachClass(Clips(), per_class)


def test_samples_without_labels_are_refused():
    class Unlabelled(Clips):
        def record(self, index):
            return {"id": str(index), "gaze": None}

    with pytest.raises(InputError, match="needs a label"):
        DataModule(Unlabelled, per_class=2).dataset("train")
