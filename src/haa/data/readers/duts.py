"""DUTS: 10,553 photos to train on and 5,019 to test on, with the objects that stand out (Wang et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.index import IndexedDataset
from haa.data.readers.salient_objects import scan_masks
from haa.data.splits import published
from haa.errors import InputError

PARTS = {"train": "DUTS-TR", "test": "DUTS-TE"}


class DUTS(IndexedDataset):
    """Photos ``DUTS-TR/DUTS-TR-Image/*.jpg`` with masks ``DUTS-TR/DUTS-TR-Mask/*.png``, and ``DUTS-TE`` alike.

    DUTS-TE is the test split; validation is taken from DUTS-TR (`haa.data.splits.published`). Nobody's gaze was
    recorded.

    Args:
        root: The folder that holds ``DUTS-TR`` and ``DUTS-TE``.
        split: ``train``, ``val`` or ``test``.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If neither folder is there.

    Reference:
        L. Wang, H. Lu, Y. Wang, M. Feng, D. Wang, B. Yin, X. Ruan. Learning to Detect Salient Objects with
        Image-level Supervision. CVPR 2017.
    """

    def sources(self) -> Sequence[Path]:
        return [self.root / folder / f"{folder}-{kind}" for folder in PARTS.values() for kind in ("Image", "Mask")]

    def scan(self) -> Iterable[dict[str, Any]]:
        parts = {part: folder for part, folder in PARTS.items() if (self.root / folder).is_dir()}
        if not parts:
            raise InputError(f"data.root={self.root} has neither DUTS-TR nor DUTS-TE: give the folder that holds them")
        pools = published(parts)
        for part, folder in parts.items():
            for sample in scan_masks(self.root, f"{folder}/{folder}-Image", f"{folder}/{folder}-Mask"):
                yield sample if "fault" in sample else {**sample, "split": pools[part]}
