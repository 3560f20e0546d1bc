"""Base class of readers that look through a data set once: what they find goes into an index on disk, then mapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2.functional import resize

from haa.data import build_index
from haa.data.dataset import GazeDataset, Identity, Split
from haa.data.files.density import read_density
from haa.data.files.image import read_image
from haa.data.files.mask import read_mask
from haa.data.files.packed import File
from haa.data.scan import BATCH, Fault, Outside
from haa.data.splits import SHARES, Folds
from haa.disk.stored import Rows, read_json, write_json
from haa.errors import InputError
from haa.gaze import Gaze, Size, Weight, weighed

Missing = Literal["raise", "drop"]

ABSENT = ("absent image", "image without annotation", "annotation without image")
"""Kinds of faults that ``missing=drop`` allows for: an image, or what belongs to it, is absent."""

MOST_OUTSIDE = 0.1
"""Largest share of a published data set's fixations that ``outside = "drop"`` leaves out."""

_collecting: ContextVar[bool] = ContextVar("collecting", default=False)


@contextmanager
def collecting_faults() -> Iterator[None]:
    """Let data sets open whatever is wrong with them; `IndexedDataset.faults` says what it is (`haa data check`)."""
    token = _collecting.set(True)
    try:
        yield
    finally:
        _collecting.reset(token)


