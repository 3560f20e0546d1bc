"""Public addresses at which publishers keep their data sets, for `haa data get`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class File:
    """One file of a publisher.

    Args:
        url: Public address of the file.
        size: Size in bytes, as far as known; free space is checked against it before anything is fetched.
        hash: ``md5:...`` or ``sha256:...`` where the publisher states one; None records it at the first fetch.
        to: Folder below the root into which the file goes; an archive is unpacked there.
    """

    url: str
    size: int
    hash: str | None = None
    to: str = "."

    @property
    def name(self) -> str:
        """Name of the file, the last part of its address."""
        return PurePosixPath(self.url.split("?")[0]).name


_OSIE = "https://raw.githubusercontent.com/NUS-VIP/predicting-human-gaze-beyond-pixels/master/data"
_ECSSD = "https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency/data/ECSSD"
_COCO = "http://images.cocodataset.org"  # not https, because this host's certificate is for another name
_VQA = "https://s3.amazonaws.com/cvmlp/vqa/mscoco/vqa"
_COCO_IMAGES = (
    File(f"{_COCO}/zips/train2014.zip", 13_500_000_000),
    File(f"{_COCO}/zips/val2014.zip", 6_650_000_000),
)

SOURCES: Mapping[str, Sequence[File]] = {
    "osie": (
        File(f"{_OSIE}/eye/fixations.mat", 2_000_000, to="eye"),
        *(File(f"{_OSIE}/stimuli/{number}.jpg", 120_000, to="stimuli") for number in range(1001, 1701)),
    ),
    "ecssd": (File(f"{_ECSSD}/images.zip", 70_000_000), File(f"{_ECSSD}/ground_truth_mask.zip", 2_000_000)),
    "coco_captions": (File(f"{_COCO}/annotations/annotations_trainval2014.zip", 253_000_000), *_COCO_IMAGES),
    "vqa_v2": (
        File(f"{_VQA}/v2_Questions_Train_mscoco.zip", 7_500_000),
        File(f"{_VQA}/v2_Questions_Val_mscoco.zip", 3_600_000),
        File(f"{_VQA}/v2_Annotations_Train_mscoco.zip", 22_000_000),
        File(f"{_VQA}/v2_Annotations_Val_mscoco.zip", 11_000_000),
        *_COCO_IMAGES,
    ),
    "cub": (
        File(
            "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            1_150_585_339,
            hash="md5:97eceeb196236b17998738112f37df78",
        ),
    ),
}
"""Files of each data set, fetched from its publisher; only Caltech states a hash."""
