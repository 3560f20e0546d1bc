"""VQA-HAT: where people looked to answer a question, by deblurring the image (Das et al. 2016)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.json_file import read_json
from haa.data.files.listing import files_below, folders_to
from haa.data.index import Missing
from haa.data.readers.coco_images import coco_folders
from haa.data.readers.vqa_v2 import VQAv2
from haa.errors import InputError

_MAP = re.compile(r"(\d+)_(\d+)\.png")


class VQAHAT(VQAv2):
    """Questions of VQA that have human maps, each with the mean of its maps as density; there are no fixations.

    Maps are files ``<question>_<n>.png``: one per question of the training part, up to three of the validation part.
    The question's number is that of VQA **version 1**; in version 2 these numbers mean other questions. So the
    questions are read from version 1's files (``OpenEnded_mscoco_train2014_questions.json``,
    ``mscoco_train2014_annotations.json``), or from version 2's through a file that says which number is which.

    A map has its image's proportions, and is resized to the image's size.

    Args:
        root: The folder that holds questions, annotations, images (see `haa.data.readers.vqa_v2.VQAv2`) and the maps.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out maps whose question or image is absent.
        cache: See `haa.data.index.IndexedDataset`.
        maps: The folder of the maps, below ``root``; they may lie in sub-folders (``train``, ``val``).
        mapping: JSON file of an object from numbers of version 1 to numbers of version 2, absolute or relative to
            ``root``; None reads version 1.

    Raises:
        InputError: If the files are version 2's and there is no mapping, or a file is not what it should be.

    Reference:
        A. Das, H. Agrawal, C. L. Zitnick, D. Parikh, D. Batra. Human Attention in Visual Question Answering: Do Humans
        and Deep Networks Look at the Same Regions? EMNLP 2016.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        maps: str = "vqahat",
        mapping: str | Path | None = None,
    ) -> None:
        self.maps = maps
        self.mapping = None if mapping is None else Path(root).expanduser() / mapping
        self.prefix = "" if mapping is None else "v2_"  # type: ignore[misc]
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        folder = self.root / self.maps
        if not folder.is_dir():
            raise InputError(f"{folder} is missing: data.maps must be the folder of the maps, below data.root")
        mapping = [] if self.mapping is None else [self.mapping]
        return [*super().sources(), *mapping, *folders_to(folder, [".png"]), *coco_folders(self.root)]

    def scan(self) -> Iterator[dict[str, Any]]:
        maps = self._maps()
        for sample in super().scan():
            if "fault" in sample:
                yield sample
            elif sample["id"] in maps:
                yield {**sample, "density": maps.pop(sample["id"])}
        for number, paths in maps.items():
            message = f"{self.root / paths[0]}: there is no question {number} in {self.root}"
            yield {"fault": "annotation without image", "message": message}

    def _maps(self) -> dict[str, list[str]]:
        """Return the maps of each question, by its number in the files that are read."""
        paths_by_question: dict[str, list[str]] = defaultdict(list)
        for path in files_below(self.root / self.maps, [".png"]):
            match = _MAP.fullmatch(path.name)
            if match is None:
                raise InputError(f"{path} is not named <question>_<n>.png, as VQA-HAT's maps are: take it away")
            paths_by_question[match[1]].append(path.relative_to(self.root).as_posix())
        if self.mapping is None:
            return paths_by_question
        version_2_numbers = read_json(self.mapping)
        if not isinstance(version_2_numbers, dict):
            raise InputError(f"{self.mapping} is no object from version 1's numbers to version 2's: correct it")
        unmapped = next((number for number in paths_by_question if number not in version_2_numbers), None)
        if unmapped is not None:
            raise InputError(
                f"{self.mapping} does not say which question {unmapped} is in version 2: add it, or remove its map"
            )
        numbers = {number: str(version_2_numbers[number]) for number in paths_by_question}
        if any(not number.isdecimal() for number in numbers.values()) or len(set(numbers.values())) < len(numbers):
            raise InputError(
                f"{self.mapping} gives something other than numbers, or two questions the same number: correct it"
            )
        return {numbers[number]: paths for number, paths in paths_by_question.items()}

    def _parts(self) -> dict[str, tuple[Path, Path]]:
        try:
            return super()._parts()
        except InputError:
            if self.mapping is None and next(self.root.rglob("v2_OpenEnded_mscoco_*_questions.json"), None) is not None:
                raise InputError(
                    f"{self.root} holds questions of VQA v2, and VQA-HAT's maps bear numbers of v1, which mean other "
                    "questions there: fetch v1's questions and annotations, or give data.mapping"
                ) from None
            raise
