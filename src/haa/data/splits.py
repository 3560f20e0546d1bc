"""Which picture belongs to which split, where the publisher did not say, or kept a part for himself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from haa.data.dataset import Split

VALIDATION = 1 / 14
TEST = 2 / 7


def by_hash(names: Iterable[str], twins: Mapping[str, str] | None = None, test: float = TEST) -> dict[str, Split]:
    """A fixed split of names: in the order of the SHA-256 of the name, the first are test, the next validation.

    It does not depend on the order in which files are listed, on a seed, or on the version of a library.

    Args:
        names: one for each different picture.
        twins: pictures that are published twice, as ``{name: the other's name}``: they go where the other goes.
        test: share of all names; 1/14 of all are validation.

    Example:
        >>> sorted(by_hash(["a", "b", "c", "d"]).items())
        [('a', 'train'), ('b', 'train'), ('c', 'train'), ('d', 'test')]
    """
    present = set(names)
    followers = {name: other for name, other in (twins or {}).items() if name in present and other in present}
    ordered = sorted(present - set(followers), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    first, second = round(len(present) * test), round(len(present) * VALIDATION)
    splits: dict[str, Split] = {}
    for position, name in enumerate(ordered):
        splits[name] = "test" if position < first else "val" if position < first + second else "train"
    return splits | {name: splits[other] for name, other in followers.items()}


def by_publisher(parts: Mapping[str, Split]) -> dict[str, Split]:
    """haa's three splits from the parts that a publisher gives out with their annotations.

    All three parts are taken as they are. Where the third is kept for a benchmark, the one that is published beside the
    training part (called validation or test) is the test split, because it is what papers report, and validation is
    a fourteenth of the training part, by hash. A single part is divided by `by_hash`.

    Args:
        parts: the published part of each picture's name.

    Example:
        >>> by_publisher({"a": "train", "b": "val"})
        {'a': 'train', 'b': 'test'}
        >>> by_publisher({"a": "train", "b": "val", "c": "test"})
        {'a': 'train', 'b': 'val', 'c': 'test'}
    """
    found = set(parts.values())
    if len(found) == 3:
        return dict(parts)
    if found == {"train", "val"} or found == {"train", "test"}:
        train = by_hash((name for name, part in parts.items() if part == "train"), test=0)
        return {name: train.get(name, "test") for name in parts}
    return by_hash(parts)
