"""Command `haa data check`: reads a data set through, and says what it holds and what is wrong with it."""

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
from rich.table import Table
from torch import Tensor

from haa.data.care.gathered import Gathered
from haa.data.care.mistakes import mistakes
from haa.data.care.near_identical import near_identical, thumbnail
from haa.data.care.overlays import overlay_page
from haa.data.dataset import GazeDataset, Split
from haa.data.index import IndexedDataset, collecting_faults
from haa.data.readers.own import OwnData
from haa.data.scan import EXAMPLES
from haa.errors import InputError, reading
from haa.gaze import Gaze, Size, valid
from haa.printing.console import Console
from haa.printing.progress import progress

Make = Callable[..., GazeDataset]


@dataclass
class Found:
    """Counts of what one split holds.

    Attributes:
        samples: Number of samples.
        seen: Number of samples at which somebody looked.
        fixations: Number of fixations.
        repeated: Number of fixations that lie where another one of the same sample lies.
        people: Numbers of the subjects.
        sizes: Number of pictures of each (height, width).
    """

    samples: int = 0
    seen: int = 0
    fixations: int = 0
    repeated: int = 0
    people: set[int] = field(default_factory=set)
    sizes: Counter[Size] = field(default_factory=Counter)


@dataclass
class Faults:
    """Faults of a data set by kind: how many there are, and the first few messages."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, message: str, count: int = 1) -> None:
        """Count a fault, and keep its message if fewer than `EXAMPLES` of its kind are kept.

        Args:
            kind: The kind of fault.
            message: One line that names the fault.
            count: Number of faults to count; 0 keeps the message alone.
        """
        self.counts[kind] += count
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(message)


def check(make: Make, against: Make | None = None, picture: Path | None = None) -> bool:
    """Read every sample of every split, print what there is, and return whether it is free of faults.

    Every fault is collected; none stops the reading. A page of overlays is drawn where ``picture`` names a file.

    Args:
        make: Makes the data set; called with ``split=``.
        against: Makes another data set, whose validation and test splits must not hold pictures of this one: a
            captioning model that learns from the gaze on a picture must not be tested on that picture.
        picture: File to which the page of overlays is written; None draws none.
    """
    console = Console()
    faults, counts_by_split = Faults(), {}
    datasets = dict(_open(make, faults))
    pictures = _Pictures()
    gathered = Gathered()
    for split, data in datasets.items():
        counts_by_split[split] = _read(split, data, faults, pictures, gathered)
    suspicions = _geometry(datasets, gathered, faults)
    own = next((data for data in datasets.values() if isinstance(data, OwnData)), None)
    pair_notes = _compare(pictures, faults, own is not None and own.split_by == "subject")
    overlap_notes = _overlap(datasets, against, faults) if against is not None else []
    notes = [*(own.counted() if own else ()), *pair_notes, *overlap_notes]
    _print(console, datasets, counts_by_split, faults, suspicions, notes)
    if picture is not None and datasets:
        drawn_count = _draw(datasets, picture)
        console.print(f"{drawn_count} samples with what is recorded of them: {picture}")
    return not faults.counts


def _open(make: Make, faults: Faults) -> Iterator[tuple[Split, GazeDataset]]:
    noted: set[str] = set()
    indexed = False  # the splits of an index share its faults
    for split in get_args(Split):
        try:
            with collecting_faults():
                data = make(split=split)
        except InputError as error:
            if str(error) not in noted:
                faults.add("cannot be read", str(error))
            noted.add(str(error))
            continue
        if isinstance(data, IndexedDataset) and not indexed:
            for kind, fault in data.faults.items():
                if kind in data.told():  # an option's doing, which is noted
                    continue
                for message in fault["examples"]:
                    faults.add(kind, message, 0)
                faults.counts[kind] += fault["count"]
            indexed = True
        yield split, data


class _Pictures:
    """Thumbnails of the pictures, one each, with the split and the file in which each occurs."""

    def __init__(self) -> None:
        self.names: list[tuple[Split, str]] = []
        self.labels: list[int | None] = []
        self.thumbnails: list[np.ndarray] = []


def _read(split: Split, data: GazeDataset, faults: Faults, pictures: _Pictures, gathered: Gathered) -> Found:
    counts = Found(samples=len(data))
    ids: Counter[str] = Counter()
    files_read: set[str] = set()
    with progress() as bar:
        for index in bar.track(range(len(data)), description=f"reading {split}"):
            file = str(data.path(index)) if isinstance(data, IndexedDataset) else data.stimulus(index)
            try:
                sample = data.record(index) if file in files_read else data[index]
            except InputError as error:
                faults.add("unreadable", str(error))
                files_read.add(file)
                continue
            ids[sample["id"]] += 1
            gaze, image = sample.get("gaze"), None
            if file not in files_read:
                files_read.add(file)
                image = sample["image"] if "image" in sample else sample["clip"][len(sample["clip"]) // 2]
                counts.sizes[tuple(image.shape[-2:])] += 1
                pictures.names.append((split, file))
                pictures.labels.append(sample.get("label"))
                pictures.thumbnails.append(thumbnail(image))
            counts.seen += data.looked(index)
            if gaze is not None:
                _look_at_gaze(sample["id"], gaze, counts, faults)
                gathered.add(file, gaze, image)
            if "answers" in sample and not any(answer.strip() for answer in sample["answers"]):
                faults.add("question without answer", f"sample {sample['id']}: {sample['question']!r} has no answer")
    for name, count in ids.items():
        if count > 1:
            faults.add("id twice", f"{count} samples of {split} are called {name}")
    return counts


def _geometry(datasets: dict[Split, GazeDataset], gathered: Gathered, faults: Faults) -> list[str]:
    """Add the likely mistakes in the geometry of gaze as faults, and return those that are only suspected."""
    first = next(iter(datasets.values()), None)
    if isinstance(first, IndexedDataset) and "outside" in first.faults:  # the index has left these points out
        with reading(first.root):
            gathered = gathered.from_rows(first.scan(), first.root)
    found = mistakes(gathered.gazed())
    for mistake in found:
        if mistake.certain:
            faults.add(f"sign of a mistake, {mistake.name}", str(mistake))
    return [f"{mistake.name}? {mistake}" for mistake in found if not mistake.certain]


def _look_at_gaze(name: str, gaze: Gaze, found: Found, faults: Faults) -> None:
    found.fixations += len(gaze.points)
    found.repeated += len(gaze.points) - len(torch.unique(gaze.points, dim=0))
    if gaze.subject is not None:
        found.people.update(gaze.subject.unique().tolist())
    outside: Tensor = ~valid(gaze.points, gaze.size)
    for x, y in gaze.points[outside].tolist():
        faults.add("outside", f"sample {name}: a fixation at x={x:g}, y={y:g} outside {gaze.size[1]} x {gaze.size[0]}")


def _compare(pictures: _Pictures, faults: Faults, by_people: bool) -> list[str]:
    pairs_within_split = 0
    for one, other in near_identical(pictures.thumbnails):
        (split, name), (other_split, other_name) = pictures.names[one], pictures.names[other]
        pairs_within_split += split == other_split
        pair = f"{name} ({split}) and {other_name} ({other_split}) are the same picture, or nearly"
        if split != other_split and not by_people:
            faults.add("picture in two splits", pair)
        if pictures.labels[one] != pictures.labels[other]:
            faults.add("picture with two labels", pair)
    return [f"{pairs_within_split} pairs of near-identical pictures within a split"] if pairs_within_split else []


def _overlap(datasets: dict[Split, GazeDataset], against: Make, faults: Faults) -> list[str]:
    """Add a fault for each picture that the other data set tests on, and return a note of how many the two share.

    Pictures are compared by COCO's number where names have one, else by name; those without gaze are left aside.
    """
    split_there: dict[str, str] = {}
    with collecting_faults():
        reference = against(split="test")
    if isinstance(reference, IndexedDataset):
        split_there = {picture_name(image): split for image, split in reference.listed()}
        title = type(reference).__name__
    else:
        raise InputError(f"against: {type(reference).__name__} does not list its pictures: compare with another one")
    counts: Counter[str] = Counter()
    names: set[str] = set()
    for split, data in datasets.items():
        for index in range(len(data)):
            file = str(data.path(index)) if isinstance(data, IndexedDataset) else data.stimulus(index)
            name = picture_name(file)
            if name in names:
                continue
            names.add(name)
            if name in split_there and data.looked(index):
                counts[split_there[name]] += 1
                if split_there[name] != "train":
                    faults.add(
                        f"tested on in {title}",
                        f"{file} ({split}, with gaze) is in the {split_there[name]} split there",
                    )
    shared = ", ".join(f"{counts[split]} in its {split} split" for split in get_args(Split))
    return [f"of {len(names)} pictures here, {title} has some that have gaze: {shared}"]


def picture_name(path: str) -> str:
    """Return a name that all files of a picture share: COCO's number where the file's name holds one, else that name.

    The file's name is taken without folder and ending.

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
    """Return the indices of readable samples, evenly spread; samples with gaze are taken first."""
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
    suspicions: Sequence[str],
    notes: Sequence[str],
) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("split", "samples", "pictures", "with gaze", "without", "fixations", "people"):
        table.add_column(column, justify="left" if column == "split" else "right", no_wrap=True)
    for split, counts in found.items():
        people = str(len(counts.people)) if counts.people else "-"
        pictures, without = sum(counts.sizes.values()), counts.samples - counts.seen
        numbers = counts.samples, pictures, counts.seen, without, counts.fixations
        table.add_row(split, *map(str, numbers), people)
    if datasets:
        first = next(iter(datasets.values()))
        console.print(f"\n{type(first).__name__}{' (simulated gaze)' if first.simulated else ''}", style="bold")
        console.print(table)
    repeated = sum(counts.repeated for counts in found.values())
    repeated_notes = [f"{repeated} fixations lie where another one of the same picture lies"] if repeated else []
    for note in [_sizes(sum((counts.sizes for counts in found.values()), Counter())), *repeated_notes, *notes]:
        console.print(note)
    for kind, count in faults.counts.most_common():
        console.print(f"{count} x {kind}", style="bold red")
        for message in faults.examples[kind][:3]:
            console.print(f"    {message}", soft_wrap=True)
        if count > 3:
            console.print(f"    ... and {count - 3} more")
    for suspicion in suspicions:
        console.print(suspicion, style="bold yellow", soft_wrap=True)
    suspected = f", and {len(suspicions)} suspicion" if suspicions else ""
    none = f"no certain fault{suspected}" if suspicions else "no faults found"
    console.print(f"{len(faults.counts)} kinds of faults{suspected}" if faults.counts else none, style="bold")


def _sizes(sizes: Counter[Size]) -> str:
    """Return the sizes of the pictures in words.

    Example:
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
