"""Splits: hand-computed orders of SHA-256, and what is kept together."""

from __future__ import annotations

import pytest

from haa.data.splits import by_hash, by_publisher


def test_order_is_that_of_the_hash():
    # printf b | sha256sum and so on, by coreutils: d 18ac, c 2e7d, b 3e23, a ca97
    splits = by_hash(["a", "b", "c", "d"], test=0.5)
    assert [name for name, split in splits.items()] == ["d", "c", "b", "a"]
    assert [split for name, split in splits.items()] == ["test", "test", "train", "train"]


def test_order_of_names_plays_no_part():
    names = [f"{n}.jpg" for n in range(140)]
    assert by_hash(names) == by_hash(names[::-1])
    sizes = [list(by_hash(names).values()).count(split) for split in ("train", "val", "test")]
    assert sizes == [90, 10, 40]


@pytest.mark.parametrize("count", range(2, 20))
def test_twins_stay_together(count):
    names = [f"{n}" for n in range(count)]
    splits = by_hash(names, {"1": "0"})
    assert splits["0"] == splits["1"]
    assert set(splits) == set(names)


def test_a_withheld_test_set_leaves_the_published_one_as_test():
    parts = {f"t{n}": "train" for n in range(28)} | {f"v{n}": "val" for n in range(5)}
    splits = by_publisher(parts)
    assert {splits[f"v{n}"] for n in range(5)} == {"test"}
    train = [splits[f"t{n}"] for n in range(28)]
    assert (train.count("train"), train.count("val")) == (26, 2)
    named_test = by_publisher({name: "test" if part == "val" else part for name, part in parts.items()})
    assert named_test == splits


def test_three_published_parts_are_taken_as_they_are():
    parts = {"a": "train", "b": "val", "c": "test", "d": "train"}
    assert by_publisher(parts) == parts


def test_one_published_part_is_divided():
    assert by_publisher({f"{n}": "train" for n in range(14)}) == by_hash(f"{n}" for n in range(14))
