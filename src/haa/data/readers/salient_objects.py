"""Photos beside masks of what stands out in them: the layout that sets for salient object segmentation share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def scan_masks(root: Path, images: str, masks: str) -> Iterator[dict[str, Any]]:
    """A sample for each photo of a folder and the mask of the same name (``.jpg`` and ``.png``), or a fault.

    Args:
        root: of the data set.
        images: the folder of photos, relative to it.
        masks: the folder of masks.
    """
    photos = {path.stem: path for path in sorted((root / images).glob("*.jpg"))}
    found = {path.stem: path for path in sorted((root / masks).glob("*.png"))}
    if not photos:
        message = f"{root / images} holds no *.jpg: fetch the photos, or correct data.root"
        yield {"fault": "absent folder", "message": message}
    for stem, photo in photos.items():
        if stem not in found:
            message = f"{root / masks / stem}.png is absent, the mask of {photo}: fetch it, or take the photo away"
            yield {"fault": "absent mask", "message": message}
            continue
        place = photo.relative_to(root)
        yield {"id": stem, "image": str(place), "mask": str(found[stem].relative_to(root))}
    for stem in sorted(set(found) - set(photos)):
        message = f"{root / images / stem}.jpg is absent, the photo of {found[stem]}: fetch it, or take the mask away"
        yield {"fault": "mask without image", "message": message}
