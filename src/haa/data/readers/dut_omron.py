"""DUT-OMRON: 5,168 photos with masks and with the fixations of five people (Yang et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.files.image import image_size
from haa.data.files.listing import matching
from haa.data.files.matlab import matrix, read_mat
from haa.data.index import IndexedDataset
from haa.data.readers.salient_objects import scan_masks
from haa.errors import InputError, reading

IMAGES, MASKS, FIXATIONS = "DUT-OMRON-image", "pixelwiseGT-new-PNG", "DUT-OMRON-eye-fixations/mat"


class DUTOMRON(IndexedDataset):
    """Photos with masks (``pixelwiseGT-new-PNG``) and, if fetched too, fixations (``DUT-OMRON-eye-fixations``).

    ``mat/<photo>.mat`` holds ``s``, one row ``[x, y, subject]`` for each fixation. Coordinates count from 0, as zeros
    among them show. The first row is no fixation: it holds the photo's size and subject 0. There are no durations. A
    subject's number may mean another person in another photo.

    There is no published split: `haa.data.splits` divides the photos.

    Args:
        root: The folder that holds ``DUT-OMRON-image`` and the other folders.
        split: ``train``, ``val`` or ``test``.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If a file is missing, or does not begin with the size of its photo.

    Reference:
        C. Yang, L. Zhang, H. Lu, X. Ruan, M.-H. Yang. Saliency Detection via Graph-Based Manifold Ranking. CVPR 2013.
    """

    outside = "drop"

    def sources(self) -> Sequence[Path]:
        return [self.root / IMAGES, self.root / MASKS, *matching(self.root / FIXATIONS, "*.mat")]

    def scan(self) -> Iterable[dict[str, Any]]:
        recorded = (self.root / FIXATIONS).is_dir()
        for sample in scan_masks(self.root, IMAGES, MASKS):
            if recorded and "fault" not in sample:
                path = self.root / FIXATIONS / f"{sample['id']}.mat"
                sample |= _fixations(path, image_size(self.root / sample["image"]))
            yield sample


def _fixations(path: Path, size: tuple[int, int]) -> dict[str, Any]:
    with reading(f"{path}: s", "it must hold rows of x, y, subject, fetch it again"):
        # as floats, because the file's integers are unsigned: a subtraction could wrap around
        first, *rows = matrix(read_mat(path, "s", "DUT-OMRON's"), 3).tolist()
    if first[2] != 0 or sorted(first[:2]) != sorted(size):
        raise InputError(f"{path} begins with {first}, not with the size of its photo, {size[::-1]}: fetch both again")
    x, y, subject = ([row[column] for row in rows] for column in range(3))
    return {"height": size[0], "width": size[1], "x": x, "y": y, "subject": subject}
