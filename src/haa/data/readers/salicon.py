"""SALICON: 20,000 COCO images explored with the mouse under a blur that follows the retina's (Jiang et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from haa.data.dataset import Split
from haa.data.files.json_file import by_number, field, read_items
from haa.data.files.listing import matching
from haa.data.files.matlab import elements, matrix, read_mat
from haa.data.index import IndexedDataset, Missing
from haa.data.splits import published
from haa.errors import InputError, reading

Release = Literal[2015, 2017]
Points = Literal["fixations", "location"]


class SALICON(IndexedDataset):
    """Saliency in Context, in one of its two releases, whose recordings differ; a user names the release.

    **2015**: ``annotations/fixations_train2014.json`` and ``fixations_val2014.json`` (or a file of examples whose name
    begins so). ``fixations`` there are raw samples of the mouse, several thousand an image, as ``[row, column]``
    counted from 1. ``worker_id`` becomes the subject.

    **2017**: ``fixations/train/*.mat`` and ``fixations/val/*.mat``. There, ``gaze`` is a struct array with one element
    a worker: ``location`` (mouse samples), ``timestamp``, ``fixations`` (inferred from these). Points are ``[x, y]``
    counted from 1, the other way round than in 2015. Traces leave the picture; such points are left out and counted.
    Workers have no names: subjects are numbered per image. Files of this layout with 2015's recordings circulate too,
    and nothing in them tells which they are: give the folder of the release that you name.

    Both releases become x, y that count from 0. Images lie in ``images/train`` and ``images/val``. The fixations of the
    test part are not published, so the published validation part is the test split (`haa.data.splits.published`).

    Args:
        root: The folder that holds ``images`` and ``annotations`` or ``fixations``.
        split: ``train``, ``val`` or ``test``.
        release: Release to read, 2015 or 2017.
        points: What to read of 2017, ``fixations`` or the mouse's ``location``.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If the release is not there, or more than one file could be meant.

    Reference:
        M. Jiang, S. Huang, J. Duan, Q. Zhao. SALICON: Saliency in Context. CVPR 2015.
    """

    sigma = 19 / 640
    """The Gaussian with which the authors' evaluation code blurs points: 19 of 640 pixels. No eye was tracked."""

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        *,
        release: Release,
        points: Points = "fixations",
        missing: Missing = "raise",
        cache: str | Path | None = None,
    ) -> None:
        if release not in get_args(Release):
            raise InputError(f"data.release={release}: SALICON was published in 2015 and in 2017, name one of them")
        if points not in get_args(Points):
            raise InputError(f"data.points={points}: choose fixations or location")
        if release == 2015 and points == "location":
            raise InputError("data.points=location: the release of 2015 has one kind of points, leave points out")
        self.release, self.points = release, points
        self.outside = "raise" if release == 2015 else "drop"
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        parts = self._parts().values()
        return list(parts) if self.release == 2015 else [path for folder in parts for path in matching(folder, "*.mat")]

    def scan(self) -> Iterable[dict[str, Any]]:
        parts = self._parts()
        pools = published(parts)
        read = self._json if self.release == 2015 else self._mat
        for part, recordings in parts.items():
            for name, gaze in read(recordings):
                image = f"images/{part}/{name}"
                yield {"id": Path(name).stem, "image": image, "stimulus": name, "split": pools[part], **gaze}

    def _parts(self) -> dict[str, Path]:
        path_by_part = {part: path for part in ("train", "val") if (path := self._place(part)) is not None}
        if not path_by_part:
            raise InputError(
                f"data.root={self.root} holds no SALICON of {self.release}: it is "
                + ("annotations/fixations_train2014.json" if self.release == 2015 else "fixations/train/*.mat")
                + ", beside images/"
            )
        return path_by_part

    def _place(self, part: str) -> Path | None:
        if self.release == 2017:
            folder = self.root / "fixations" / part
            return folder if any(matching(folder, "*.mat")) else None
        files = matching(self.root, f"annotations/fixations_{part}2014*.json")
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise InputError(f"{self.root}/annotations holds {names}: leave one of them there")
        return files[0] if files else None

    def _json(self, path: Path) -> Iterator[tuple[str, dict[str, list[Any]]]]:
        images = by_number(read_items(path, "images"), "id", path)
        names = {number: field(image, "file_name", str, path) for number, image in images.items()}
        traces: dict[int, list[tuple[int, np.ndarray]]] = {number: [] for number in names}
        for entry in read_items(path, "annotations"):
            number, worker = field(entry, "image_id", int, path), field(entry, "worker_id", int, path)
            if number not in traces:
                raise InputError(f"{path} annotates image {number} but does not list it: fetch it again")
            with reading(f"{path}: what worker {worker} looked at in image {number}", "fetch it again"):
                trace = matrix(field(entry, "fixations", list, path), 2).astype(np.float32)
            traces[number].append((worker, trace))
        for number, name in names.items():
            yield name, _flat([(worker, trace[:, 1], trace[:, 0]) for worker, trace in traces.pop(number)])

    def _mat(self, folder: Path) -> Iterator[tuple[str, dict[str, list[Any]]]]:
        for path in matching(folder, "*.mat"):
            try:
                workers = [matrix(worker[self.points], 2) for worker in elements(read_mat(path, "gaze", "SALICON's"))]
            except InputError:
                raise
            except (KeyError, IndexError, TypeError, ValueError):
                raise InputError(
                    f"{path} is not laid out as SALICON's, gaze(i).{self.points} with two columns: fetch it again"
                ) from None
            yield f"{path.stem}.jpg", _flat([(i, xy[:, 0], xy[:, 1]) for i, xy in enumerate(workers, start=1)])


def _flat(traces: list[tuple[int, np.ndarray, np.ndarray]]) -> dict[str, list[Any]]:
    """Return the traces (subject, x, y), counted from 1, as flat lists, one trace after the other, counted from 0."""
    x = [value for _, xs, _ in traces for value in (xs - 1).tolist()]
    y = [value for _, _, ys in traces for value in (ys - 1).tolist()]
    return {"x": x, "y": y, "subject": [subject for subject, xs, _ in traces for _ in xs]}
