"""ECSSD: 1,000 photos with the objects that stand out in them (Shi et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.index import IndexedDataset
from haa.data.readers.salient_objects import scan_masks


class ECSSD(IndexedDataset):
    """Extended Complex Scene Saliency Dataset: photos ``images/*.jpg`` and masks ``ground_truth_mask/*.png``.

    Nobody's gaze was recorded: a saliency model's predictions can teach attention instead (``condition=predicted``).
    There is no published split, and papers test on all of it: `haa.data.splits` divides it.

    Args:
        root: The folder that holds both folders.
        split: ``train``, ``val`` or ``test``.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Reference:
        J. Shi, Q. Yan, L. Xu, J. Jia. Hierarchical Image Saliency Detection on Extended CSSD. PAMI 38(4), 2016.
    """

    def sources(self) -> Sequence[Path]:
        return [self.root / "images", self.root / "ground_truth_mask"]

    def scan(self) -> Iterable[dict[str, Any]]:
        return scan_masks(self.root, "images", "ground_truth_mask")
