"""GazeSearch: radiologists look for one of 13 findings in chest radiographs (Pham et al. 2025)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.image import image_size
from haa.data.files.listing import matching
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.mimic_cxr import Radiographs
from haa.data.readers.searches import by_search, gaze_of_search, pool_of_pictures, read_trials
from haa.errors import InputError

FRAME = 224
"""Side of the square to which every picture was stretched; fixations are in its pixels."""


class GazeSearch(IndexedDataset):
    """Searches: a sample is a picture and the finding looked for in it; a picture may serve several searches.

    The file of annotations is a list as COCO-Search18's: ``name, subject, task, X, Y, T, length, split`` and more. What
    differs was seen in the file that the authors publish (4,875 searches in 2,328 pictures): ``X`` and ``Y`` are whole
    pixels, from 0 to 223, of the picture stretched to 224 x 224, and ``T`` is in seconds. They are brought to the
    picture's own pixels here: (x, y) becomes ((x + 1/2) w / 224 - 1/2, (y + 1/2) h / 224 - 1/2), so that a point is
    known to within w / 448 and h / 448 pixels. The fixation at the centre with which trials begin is not in the file.

    All trials are said to be of one subject, though several people looked; the sample's ``label`` is the finding.

    Splits are the published ones. They divide searches, and 645 pictures are in several: here a picture that is held
    out for one finding is held out for all. Which pictures are of one patient is not published.

    Args:
        root: The folder that holds the file of annotations, at any depth, and MIMIC-CXR's pictures in ``images``
            (`haa.data.readers.mimic_cxr.Radiographs`).
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out searches in absent pictures.
        cache: See `haa.data.index.IndexedDataset`.
        annotations: The file, relative to ``root``; None is the only ``finding_visual_search_coco_format*.json``.

    Raises:
        InputError: If the file is missing, is laid out otherwise or has points beyond 224 x 224, or there are several.

    Reference:
        T. T. Pham, T.-P. Nguyen, Y. Ikebe, A. Awasthi, Z. Deng, C. C. Wu, H. Nguyen, N. Le. GazeSearch: Radiology
        Findings Search Benchmark. WACV 2025.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        annotations: str | None = None,
    ) -> None:
        self.annotations = annotations
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        return [*self._files(), self.root / "images"]

    def scan(self) -> Iterable[dict[str, Any]]:
        files = self._files()
        if not files:
            raise InputError(f"{self.root} holds no finding_visual_search_coco_format*.json: fetch GazeSearch's")
        if len(files) > 1:
            raise InputError(f"{files[0]} and {files[1]} are both there: choose one by data.annotations")
        trials = read_trials(files[0], "GazeSearch")
        if any(not 0 <= value < FRAME for trial in trials for key in "XY" for value in trial[key]):
            raise InputError(
                f"{files[0]}: a fixation lies outside of {FRAME} x {FRAME}, to which GazeSearch's pictures are "
                "stretched: it was rescaled, fetch the published file"
            )
        pools, searches, pictures = pool_of_pictures(trials), by_search(trials), Radiographs(self.root)
        self.classes = sorted({finding for finding, _ in searches})
        for (finding, name), trials_of_search in sorted(searches.items()):
            stem = Path(name).stem
            image = pictures.path(stem)
            sample: dict[str, Any] = {
                "id": f"{finding}/{stem}",
                "image": image,
                "split": pools[name],
                "label": self.classes.index(finding),
            }
            if (self.root / image).is_file():
                height, width = image_size(self.root / image)
                gaze = gaze_of_search(trials_of_search, time=1000.0)
                for key, side in (("x", width), ("y", height)):
                    gaze[key] = [(value + 0.5) * side / FRAME - 0.5 for value in gaze[key]]
                sample |= {"height": height, "width": width, **gaze}
            yield sample

    def _files(self) -> list[Path]:
        if self.annotations is not None:
            return [self.root / self.annotations]
        return matching(self.root, "finding_visual_search_coco_format*.json") or matching(
            self.root, "data/finding_visual_search_coco_format*.json"
        )
