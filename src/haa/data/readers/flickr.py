"""Flickr8k and Flickr30k: photos with five captions each (Hodosh et al. 2013; Young et al. 2014)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.index import IndexedDataset
from haa.errors import InputError, reading

TOKENS = ("Flickr8k.token.txt", "results_20130124.token", "results.token")
LISTS = {
    "Flickr_8k.trainImages.txt": "train",
    "Flickr_8k.devImages.txt": "val",
    "Flickr_8k.testImages.txt": "test",
}
FOLDERS = ("Flicker8k_Dataset", "Flickr8k_Dataset", "flickr30k-images", "flickr30k_images", "Images", "images")


class Flickr(IndexedDataset):
    """Photos with captions from a published token file of lines ``1000092795.jpg#0<tab>Two young guys ...``.

    Flickr8k (``Flickr8k.token.txt``) has an official split (``Flickr_8k.trainImages.txt`` ...). Its token file has more
    images than the split; they are left aside. Flickr30k (``results_20130124.token``) has no official split: without
    such lists the fixed rule divides the images.

    Args:
        root: The folder that holds the token file, the lists if any, and the folder of images.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out captions whose image is absent: Flickr8k's file names one that was never published.
        cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If a file is missing or is not what its name says.

    Reference:
        M. Hodosh, P. Young, J. Hockenmaier. Framing Image Description as a Ranking Task. JAIR 47, 2013.
        P. Young, A. Lai, M. Hodosh, J. Hockenmaier. From image descriptions to visual denotations. TACL 2, 2014.
    """

    def sources(self) -> Sequence[Path]:
        return [self._tokens(), *(self.root / name for name in LISTS), *(self.root / name for name in FOLDERS)]

    def scan(self) -> Iterator[dict[str, Any]]:
        path = self._tokens()
        captions: dict[str, list[str]] = defaultdict(list)
        with reading(path, "fetch it again"):
            lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            match = re.fullmatch(r"(.+)#\d+\t(.*)", line)
            if match is None:
                raise InputError(f"{path}, line {number} is not NAME.jpg#NUMBER, a tab and a caption: fetch it again")
            captions[match[1]].append(match[2].strip())
        splits = self._splits()
        folder = next((name for name in FOLDERS if (self.root / name).is_dir()), FOLDERS[-1])
        for name in sorted(splits.keys() - captions.keys()):
            yield {
                "fault": "image without annotation",
                "message": f"{path} has no caption of {name}, which is in a split",
            }
        for name, texts in captions.items():
            if not splits or name in splits:
                yield {"id": Path(name).stem, "image": f"{folder}/{name}", "split": splits.get(name), "captions": texts}

    def _tokens(self) -> Path:
        paths = [self.root / name for name in TOKENS if (self.root / name).is_file()]
        if len(paths) != 1:
            raise InputError(
                f"{self.root} holds {'several' if paths else 'none'} of {', '.join(TOKENS)}: data.root must be the "
                "folder of one of the two data sets"
            )
        return paths[0]

    def _splits(self) -> dict[str, str]:
        split_by_list = {name: split for name, split in LISTS.items() if (self.root / name).is_file()}
        if split_by_list and len(split_by_list) < len(LISTS):
            missing_list = next(name for name in LISTS if name not in split_by_list)
            raise InputError(
                f"{self.root / missing_list} is missing, and other lists of the split are there: fetch it too"
            )
        splits: dict[str, str] = {}
        for name, split in split_by_list.items():
            with reading(self.root / name, "fetch it again"):
                for image in (self.root / name).read_text(encoding="utf-8").split():
                    if splits.setdefault(image, split) != split:
                        raise InputError(f"{self.root / name}: {image} is in two lists of the split: fetch them again")
        return splits
