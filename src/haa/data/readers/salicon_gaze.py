"""SALICON's gaze for data sets of COCO's images: captions and questions get the gaze on their picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from haa.data.dataset import Split
from haa.data.files.listing import matching
from haa.data.readers.coco_images import coco_number
from haa.data.readers.salicon import SALICON, Release
from haa.errors import InputError
from haa.gaze import Size


class SaliconGaze:
    """Gaze by COCO's number of an image, looked up in SALICON's own index.

    Args:
        root: SALICON's folder; see `haa.data.readers.salicon.SALICON`.
        release: Release to read, 2015 (mouse samples, thousands an image) or 2017 (fixations).
        cache: Folder of SALICON's index; see `haa.data.index.IndexedDataset`.
    """

    def __init__(self, root: Path, release: Release, cache: str | Path | None = None) -> None:
        self.splits = [SALICON(root, split, release=release, cache=cache) for split in get_args(Split)]
        self.places = {
            coco_number(dataset.stimulus(index)): (dataset, index)
            for dataset in self.splits
            for index in range(len(dataset))
        }

    def columns(self, number: int, size: Size | None = None) -> dict[str, list[Any]]:
        """Return ``x``, ``y`` and ``subject`` as `haa.data.index.IndexedDataset.scan` yields them.

        They are absent where nobody looked. ``subject`` is also absent where SALICON has none.

        Args:
            number: COCO's number of the image.
            size: Height and width of the image, ``(h, w)``, in pixels, where they are known.

        Raises:
            InputError: If the image is known to have another size than SALICON's.
        """
        if number not in self.places:
            return {}
        dataset, index = self.places[number]
        gaze = dataset.gaze(index)
        if gaze is None:
            return {}
        if size is not None and size != gaze.size:
            raise InputError(
                f"image {number} has {size[1]} x {size[0]} pixels, and {dataset.path(index)} others: the gaze is not "
                "of this image"
            )
        columns = {"x": gaze.points[:, 0].tolist(), "y": gaze.points[:, 1].tolist()}
        return columns if gaze.subject is None else {**columns, "subject": gaze.subject.tolist()}


def salicon_sources(root: Path | None) -> Sequence[Path]:
    """Return the files and folders whose change makes an index with SALICON's gaze stale."""
    if root is None:
        return []
    return [
        *matching(root, "annotations/fixations_*.json"),
        *(root / "fixations" / part for part in ("train", "val")),
    ]
