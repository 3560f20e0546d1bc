"""CAT2000: 2,000 pictures of 20 categories with the fixations of 18 people each (Borji and Itti 2015)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from haa.data.files.image import image_size
from haa.data.files.listing import matching
from haa.data.files.matlab import read_mat
from haa.data.index import IndexedDataset
from haa.errors import InputError


class CAT2000(IndexedDataset):
    """Training set of CAT2000, the only part with published fixations: 1920 x 1080, five seconds of free viewing.

    Fixations are read from ``FIXATIONLOCS/<Category>/<image>.mat``, a binary picture ``fixLocs`` of the stimulus' size
    whose ones are fixated pixels. The pixel's row and column are y and x. The file does not say who looked, in which
    order or for how long. A pixel that was fixated twice counts once.

    Scanpaths are in ``allFixData.mat`` alone, a ``containers.Map``. This is an object of Matlab's own, and only Matlab
    can read it (Octave reads it in part). If you have Matlab, write its points into a csv ``image,x,y,subject``, less 1
    because they count from 1, and read that with ``data=folder``.

    The folders ``Output`` among the stimuli hold pictures of saliency maps and are passed over. There is no published
    split of the training set: `haa.data.splits` divides it, each category in the same shares. The category is the
    sample's ``label``.

    Args:
        root: The folder ``trainSet``, or the one that holds it.
        split: ``train``, ``val`` or ``test``.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If ``FIXATIONLOCS`` is missing, or a picture and its fixations differ in size.

    Reference:
        A. Borji, L. Itti. CAT2000: A Large Scale Fixation Dataset for Boosting Saliency Research. CVPR 2015 workshop
        on the Future of Datasets.
    """

    def sources(self) -> Sequence[Path]:
        stimuli = self._folder_of("Stimuli")
        return [*matching(stimuli, "*/"), *matching(self._folder_of("FIXATIONLOCS"), "*/*.mat")]

    def scan(self) -> Iterable[dict[str, Any]]:
        stimuli, locations = self._folder_of("Stimuli"), self._folder_of("FIXATIONLOCS")
        # one level deep, because Output/ lies inside the categories
        images = matching(stimuli, "*/*.jpg")
        self.classes = sorted({image.parent.name for image in images})
        for image in images:
            category = image.parent.name
            path = locations / category / f"{image.stem}.mat"
            points = np.asarray(read_mat(path, "fixLocs", "CAT2000's"))
            size = image_size(image)
            if points.dtype.kind not in "biuf" or not np.isfinite(points).all():
                raise InputError(f"{path}: fixLocs holds something other than numbers: fetch it again")
            if points.shape != size:
                raise InputError(f"{path}: fixLocs is {points.shape}, {image} {size} (height, width): fetch both again")
            y, x = np.nonzero(points)
            yield {
                "id": f"{category}/{image.stem}",
                "image": str(image.relative_to(self.root)),
                "height": size[0],
                "width": size[1],
                "label": self.classes.index(category),
                "x": x.tolist(),
                "y": y.tolist(),
            }

    def _folder_of(self, name: str) -> Path:
        base = self.root / "trainSet" if (self.root / "trainSet").is_dir() else self.root
        if (base / name).is_dir():
            return base / name
        if name == "FIXATIONLOCS" and (base / "allFixData.mat").is_file():
            raise InputError(
                f"{base}/allFixData.mat is a containers.Map, which only Matlab reads: fetch the folder FIXATIONLOCS "
                f"of CAT2000's trainSet.zip into {base}, or export the points to a csv for data=folder"
            )
        raise InputError(f"{base / name} is missing: data.root must hold CAT2000's trainSet with Stimuli, FIXATIONLOCS")
