"""`haa data check`: read a data set through, and say what it holds and what is wrong with it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from haa.data.build_index import EXAMPLES
from haa.data.care.near_identical import near_identical, thumbnail
from haa.data.care.overlays import overlay_page
from haa.data.dataset import GazeDataset, Split
from haa.data.index import IndexedDataset, collecting_faults
from haa.errors import InputError
from haa.gaze import Gaze, Size, valid

Make = Callable[..., GazeDataset]

EXCHANGED = "sign that x and y were exchanged"


@dataclass
class Found:
    """What one split holds."""

    samples: int = 0
    seen: int = 0
    fixations: int = 0
    repeated: int = 0
    people: set[int] = field(default_factory=set)
    sizes: Counter[Size] = field(default_factory=Counter)


@dataclass
class Faults:
    """What is wrong, by kind: how often, and the first few in words."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, message: str, count: int = 1) -> None:
        self.counts[kind] += count
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(message)


@dataclass
class Axes:
    """What tells that x and y were exchanged: points beyond the short side of a picture, along its long side."""

    points: int = 0
    along: int = 0
    across: int = 0

    def add(self, gaze: Gaze) -> None:
        h, w = gaze.size
        if h == w or not len(gaze.points):
            return
        x, y = gaze.points.unbind(1)
        long, short = (x, y) if w > h else (y, x)
        self.points += len(x)
        self.along += int((long > min(h, w) - 0.5).sum())
        self.across += int((short > 0.9 * min(h, w)).sum())

    def suspicious(self) -> bool:
        return self.points >= 100 and self.along == 0 and self.across > 0


def check(make: Make, against: Make | None = None, picture: Path | None = None) -> bool:
    """Read every sample of every split, print what there is, draw a page of overlays; False where there are faults.

    Every fault is collected; none stops the reading.

    Args:
        make: called with ``split=``.
        against: another data set, whose validation and test splits must not hold pictures of this one: a captioning
            model that learns from the gaze on a picture must not be tested on that picture.
        picture: where the page of overlays is written; None draws none.
    """
    console = Console()
    faults, found = Faults(), {}
    datasets = dict(_open(make, faults))
    pictures = _Pictures()
    axes = Axes()
    for split, data in datasets.items():
        found[split] = _read(split, data, faults, pictures, axes)
    if axes.suspicious():
        faults.add(
            EXCHANGED,
            f"none of {axes.points} fixations lies, along the long side of its picture, where the short side would end",
        )
    together = _compare(pictures, faults)
    overlap = _overlap(datasets, against, faults) if against is not None else []
    _print(console, datasets, found, faults, [*together, *overlap])
    if picture is not None and datasets:
        drawn = _draw(datasets, picture)
        console.print(f"{drawn} samples with what is recorded of them: {picture}", highlight=False)
    return not faults.counts


def _open(make: Make, faults: Faults) -> Iterator[tuple[Split, GazeDataset]]:
    known: set[str] = set()
    for split in get_args(Split):
        try:
            with collecting_faults():
                data = make(split=split)
        except InputError as error:
            if str(error) not in known:
                faults.add("cannot be read", str(error))
            known.add(str(error))
            continue
        if isinstance(data, IndexedDataset) and not known:
            for kind, fault in data.faults.items():
                for message in fault["examples"]:
                    faults.add(kind, message, 0)
                faults.counts[kind] += fault["count"]
                if fault.get("exchanged", 0) > 0.9 * fault["count"]:
                    faults.add(
                        EXCHANGED, f"{fault['exchanged']} of {fault['count']} fixations outside would lie inside"
                    )
            known.add("index")
        yield split, data


class _Pictures:
    """One thumbnail for each picture, with where it occurs."""

    def __init__(self) -> None:
        self.names: list[tuple[Split, str]] = []
        self.labels: list[int | None] = []
        self.thumbnails: list[np.ndarray] = []
        self.rows: dict[tuple[Split, str], int] = {}


