"""The fixed rule: shares, pictures together, published splits kept."""

from __future__ import annotations

import hashlib
import random

import pytest

from haa.data.splits import assign_splits, same_picture
from haa.errors import InputError

NAMES = [f"{n}.jpg" for n in range(50)]


def test_order_of_the_digests():
    splits = dict(zip(NAMES, assign_splits(NAMES, [None] * 50), strict=True))
    ordered = sorted(NAMES, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert [splits[name] for name in ordered] == ["test"] * 10 + ["val"] * 5 + ["train"] * 35


def test_order_of_the_samples_does_not_matter():
    splits = dict(zip(NAMES, assign_splits(NAMES, [None] * 50), strict=True))
    shuffled = random.Random(0).sample(NAMES, 50)
    assert dict(zip(shuffled, assign_splits(shuffled, [None] * 50), strict=True)) == splits


def test_published_splits_are_kept_and_the_rest_divided():
    pools = ["test"] * 10 + ["train+val"] * 40
    splits = assign_splits(NAMES, pools)
    assert splits[:10] == ["test"] * 10
    assert [splits[10:].count(split) for split in ("train", "val", "test")] == [35, 5, 0]


def test_samples_of_one_picture_stay_together():
    pictures = ["a", "b", "a", "c", "b"] * 4
    splits = assign_splits(pictures, [None] * 20)
    assert all(len({s for p, s in zip(pictures, splits, strict=True) if p == picture}) == 1 for picture in "abc")


@pytest.mark.parametrize("fixed", ["train", "val", "test"])
def test_an_open_sample_follows_the_published_one_of_the_same_picture(fixed):
    assert assign_splits(["a", "a"], [fixed, None]) == [fixed, fixed]


def test_every_label_has_its_share():
    labels = [n % 5 for n in range(50)]
    splits = assign_splits(NAMES, [None] * 50, labels)
    for label in range(5):
        mine = [split for split, own in zip(splits, labels, strict=True) if own == label]
        assert [mine.count(split) for split in ("train", "val", "test")] == [7, 1, 2]


def test_equal_content_is_one_picture():
    assert same_picture(["a", "b", "c"], ["x", "y", "x"]) == ["a", "b", "a"]
    # one name with two contents, and one content under two names, join all three
    assert len(set(same_picture(["a", "a", "b", "c"], ["x", "y", "y", "x"]))) == 1
    assert same_picture(["a", "b"], [None, None]) == ["a", "b"]


def test_unknown_split():
    with pytest.raises(InputError, match="'testing' is none of train, val, test"):
        assign_splits(["a"], ["testing"])
