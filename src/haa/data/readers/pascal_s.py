"""PASCAL-S: 850 photos of PASCAL VOC with graded masks and with the fixations of twelve people (Li et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.files.matlab import read_cells
from haa.data.index import IndexedDataset
from haa.data.readers.salient_objects import scan_masks
from haa.errors import InputError


class PASCALS(IndexedDataset):
    """Photos ``imgs/pascal/<n>.jpg``, masks ``masks/pascal/<n>.png``, fixations in ``fixations/pascalFix.mat``.

    A mask's grey value is the share of annotators who chose the object; half of them or more make it salient, as is
    customary. ``fixCell{n}`` holds the fixations of photo n as ``[y, x, subject]``, row before column, counted from 1.
    The file is of Matlab's version 7.3, which is HDF5: this reader needs ``h5py`` for it, and sees every matrix
    transposed. Without the folder ``fixations`` no photo has gaze. There are no durations.

    There is no published split, and papers test on all of it: `haa.data.splits` divides it.

    Args:
        root: The folder ``datasets`` of ``salObj.zip``, or the one that holds it.
        split: ``train``, ``val`` or ``test``.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If a file is missing or not laid out so, or h5py is not installed.

    Reference:
        Y. Li, X. Hou, C. Koch, J. M. Rehg, A. L. Yuille. The Secrets of Salient Object Segmentation. CVPR 2014.
    """

    graded = True
    outside = "drop"

    def sources(self) -> Sequence[Path]:
        folder = self._folder_of()
        return [self.root / folder / path for path in ("imgs/pascal", "masks/pascal", "fixations/pascalFix.mat")]

    def scan(self) -> Iterable[dict[str, Any]]:
        folder = self._folder_of()
        path = self.root / folder / "fixations" / "pascalFix.mat"
        gaze = _read(path) if path.parent.is_dir() else None
        for sample in scan_masks(self.root, f"{folder}imgs/pascal", f"{folder}masks/pascal"):
            if gaze is not None and "fault" not in sample:
                number = int(sample["id"]) if sample["id"].isdecimal() else 0
                if not 1 <= number <= len(gaze):
                    raise InputError(f"{path} has photos 1 to {len(gaze)}, but there is {sample['image']}")
                sample |= gaze[number - 1]
            yield sample

    def _folder_of(self) -> str:
        return "datasets/" if (self.root / "datasets").is_dir() else ""


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"{path} is missing: fetch it, or take its folder away to go on without gaze")
    tables = read_cells(path, "fixCell")
    if any(table.ndim != 2 or len(table) != 3 or table.dtype.kind not in "iuf" for table in tables):
        raise InputError(f"{path}: fixCell is not three columns y, x, subject: fetch it again")
    return [{"x": (x - 1.0).tolist(), "y": (y - 1.0).tolist(), "subject": subject.tolist()} for y, x, subject in tables]
