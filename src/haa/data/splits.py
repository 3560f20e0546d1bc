"""Splits by a fixed rule, for data whose publisher made none or not all three."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, get_args

from haa.data.dataset import Split
from haa.errors import InputError

SHARES: Mapping[Split, float] = {"train": 7, "val": 1, "test": 2}
"""Relative sizes of the splits."""

Folds = tuple[int, int]
"""Number of folds of a cross-validation, and the one that is the test split, from 0."""

_POOLS = {
    "train": r"train|training",
    "val": r"val|valid|validation|validate|dev|devel|development",
    "test": r"test|testing",
    "train+val": r"train[-_+ ]?val|train[-_ ]?valid",
}
_MORE = r"([-_. ]?(set|split|images?|pictures?|videos?|clips?|data|(19|20)\d\d))*"
_CALLED = {pool: re.compile(f"({words}){_MORE}", re.IGNORECASE) for pool, words in _POOLS.items()}


def chosen_folds(folds: int | None, fold: int) -> Folds | None:
    """Return the folds that a user asks for; None without any.

    Args:
        folds: Number of folds.
        fold: The fold that is the test split, from 0.

    Raises:
        InputError: If there are fewer than three, or no such fold.

    Example:
        >>> chosen_folds(5, 1), chosen_folds(None, 0)
        ((5, 1), None)
    """
    if folds is not None and (type(folds) is not int or folds < 3):
        raise InputError(f"data.folds={folds}: give 3 or more, one to test on, one to select by and others to train")
    if type(fold) is not int or not 0 <= fold < (folds or 1):
        raise InputError(f"data.fold={fold}: " + (f"choose 0 to {folds - 1}" if folds else "give data.folds, too"))
    return None if folds is None else (folds, fold)


def pool_called(name: str) -> str | None:
    """Return the split that people mean by a word, as folders and lists are called by it; None where it is another.

    Example:
        >>> [pool_called(name) for name in ("Train", "validation", "dev", "TESTING", "val2017", "trainval", "wren")]
        ['train', 'val', 'val', 'test', 'val', 'train+val', None]
    """
    return next((pool for pool, words in _CALLED.items() if words.fullmatch(name)), None)


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
    folds: Folds | None = None,
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
        folds: Divides into folds of equal size instead: the chosen one is the test split, the next one validation, all
            others training. So every picture is tested on in one fold.

    Raises:
        InputError: If a pool names no split, or folds are asked for where one does or where pictures are too few.

    Example:
        >>> splits = assign_splits([f"{n}.jpg" for n in range(100)], [None] * 100)
        >>> [splits.count(split) for split in ("train", "val", "test")]
        [70, 10, 20]
        >>> assign_splits(["a", "a", "b"], ["val", "train+val", "test"])
        ['val', 'val', 'test']
        >>> [assign_splits(["a", "b", "c"], [None] * 3, folds=(3, fold)) for fold in range(2)]
        [['train', 'val', 'test'], ['val', 'test', 'train']]
    """
    labels = [None] * len(pictures) if labels is None else labels
    choices = [_choices(pool) for pool in pools]
    if folds is not None and any(pool is not None for pool in pools):
        raise InputError(f"data.folds={folds[0]} divides anew what is in splits already: leave one of the two out")
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
        by_rule |= _cut(members, pool, shares, folds)
    return [
        choice[0] if len(choice) == 1 else fixed[picture] if fixed.get(picture) in choice else by_rule[picture]
        for picture, choice in zip(pictures, choices, strict=True)
    ]


def _choices(pool: str | None) -> tuple[Split, ...]:
    names: tuple[Any, ...] = get_args(Split) if pool is None else tuple(pool.split("+"))
    if not names or set(names) - set(get_args(Split)):
        raise InputError(f"split {pool!r} is none of {', '.join(get_args(Split))}, nor several joined by +")
    return names


def _cut(
    members: Mapping[str, Hashable], pool: tuple[Split, ...], shares: Mapping[Split, float], folds: Folds | None
) -> dict[str, Split]:
    digests = {picture: hashlib.sha256(picture.encode()).hexdigest() for picture in members}
    by_label: dict[Hashable, list[str]] = {}
    for picture in sorted(members, key=digests.__getitem__):
        by_label.setdefault(members[picture], []).append(picture)
    turn = {p: (rank + 0.5) / len(group) for group in by_label.values() for rank, p in enumerate(group)}
    ordered = sorted(members, key=lambda picture: (turn[picture], digests[picture]))
    if folds is None:
        parts = [(split, shares[split]) for split in sorted(pool, key=("test", "val", "train").index)]
    else:
        parts = _fold_parts(folds, len(ordered))
    total, share_cut, start = sum(share for _, share in parts), 0.0, 0
    splits: dict[str, Split] = {}
    for split, share in parts:
        share_cut += share
        end = round(len(ordered) * share_cut / total)
        splits |= dict.fromkeys(ordered[start:end], split)
        start = end
    return splits


def _fold_parts(folds: Folds, members: int) -> list[tuple[Split, float]]:
    count, chosen = folds
    if members < count:
        raise InputError(f"data.folds={count}: there are {members} to divide, fewer than folds")
    splits: list[Split] = ["train"] * count
    splits[chosen], splits[(chosen + 1) % count] = "test", "val"
    return [(split, 1.0) for split in splits]


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
