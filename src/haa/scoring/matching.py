"""Which map is of which sample, whatever the folders around either; what is missing, and what belongs to no sample."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from haa.data.dataset import GazeDataset
from haa.data.index import IndexedDataset
from haa.errors import InputError
from haa.printing.plain import short
from haa.scoring.files import plain_stem
from haa.scoring.joined import Joined

NAMED = 3
"""Number of names that a message gives of what is missing or left over."""


class Matched(NamedTuple):
    """What `match` finds."""

    by_sample: dict[int, str]
    """For each sample that has a result, its name."""
    missing: list[int]
    """Samples that have none."""
    extra: list[str]
    """Names that are of no sample."""


def names_of(dataset: GazeDataset, index: int) -> list[str]:
    """Return what the result of a sample may be called: its id, its picture's path, its stimulus; no ending.

    No picture is read where the data set can do without.
    """
    if isinstance(dataset, Joined):
        return names_of(*dataset.within(index))
    if isinstance(dataset, IndexedDataset):
        row = dataset.row(index)
        names = [row["id"].as_py(), row["image"].as_py().split("#")[-1]]
    else:
        names = [dataset.record(index)["id"]]
    stimulus = dataset.stimulus(index)
    named = [] if stimulus == str(index) else [stimulus]  # a data set without names counts its stimuli
    return list(dict.fromkeys(plain_stem(str(name)) for name in [*names, *named]))


def match(samples: Sequence[Sequence[str]], stimuli: Sequence[str], found: Mapping[str, object]) -> Matched:
    """Find the result of each sample.

    A sample's names are tried in their order, each as it is, then without the folders before it, one after the other;
    so are the results'. One result may serve several samples that show the same stimulus.

    Args:
        samples: Names of each sample (`names_of`).
        stimuli: Stimulus of each sample.
        found: The results by name, `haa.scoring.files.maps_in` say.

    Raises:
        InputError: If a name may mean several results, or a result may be that of several stimuli.

    Example:
        >>> match([["1001", "stimuli/1001"], ["1002", "stimuli/1002"]], ["a", "b"], {"out/1002": 0, "x": 0})
        Matched(by_sample={1: 'out/1002'}, missing=[0], extra=['x'])
    """
    by_tail: dict[str, list[str]] = defaultdict(list)
    for name in found:
        for tail in _tails(name):
            by_tail[tail].append(name)
    by_sample, missing = dict[int, str](), list[int]()
    owner: dict[str, int] = {}
    for number, names in enumerate(samples):
        own = _found(names, found, by_tail)
        if own is None:
            missing.append(number)
            continue
        other = owner.setdefault(own, number)
        if stimuli[other] != stimuli[number]:
            raise InputError(
                f"{found[own]} may be of {samples[other][0]} or of {samples[number][0]}: put it into a folder of that "
                "name"
            )
        by_sample[number] = own
    return Matched(by_sample, missing, [name for name in found if name not in owner])


def _found(names: Sequence[str], found: Mapping[str, object], by_tail: Mapping[str, list[str]]) -> str | None:
    for name in names:
        if name in found:
            return name
    for name in names:
        for tail in _tails(name):
            several = by_tail.get(tail, [])
            if len(several) > 1:
                raise InputError(f"{found[several[0]]} and {found[several[1]]} may both be of {tail}: give one folder")
            if several:
                return several[0]
    return None


def listed(names: Sequence[str]) -> str:
    """Return the first few of some names, and how many there are.

    Example:
        >>> listed(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    shown = ", ".join(short(str(name), 60) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def _tails(path: str) -> list[str]:
    parts = PurePosixPath(path).parts
    return ["/".join(parts[start:]) for start in range(len(parts))]
