"""Splits by a fixed rule, for data whose publisher made none or not all three."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, get_args

from haa.data.dataset import Split
from haa.errors import InputError

SHARES: Mapping[Split, float] = {"train": 7, "val": 1, "test": 2}
"""Relative sizes of the splits."""


def same_picture(stimuli: Sequence[str], contents: Sequence[str | None]) -> list[str]:
    """Return a picture's name for each sample; samples whose files have the same content share the first one's.

    Args:
        stimuli: Name of each sample's picture.
        contents: Digest of each sample's file, or None where there is none.

    Example:
        >>> same_picture(["a", "b", "c", "b"], ["1", "2", "1", "2"])
        ['a', 'b', 'a', 'b']
    """
    parent = {name: name for name in stimuli}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    first: dict[str, str] = {}
    for name, content in zip(stimuli, contents, strict=True):
        if content is not None:
            first_root, name_root = root(first.setdefault(content, name)), root(name)
            parent[name_root] = first_root
    return [root(name) for name in stimuli]


def assign_splits(
    pictures: Sequence[str],
    pools: Sequence[str | None],
    labels: Sequence[Hashable] | None = None,
    shares: Mapping[Split, float] = SHARES,
) -> list[Split]:
    """Return the split of every sample; samples of one picture share it wherever the publisher left it open.

    The pictures of a pool are put in the order of the SHA-256 of their names. Where there are labels, they are taken
    label by label in turn, so that every split has its share of each. Then they are cut by ``shares``: test first, then
    validation, then training. The result depends on neither the order of the samples nor chance.

    Args:
        pictures: Name of each sample's picture.
        pools: Split of each sample where it is published (``train``), or the splits among which the rule divides
            (``train+val``); None is all three.
        labels: Class of each sample, if any.
        shares: Relative size of each split.

    Raises:
        InputError: If a pool names no split.

    Example:
        >>> splits = assign_splits([f"{n}.jpg" for n in range(100)], [None] * 100)
        >>> [splits.count(split) for split in ("train", "val", "test")]
        [70, 10, 20]
        >>> assign_splits(["a", "a", "b"], ["val", "train+val", "test"])
        ['val', 'val', 'test']
    """
    labels = [None] * len(pictures) if labels is None else labels
    choices = [_choices(pool) for pool in pools]
    fixed: dict[str, Split] = {}
    undecided: dict[str, tuple[tuple[Split, ...], Hashable]] = {}
    for picture, choice, label in zip(pictures, choices, labels, strict=True):
        if len(choice) == 1:
            fixed.setdefault(picture, choice[0])
        else:
            undecided.setdefault(picture, (choice, label))
    by_rule: dict[str, Split] = {}
    for pool in dict.fromkeys(choice for choice, _ in undecided.values()):
        members = {picture: label for picture, (choice, label) in undecided.items() if choice == pool}
        by_rule |= _cut(members, pool, shares)
    return [
        choice[0] if len(choice) == 1 else fixed[picture] if fixed.get(picture) in choice else by_rule[picture]
        for picture, choice in zip(pictures, choices, strict=True)
    ]


def _choices(pool: str | None) -> tuple[Split, ...]:
    names: tuple[Any, ...] = get_args(Split) if pool is None else tuple(pool.split("+"))
    if not names or set(names) - set(get_args(Split)):
        raise InputError(f"split {pool!r} is none of {', '.join(get_args(Split))}, nor several joined by +")
    return names


def _cut(members: Mapping[str, Hashable], pool: tuple[Split, ...], shares: Mapping[Split, float]) -> dict[str, Split]:
    digests = {picture: hashlib.sha256(picture.encode()).hexdigest() for picture in members}
    by_label: dict[Hashable, list[str]] = {}
    for picture in sorted(members, key=digests.__getitem__):
        by_label.setdefault(members[picture], []).append(picture)
    turn = {p: (rank + 0.5) / len(group) for group in by_label.values() for rank, p in enumerate(group)}
    ordered = sorted(members, key=lambda picture: (turn[picture], digests[picture]))
    total, share_cut, start = sum(shares[split] for split in pool), 0.0, 0
    splits: dict[str, Split] = {}
    for split in sorted(pool, key=("test", "val", "train").index):
        share_cut += shares[split]
        end = round(len(ordered) * share_cut / total)
        splits |= dict.fromkeys(ordered[start:end], split)
        start = end
    return splits


def published(parts: Iterable[str]) -> dict[str, str | None]:
    """Return the pool of splits among which the rule divides each part that is published with its annotations.

    All three parts are taken as they are. Where the third is kept for a benchmark, the part that is published beside
    the training part (called validation or test) is the test split, because papers report it; validation is taken from
    the training part. A single part is divided into all three splits.

    Args:
        parts: Names of the parts that a publisher gives out with their annotations.

    Example:
        >>> published(["train", "val"])
        {'train': 'train+val', 'val': 'test'}
        >>> published(["train"])
        {'train': None}
    """
    unique = dict.fromkeys(parts)
    if len(unique) == 3:
        return {part: part for part in unique}
    if len(unique) == 2 and "train" in unique:
        return {part: "train+val" if part == "train" else "test" for part in unique}
    return dict.fromkeys(unique, None)