class IndexedDataset(GazeDataset):
    """A data set that is read through once, into an index from which any sample is then found in microseconds.

    A subclass implements `scan` and `sources`. If it has attributes of its own, it sets them before it calls this
    constructor, because they are part of the index's name. The index lies in the cache, never in ``root``, which may
    be read-only. It is built anew when a source, an image, an argument or the reader's code has changed. Workers and
    processes map the same file.

    Args:
        root: The data set's folder.
        split: ``train``, ``val`` or ``test``.
        missing: What to do about annotations whose image is absent: ``raise``, or ``drop`` them and say how many.
        cache: Folder that holds the index; None is the folder that ``HAA_CACHE`` names, else ``.cache``.

    Raises:
        InputError: If something in the data cannot be used; the message names the file and the sample.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> class Mine(IndexedDataset):
        ...     def sources(self):
        ...         return [self.root / "points.txt"]
        ...     def scan(self):
        ...         for line in (self.root / "points.txt").read_text().splitlines():
        ...             name, x, y = line.split()
        ...             yield {"id": name, "image": name, "split": "train", "x": [float(x)], "y": [float(y)]}
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (8, 6)).save(folder / "a.png")
        >>> _ = (folder / "points.txt").write_text("a.png 7 5")
        >>> Mine(folder, cache=folder / "cache")[0]["gaze"].points
        tensor([[7., 5.]])
    """

    columns: ClassVar[Mapping[str, pa.DataType]] = {}
    """Further keys of `scan`'s samples, with their types: a sample that has one carries it as it is."""

    outside: Outside = "raise"
    """``drop`` where the publisher's own files hold fixations outside their stimulus: they are left out and counted.

    More than `most_outside` of all fixations are refused even so: then the axes or the pictures are other ones.
    """

    most_outside: ClassVar[float] = MOST_OUTSIDE
    """Largest share of all fixations that is left out."""

    hints: ClassVar[Mapping[str, str]] = {}
    """What an option can do about faults of a kind."""

    weight: Weight | None = None
    """What fixations weigh by in densities (`haa.gaze.weighed`)."""

    folds: Folds | None = None
    """Folds that take the place of `shares` (`haa.data.splits.assign_splits`)."""

    one_split: bool = False
    """Whether a picture that is given to two splits is a fault. Publishers' own splits are taken as they are."""

    graded: ClassVar[bool] = False
    """Whether masks are published as shares of annotators (`haa.data.files.mask.read_mask`)."""

    shown: ClassVar[Sequence[str]] = ("content",)
    """Columns of the index that say which picture or clip a sample shows."""

    shares: ClassVar[Mapping[Split, float]] = SHARES
    """Relative sizes of the splits that the rule makes (`haa.data.splits.assign_splits`)."""

    def __init__(
        self, root: str | Path, split: Split = "train", missing: Missing = "raise", cache: str | Path | None = None
    ) -> None:
        arguments = dict(vars(self))
        self.root = Path(root).expanduser()
        if split not in get_args(Split):
            raise InputError(f"{type(self).__name__} has no split {split!r}: choose one of train, val, test")
        if missing not in get_args(Missing):
            raise InputError(f"data.missing={missing}: choose raise or drop")
        if not self.root.is_dir():
            raise InputError(f"data.root={root} does not exist: give the folder that holds the data")
        self.split, self.missing, self.cache = split, missing, cache
        self._folder = build_index.ensure(self, arguments, cache)
        summary = read_json(self._folder / build_index.SUMMARY, self._cure)
        self.classes: list[str] = summary["classes"]
        self.faults: dict[str, Fault] = summary["faults"]
        self.multilabel = build_index.LABELS in self._columns
        self.notes = list(self._judge())

    def scan(self) -> Iterable[dict[str, Any]]:
        """Yield every sample of all splits, in a fixed order, one plain dict each; leave out what does not apply.

        Every sample needs ``id`` (str) and ``image`` (path, relative to the root, of the file that holds the stimulus).
        It may have:

        - ``height``, ``width`` (else read from the image's header), ``stimulus`` (the picture's name, else ``image``);
        - ``split`` (as published; ``train+val`` lets the rule divide it, absent is all three);
        - gaze as flat lists: ``x``, ``y`` (0-based float pixels of the stimulus, in order), ``duration`` (ms),
          ``subject``, ``frame`` (int);
        - ``mask`` (path relative to the root), ``density`` (list of such paths of published maps of gaze, of which the
          mean is taken);
        - ``question``, ``answers``, ``captions``, ``label``;
        - ``labels`` (a value per class in the place of ``label``: 1 present, 0 absent, -1 unknown; a sample without
          them knows none where others have some), once ``self.classes`` are set;
        - the subclass' own `columns`.

        A sample that cannot be used is ``{"fault": kind, "message": one line that names it and the cure}``: opening the
        data set raises the message, and `haa data check` lists it. `scan` may set ``self.classes`` on the way.
        """
        raise NotImplementedError

    def sources(self) -> Sequence[Path]:
        """Return the files (or folders, for their lists of files) that `scan` reads: a change makes the index stale."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.record(index)
        image = read_image(self.file(self.row(index)["image"].as_py()))
        if "mask" in sample and sample["mask"].shape != image.shape[-2:]:
            mask_size, image_size = (" x ".join(map(str, raster.shape[-2:])) for raster in (sample["mask"], image))
            raise InputError(f"the mask of {self.path(index)} is {mask_size}, the image {image_size}: fetch both again")
        return {**sample, "image": image}

    def record(self, index: int) -> dict[str, Any]:
        row = self.row(index)
        sample: dict[str, Any] = {"id": row["id"].as_py(), "gaze": _gaze(row, self.weight)}
        for key in (*build_index.TEXTS, *self.columns):
            if key in row and row[key].is_valid:
                sample[key] = row[key].as_py()
        if build_index.LABELS in row:
            known = row["labels"].as_py()
            sample["labels"] = torch.tensor([-1] * len(self.classes) if known is None else known, dtype=torch.int8)
        if "mask" in row and row["mask"].is_valid:
            sample["mask"] = tv_tensors.Mask(read_mask(self.file(row["mask"].as_py()), self.graded))
        if "density" in row:
            files = [self.file(name) for name in row["density"].as_py() or ()]
            sample["density"] = mean_map(files, (row["height"].as_py(), row["width"].as_py()))
        return sample

    def gaze(self, index: int) -> Gaze | None:
        return _gaze(self.row(index), self.weight)

    def looked(self, index: int) -> bool:
        row = self.row(index)
        return super().looked(index) or ("density" in row and row["density"].is_valid)

    def native_sizes(self) -> Iterable[Size]:
        return zip(self.values("height"), self.values("width"), strict=True)

    def stimulus(self, index: int) -> str:
        return self.row(index)["stimulus"].as_py()

    def strings(self, key: str) -> Iterable[str]:
        if key not in self._columns or key not in build_index.TEXTS:
            return super().strings(key)
        return (text for value in self.values(key) for text in ([value] if isinstance(value, str) else value or ()))

    def fingerprint(self) -> str:
        return self._digest(self.shown)

    def identity(self) -> Identity:
        known = self._folder / f"{self.split}.json"  # as old as the index: what makes the index stale takes it away
        if not known.is_file():
            write_json(known, self._identity())
        return read_json(known, self._cure)  # type: ignore[return-value]

    def _identity(self) -> Identity:
        own = [key for key in self.columns if key not in self.shown]
        return {
            "ids": self._digest(("id", "stimulus")),
            "stimuli": self.fingerprint(),
            "gaze": self._digest(build_index.GAZE, *([self.weight] if self.weight else [])),
            "labels": self._digest((*build_index.TEXTS, build_index.LABELS, "mask_content", *own), list(self.classes)),
        }

    def listed(self) -> Iterator[tuple[str, Split]]:
        """Yield the image of every sample of all splits, absent images too, with the split."""
        image, split = self._columns.index("image"), self._columns.index("split")
        for number in range(self._batches.reader.num_record_batches):
            batch = self._batches[number]
            yield from zip(batch[image].to_pylist(), batch[split].to_pylist(), strict=True)

    def path(self, index: int) -> Path:
        """Return the file that holds the stimulus of sample ``index``."""
        return Path(str(self.file(self.row(index)["image"].as_py())))

    def file(self, name: str) -> File:
        """Return the file that `scan` calls so."""
        return self.root / name

    def row(self, index: int) -> dict[str, Any]:
        """Return the row of sample ``index`` in the index: an Arrow scalar for each column."""
        number = int(self._rows[index])
        columns = self._batches[number // BATCH]
        return dict(zip(self._columns, (column[number % BATCH] for column in columns), strict=True))

    def values(self, key: str) -> Iterator[Any]:
        """Yield the values of one column over the split, in order, without holding them all in memory."""
        return (value for column in self._chunks(key) for value in column.to_pylist())

    def _chunks(self, key: str) -> Iterator[pa.Array]:
        column_number = self._columns.index(key)
        numbers, starts = np.unique(self._rows // BATCH, return_index=True)  # rows are in order
        for number, rows in zip(numbers.tolist(), np.split(self._rows, starts[1:]), strict=False):
            yield self._batches[number][column_number].take(pa.array(rows % BATCH))

    def _digest(self, keys: Sequence[str], *more: Any) -> str:
        """Return a digest of columns over the split; a column without values leaves no trace."""
        digest = hashlib.sha256(json.dumps([len(self), *more]).encode())
        for key in keys:
            streams = [hashlib.sha256() for _ in range(build_index.STREAMS)]
            filled = False
            for column in self._chunks(key) if key in self._columns else ():
                filled |= column.null_count < len(column)
                for stream, part in zip(streams, build_index.parts(column), strict=False):
                    stream.update(part)
            if filled:
                digest.update(json.dumps([key, *(stream.hexdigest() for stream in streams)]).encode())
        return digest.hexdigest()

    @cached_property
    def _batches(self) -> build_index.Batches:
        return build_index.Batches(self._folder / build_index.MAPPED)

    @cached_property
    def _columns(self) -> list[str]:
        return self._batches.reader.schema.names

    @cached_property
    def _rows(self) -> np.ndarray:
        splits = Rows(self._folder / build_index.SPLITS)[0]
        return np.flatnonzero(splits == get_args(Split).index(self.split))

    @property
    def _cure(self) -> str:
        return f"delete the folder {self._folder}, it is made again"

    def told(self) -> dict[str, str]:
        """Return the kinds of faults that an option of the user's allows for, each with what was done."""
        return {}

    def _judge(self) -> Iterator[str]:
        """Yield a note on each fault that is allowed for; raise the first that is not."""
        allowed = dict.fromkeys(ABSENT, "left out") if self.missing == "drop" else {}
        allowed |= ({"outside": "left out"} if self.outside == "drop" else {}) | self.told()
        for kind, fault in self.faults.items():
            count, first = fault["count"], fault["examples"][0]
            more = f" ({count} such)" if count > 1 else ""
            if kind in allowed and kind == "outside" and not _collecting.get():
                self._check_share(fault)
            if kind in allowed or _collecting.get():
                yield f"{type(self).__name__}: {count} x {kind}, {allowed.get(kind, 'left out')}; the first: {first}"
            elif kind in ABSENT:
                raise InputError(f"{first}{more}: provide it, or set data.missing=drop to go on without")
            else:
                raise InputError(f"{first}{more}{self.hints.get(kind, '')}")

    def _check_share(self, fault: Fault) -> None:
        """Refuse fixations outside that are too many for glances off the picture, or lie as exchanged axes do."""
        count, points = fault["count"], fault["points"]
        exchanged = fault.get("exchanged", 0) > 0.9 * count and count > MOST_OUTSIDE * points
        if exchanged or count > self.most_outside * points:
            most = MOST_OUTSIDE if exchanged else self.most_outside
            raise InputError(
                f"{type(self).__name__}: {count} of {points} fixations lie outside their pictures, of which up to "
                f"{most:.0%} are left out: are x and y exchanged, or are the pictures of another size than the "
                f"published ones? The first: {fault['examples'][0]}"
            )

    def __getstate__(self) -> dict[str, Any]:
        # a worker maps the file itself
        return {key: value for key, value in vars(self).items() if key not in ("_rows", "_columns", "_batches")}