def _read(split: Split, data: GazeDataset, faults: Faults, pictures: _Pictures, axes: Axes) -> Found:
    found = Found(samples=len(data))
    ids: Counter[str] = Counter()
    shown: set[str] = set()
    bar = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*bar, console=Console(stderr=True)) as progress:
        for index in progress.track(range(len(data)), description=f"reading {split}"):
            file = str(data.path(index)) if isinstance(data, IndexedDataset) else data.stimulus(index)
            try:
                sample = data.record(index) if file in shown else data[index]
            except InputError as error:
                faults.add("unreadable", str(error))
                shown.add(file)
                continue
            ids[sample["id"]] += 1
            gaze = sample.get("gaze")
            if file not in shown:
                shown.add(file)
                image = sample["image"] if "image" in sample else sample["clip"][len(sample["clip"]) // 2]
                found.sizes[tuple(image.shape[-2:])] += 1
                pictures.names.append((split, file))
                pictures.labels.append(sample.get("label"))
                pictures.thumbnails.append(thumbnail(image))
            found.seen += data.looked(index)
            if gaze is not None:
                _look_at_gaze(sample["id"], gaze, found, faults)
                axes.add(gaze)
            if "answers" in sample and not any(answer.strip() for answer in sample["answers"]):
                faults.add("question without answer", f"sample {sample['id']}: {sample['question']!r} has no answer")
    for name, count in ids.items():
        if count > 1:
            faults.add("id twice", f"{count} samples of {split} are called {name}")
    return found


def _look_at_gaze(name: str, gaze: Gaze, found: Found, faults: Faults) -> None:
    found.fixations += len(gaze.points)
    found.repeated += len(gaze.points) - len(torch.unique(gaze.points, dim=0))
    if gaze.subject is not None:
        found.people.update(gaze.subject.unique().tolist())
    outside: Tensor = ~valid(gaze.points, gaze.size)
    for x, y in gaze.points[outside].tolist():
        faults.add("outside", f"sample {name}: a fixation at x={x:g}, y={y:g} outside {gaze.size[1]} x {gaze.size[0]}")


def _compare(pictures: _Pictures, faults: Faults) -> list[str]:
    same = 0
    for one, other in near_identical(pictures.thumbnails):
        (split, name), (other_split, other_name) = pictures.names[one], pictures.names[other]
        same += split == other_split
        pair = f"{name} ({split}) and {other_name} ({other_split}) are the same picture, or nearly"
        if split != other_split:
            faults.add("picture in two splits", pair)
        if pictures.labels[one] != pictures.labels[other]:
            faults.add("picture with two labels", pair)
    return [f"{same} pairs of near-identical pictures within a split"] if same else []


def _overlap(datasets: dict[Split, GazeDataset], against: Make, faults: Faults) -> list[str]:
    """Pictures of this data set that the other one tests on: by COCO's number where names have one, else by name."""
    other: dict[str, str] = {}
    with collecting_faults():
        reference = against(split="test")
    if isinstance(reference, IndexedDataset):
        other = {picture_name(image): split for image, split in reference.listed()}
        title = type(reference).__name__
    else:
        raise InputError(f"against: {type(reference).__name__} does not list its pictures: compare with another one")
    counts: Counter[str] = Counter()
    total: set[str] = set()
    for split, data in datasets.items():
        for index in range(len(data)):
            file = str(data.path(index)) if isinstance(data, IndexedDataset) else data.stimulus(index)
            name = picture_name(file)
            if name in total:
                continue
            total.add(name)
            if name in other and data.looked(index):
                counts[other[name]] += 1
                if other[name] != "train":
                    faults.add(
                        f"tested on in {title}", f"{file} ({split}, with gaze) is in the {other[name]} split there"
                    )
    shared = ", ".join(f"{counts[split]} in its {split} split" for split in get_args(Split))
    return [f"of {len(total)} pictures here, {title} has some that have gaze: {shared}"]


def picture_name(path: str) -> str:
    """The same for the same picture: COCO's number where the name holds one, else the file's name.

    Example:
        >>> picture_name("images/train/COCO_train2014_000000123067.jpg"), picture_name("a/1001.jpg")
        ('000000123067', '1001')
    """
    stem = Path(path).stem
    match = re.search(r"(?<!\d)\d{12}(?!\d)", stem)
    return match[0] if match else stem


def _draw(datasets: dict[Split, GazeDataset], picture: Path, fields: int = 12) -> int:
    chosen = [_spread(data, fields // len(datasets)) for data in datasets.values()]
    names = ", ".join(f"{len(c)} of {split}" for split, c in zip(datasets, chosen, strict=True))
    first = next(iter(datasets.values()))
    gaze = " (simulated gaze)" if first.simulated else ""
    overlay_page(list(datasets.values()), chosen, f"{type(first).__name__}{gaze}: {names}").savefig(picture, dpi=110)
    return sum(map(len, chosen))


def _spread(data: GazeDataset, count: int) -> list[int]:
    """Readable samples, evenly spread; those with gaze first."""
    candidates = np.linspace(0, len(data) - 1, min(len(data), 8 * count)).round().astype(int).tolist()
    picked: list[int] = []
    for index in sorted(candidates, key=lambda i: not data.looked(i)):
        if len(picked) == count:
            break
        try:
            data[index]
        except InputError:
            continue
        picked.append(index)
    return sorted(picked)


def _print(
    console: Console,
    datasets: dict[Split, GazeDataset],
    found: dict[Split, Found],
    faults: Faults,
    notes: Sequence[str],
) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("split", "samples", "pictures", "with gaze", "without", "fixations", "people"):
        table.add_column(column, justify="left" if column == "split" else "right", no_wrap=True)
    for split, one in found.items():
        people = str(len(one.people)) if one.people else "-"
        counts = one.samples, sum(one.sizes.values()), one.seen, one.samples - one.seen, one.fixations
        table.add_row(split, *map(str, counts), people)
    if datasets:
        first = next(iter(datasets.values()))
        console.print(f"\n[bold]{type(first).__name__}[/]{' (simulated gaze)' if first.simulated else ''}")
        console.print(table)
    repeated = sum(one.repeated for one in found.values())
    again = [f"{repeated} fixations lie where another one of the same picture lies"] if repeated else []
    for note in [_sizes(sum((one.sizes for one in found.values()), Counter())), *again, *notes]:
        console.print(note, highlight=False, markup=False)
    for kind, count in faults.counts.most_common():
        console.print(f"[bold red]{count} x {kind}[/]", highlight=False)
        for message in faults.examples[kind][:3]:
            console.print(f"    {message}", highlight=False, markup=False, soft_wrap=True)
        if count > 3:
            console.print(f"    ... and {count - 3} more", highlight=False)
    console.print("no faults found" if not faults.counts else f"{len(faults.counts)} kinds of faults", style="bold")


def _sizes(sizes: Counter[Size]) -> str:
    """Example:
    >>> _sizes(Counter({(600, 800): 3}))
    'pictures of 600 x 800 pixels (h x w)'
    """
    if not sizes:
        return "no picture could be read"
    (h, w), count = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return f"pictures of {h} x {w} pixels (h x w)"
    heights, widths = zip(*sizes, strict=True)
    return (
        f"pictures of {len(sizes)} sizes (h x w): {count} have {h} x {w}; heights {min(heights)} to {max(heights)}, "
        f"widths {min(widths)} to {max(widths)}"
    )
