"""COCO-Search18: ten people look for one of 18 kinds of objects in 6,202 COCO images (Chen et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from haa.data.dataset import Split
from haa.data.files.image import image_size
from haa.data.files.listing import matching
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.searches import by_search, gaze_of_search, pool_of_pictures, read_trials
from haa.errors import InputError

DISPLAY = (1050, 1680)
"""Height and width to which the authors scaled and padded every image; fixations are in these pixels."""

COPY = (320, 512)
"""Height and width of a smaller copy that is much used, and whose files have the same names."""

FOLDERS = {"present": ("images", "coco_search18_images_TP"), "absent": ("coco_search18_images_TA", "images")}
"""Folders in which the archives of target-present and target-absent images put ``<task>/<name>``."""

Condition = Literal["present", "absent"]


class COCOSearch18(IndexedDataset):
    """Searches: a sample is a picture and the object looked for in it; one picture may serve several searches.

    Fixations are in ``coco_search18_fixations_TP_*_split1.json`` (target present) and ``..._TA_*.json`` (absent), lists
    of trials ``name, subject, task, condition, X, Y, T, length, split``, in pixels of the 1680 x 1050 display to which
    the images were scaled and padded. They count from 0; T is in milliseconds. Copies of images and fixations that were
    rescaled to 512 x 320 circulate under the same names. So images must have 1680 x 1050 pixels, and fixations that all
    lie within 512 x 320 are refused. The first fixation of a trial is dropped: it lies at the centre, where the cross
    was.

    Splits are the published ones (``train``, ``valid`` and, where it is there, ``test``: `haa.data.splits.published`).
    A picture that is held out for one object is held out for all.

    Args:
        root: The folder that holds the JSON files (or a folder with them) and the images' folders.
        split: ``train``, ``val`` or ``test``.
        condition: Which searches: those whose target was ``present``, or ``absent``.
        first_fixation: Whether to keep the first fixation of a trial.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If files are missing, or coordinates or images are those of a rescaled copy.

    Reference:
        Y. Chen, Z. Yang, S. Ahn, D. Samaras, M. Hoai, G. Zelinsky. COCO-Search18 fixation dataset for predicting
        goal-directed attention control. Scientific Reports 11, 2021.
    """

    outside = "drop"

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        condition: Condition = "present",
        first_fixation: bool = False,
        missing: Missing = "raise",
        cache: str | Path | None = None,
    ) -> None:
        if condition not in get_args(Condition):
            raise InputError(f"data.condition={condition}: choose present or absent")
        self.condition, self.first_fixation = condition, first_fixation
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        paths = [p for p in matching(self.root, "**/coco_search18_fixations_T[AP]_*.json") if "_split2" not in p.name]
        return sorted(paths)

    def scan(self) -> Iterable[dict[str, Any]]:
        trials = [trial for path in self.sources() for trial in read_trials(path, "COCO-Search18")]
        if not any(trial["condition"] == self.condition for trial in trials):
            letters = "TP" if self.condition == "present" else "TA"
            raise InputError(f"data.root={self.root} has no coco_search18_fixations_{letters}_*.json: fetch it")
        _refuse_copies(trials, self.root)
        pools = pool_of_pictures(trials)
        searches = by_search(trial for trial in trials if trial["condition"] == self.condition)
        self.classes = sorted({task for task, _ in searches})
        for (task, name), trials_of_search in sorted(searches.items()):
            image = self._image(task, name)
            if (self.root / image).is_file() and (size := image_size(self.root / image)) != DISPLAY:
                raise InputError(
                    f"{self.root / image} has {size[1]} x {size[0]} pixels, fixations are in those of {DISPLAY[1]} x "
                    f"{DISPLAY[0]}: fetch COCO-Search18's own images"
                )
            yield {
                "id": f"{task}/{Path(name).stem}",
                "image": image,
                "height": DISPLAY[0],
                "width": DISPLAY[1],
                "stimulus": name,
                "split": pools[name],
                "label": self.classes.index(task),
                **gaze_of_search(trials_of_search, left_out=0 if self.first_fixation else 1),
            }

    def _image(self, task: str, name: str) -> str:
        candidates = [f"{folder}/{task}/{name}" for folder in FOLDERS[self.condition]]
        return next((path for path in candidates if (self.root / path).is_file()), candidates[0])


def _refuse_copies(trials: list[dict[str, Any]], root: Path) -> None:
    x, y = max(max(t["X"], default=0) for t in trials), max(max(t["Y"], default=0) for t in trials)
    if x < COPY[1] and y < COPY[0]:
        raise InputError(
            f"{root}: all fixations lie within {COPY[1]} x {COPY[0]} pixels, so the files are a rescaled copy: fetch "
            f"COCO-Search18's own, which are in pixels of {DISPLAY[1]} x {DISPLAY[0]}"
        )