def mean_map(paths: Sequence[File], size: Size) -> Float[Tensor, "h w"]:
    """Return the mean of published maps of gaze at the size of their stimulus; zeros where there is none.

    Each map is made to sum to 1 before the mean is taken.

    Args:
        paths: Files of the maps.
        size: (height, width) of the stimulus.

    Raises:
        InputError: If a map has another shape than the stimulus: it is another picture's, or lies on its side.
    """
    total = torch.zeros(size)
    for path in paths:
        map_ = read_density(path)
        h, w = map_.shape
        if abs(h / w - size[0] / size[1]) > 0.05 * size[0] / size[1]:
            raise InputError(f"{path} is {h} x {w} and its image {size[0]} x {size[1]}: not the map of this image")
        if (h, w) != size:
            map_ = resize(map_[None], list(size), antialias=True)[0]
        total += map_ / map_.sum().clamp_min(torch.finfo(map_.dtype).tiny)
    return total / max(1, len(paths))


def _gaze(row: Mapping[str, Any], weight: Weight | None) -> Gaze | None:
    if "x" not in row or not row["x"].is_valid or not len(row["x"]):
        return None

    def values(key: str, dtype: torch.dtype) -> torch.Tensor | None:
        if key not in row or not row[key].is_valid:
            return None
        return torch.tensor(row[key].values.to_numpy(zero_copy_only=False), dtype=dtype)

    x, y = values("x", torch.float32), values("y", torch.float32)
    assert x is not None
    assert y is not None
    further = {key: values(key, torch.int64) for key in ("subject", "frame") if key in row and row[key].is_valid}
    size = row["height"].as_py(), row["width"].as_py()
    gaze = Gaze(torch.stack([x, y], 1), size, duration=values("duration", torch.float32), **further)
    return gaze if weight is None else weighed(gaze, weight)
