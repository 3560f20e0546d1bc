"""Reader of photos with masks of the objects that stand out: the layout of the sets for their segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from haa.data.files.listing import matching


def scan_masks(root: Path, images: str, masks: str) -> Iterator[dict[str, Any]]:
    """Yield a sample for each photo (``.jpg``) and the mask of the same name (``.png``), or a fault.

    Args:
        root: The data set's folder.
        images: Folder of the photos, relative to ``root``.
        masks: Folder of the masks, relative to ``root``.
    """
    photos = {path.stem: path for path in matching(root / images, "*.jpg")}
    mask_by_stem = {path.stem: path for path in matching(root / masks, "*.png")}
    if not photos:
        message = f"{root / images} holds no *.jpg: fetch the photos, or correct data.root"
        yield {"fault": "absent folder", "message": message}
    for stem, photo in photos.items():
        if stem not in mask_by_stem:
            message = f"{root / masks / stem}.png is absent, the mask of {photo}: fetch it, or take the photo away"
            yield {"fault": "absent mask", "message": message}
            continue
        yield {"id": stem, "image": str(photo.relative_to(root)), "mask": str(mask_by_stem[stem].relative_to(root))}
    for stem in sorted(set(mask_by_stem) - set(photos)):
        message = (
            f"{root / images / stem}.jpg is absent, the photo of {mask_by_stem[stem]}: fetch it, or take the mask away"
        )
        yield {"fault": "mask without image", "message": message}
