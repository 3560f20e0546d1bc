"""COCO captions: photos with five or more captions each (Chen et al. 2015), in the official split or Karpathy's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.json_file import by_number, field, read_json
from haa.data.files.listing import matching
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.coco_images import coco_folders, coco_images
from haa.data.readers.salicon import SALICON, Release
from haa.data.readers.salicon_gaze import SaliconGaze, salicon_sources
from haa.errors import InputError

KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}


class COCOCaptions(IndexedDataset):
    """Images with the captions of ``captions_train2014.json`` and its like, or of Karpathy's ``dataset_coco.json``.

    The official files are looked for in ``root`` and ``root/annotations``, the images in ``root``, ``root/images`` and
    their folders ``train2014``, ``val2017`` ... The captions of the official test images are not public: the fixed rule
    divides the official validation images into validation and test (1 : 2). Papers on captioning usually report on
    Karpathy's split; its ``restval`` belongs to training.

    Args:
        root: The folder that holds the annotations and the images.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out captions whose image is absent.
        cache: See `haa.data.index.IndexedDataset`.
        karpathy: The file ``dataset_coco.json``, absolute or relative to ``root``; None uses the official files.
        year: 2014 or 2017; needed where the official files of both are there.
        salicon: SALICON's folder. Its pictures are COCO's, so these samples get its gaze. `haa data check` says how
            many of them lie in the split that you test on.
        release: SALICON's release, 2015 or 2017.

    Raises:
        InputError: If a file is missing or is not what its name says, or an image has no caption.

    Reference:
        X. Chen et al. Microsoft COCO Captions: Data Collection and Evaluation Server. arXiv:1504.00325, 2015.
        A. Karpathy, L. Fei-Fei. Deep Visual-Semantic Alignments for Generating Image Descriptions. CVPR 2015.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        karpathy: str | Path | None = None,
        year: int | None = None,
        salicon: str | Path | None = None,
        release: Release = 2017,
    ) -> None:
        self.karpathy = None if karpathy is None else Path(root).expanduser() / karpathy
        self.year = year
        self.salicon, self.release = None if salicon is None else Path(salicon).expanduser(), release
        super().__init__(root, split, missing, cache)
        self.sigma = None if salicon is None else SALICON.sigma  # not before: it is no part of the index

    def sources(self) -> Sequence[Path]:
        files = list(self._official().values()) if self.karpathy is None else [self.karpathy]
        return [*files, *coco_folders(self.root), *salicon_sources(self.salicon)]

    def scan(self) -> Iterator[dict[str, Any]]:
        images = coco_images(self.root)
        gaze = None if self.salicon is None else SaliconGaze(self.salicon, self.release, self.cache)
        samples = self._karpathy() if self.karpathy is not None else self._published()
        for number, sample in samples:
            if "fault" in sample:
                yield sample
                continue
            if not sample["captions"]:
                message = f"image {number} ({sample['image']}) has no caption"
                yield {"fault": "image without annotation", "message": message}
                continue
            if gaze is not None:
                size = (sample["height"], sample["width"]) if "height" in sample else None
                sample |= gaze.columns(number, size)
            yield {"id": str(number), "stimulus": str(number), **sample, "image": images.get(number, sample["image"])}

    def _published(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for part, path in self._official().items():
            content = read_json(path, keys=["images", "annotations"])
            captions: dict[int, list[str]] = defaultdict(list)
            for annotation in field(content, "annotations", list, path):
                captions[field(annotation, "image_id", int, path)].append(
                    field(annotation, "caption", str, path).strip()
                )
            images_by_number = by_number(field(content, "images", list, path), "id", path)
            for number in captions.keys() - images_by_number.keys():
                yield (
                    number,
                    {
                        "fault": "annotation without image",
                        "message": f"{path}: image {number} of a caption is not listed",
                    },
                )
            for number, image in images_by_number.items():
                yield (
                    number,
                    {
                        "image": f"{part}/{field(image, 'file_name', str, path)}",
                        "height": field(image, "height", int, path),
                        "width": field(image, "width", int, path),
                        "split": "train" if part.startswith("train") else "val+test",
                        "captions": captions.get(number, []),
                    },
                )

    def _karpathy(self) -> Iterator[tuple[int, dict[str, Any]]]:
        assert self.karpathy is not None
        path = self.karpathy
        for image in field(read_json(path, keys=["images"]), "images", list, path):
            if not isinstance(image, dict) or "cocoid" not in image or str(image.get("split")) not in KARPATHY_SPLITS:
                raise InputError(f"{self.karpathy} is not Karpathy's file of COCO: it lacks cocoid and split, fetch it")
            yield (
                field(image, "cocoid", int, path),
                {
                    "image": "/".join(field(image, key, str, path) for key in ("filepath", "filename") if key in image),
                    "split": KARPATHY_SPLITS[str(image["split"])],
                    "captions": [
                        field(sentence, "raw", str, path).strip() for sentence in field(image, "sentences", list, path)
                    ],
                },
            )

    def _official(self) -> dict[str, Path]:
        """Return the official files of one year, by part (``train2014`` ...)."""
        paths_by_part: dict[str, list[Path]] = defaultdict(list)
        for folder in (self.root, self.root / "annotations"):
            for path in matching(folder, "captions_*.json"):
                match = re.match(r"captions_((?:train|val)\d{4})", path.name)
                if match:
                    paths_by_part[match[1]].append(path)
        years = sorted({part[-4:] for part in paths_by_part})
        if self.year is None and len(years) > 1:
            raise InputError(
                f"{self.root} holds captions of {' and '.join(years)}, divided differently: set data.year={years[0]} "
                f"or data.year={years[1]}"
            )
        wanted = {part: paths for part, paths in paths_by_part.items() if part.endswith(str(self.year or ""))}
        if not wanted:
            raise InputError(
                f"{self.root} holds no captions_train{self.year or 2014}.json or its like (nor does its annotations/): "
                "data.root must be the folder that holds them and the images"
            )
        for paths in wanted.values():
            if len(paths) > 1:
                raise InputError(f"{paths[0]} and {paths[1].name} are both there: keep one of them")
        return {part: paths[0] for part, paths in sorted(wanted.items())}
