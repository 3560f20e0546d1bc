"""SALICON's gaze for data sets of COCO's images: captions and questions get the gaze on their picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from haa.data.dataset import Split
from haa.data.readers.coco_images import coco_number
from haa.data.readers.salicon import SALICON, Release
from haa.errors import InputError
from haa.gaze import Size


class SaliconGaze:
    """Looks up gaze by COCO's number of an image, in SALICON's own index.

    Args:
        root: SALICON's folder, see `haa.data.readers.salicon.SALICON`.
        release: 2015 (mouse samples, thousands an image) or 2017 (fixations).
        cache: of its index.
    """

    def __init__(self, root: Path, release: Release, cache: str | Path | None = None) -> None:
        self.splits = [SALICON(root, split, release=release, cache=cache) for split in get_args(Split)]
        self.places = {
            coco_number(data.stimulus(index)): (data, index) for data in self.splits for index in range(len(data))
        }

    def columns(self, number: int, size: Size | None = None) -> dict[str, list[Any]]:
        """``x``, ``y`` and ``subject`` as `haa.data.index.IndexedDataset.scan` yields them; none where nobody looked.

        Raises:
            InputError: if the image is known to have another size than SALICON's.
        """
        if number not in self.places:
            return {}
        data, index = self.places[number]
        gaze = data.gaze(index)
        if gaze is None:
            return {}
        if size is not None and size != gaze.size:
            raise InputError(
                f"image {number} has {size[1]} x {size[0]} pixels, and {data.path(index)} others: the gaze is not of "
                "this image"
            )
        columns = {"x": gaze.points[:, 0].tolist(), "y": gaze.points[:, 1].tolist()}
        return columns if gaze.subject is None else {**columns, "subject": gaze.subject.tolist()}


def salicon_sources(root: Path | None) -> Sequence[Path]:
    """What makes an index that holds SALICON's gaze stale."""
    if root is None:
        return []
    return [
        *sorted(root.glob("annotations/fixations_*.json")),
        *(root / "fixations" / part for part in ("train", "val")),
    ]
