"""CXR-P: a radiologist looks for a pneumothorax in chest radiographs of SIIM-ACR's challenge (Saab et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.image import image_size
from haa.data.files.json_file import read_json
from haa.data.files.matlab import matrix
from haa.data.files.pickled import read_pickle
from haa.data.files.table import read_table
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.mimic_cxr import Radiographs
from haa.errors import InputError, reading


class CXRP(IndexedDataset):
    """Chest radiographs that a radiologist looked at, with the label whether there is a pneumothorax.

    ``cxr_gaze_data.pkl`` is a pickled dict: for the identifier of each picture (with or without ``.dcm``) a list of
    ``(x, y, t)``, the point between 0 and 1 from the picture's upper left corner. A pickle can run any program; this
    reader builds numbers, texts, lists, dicts and numpy arrays from it, and refuses everything else. The same content
    as JSON is read, too. A point (u, v) becomes (u w - 1/2, v h - 1/2), because haa's pixels have their centres at
    integers. ``t`` counts samples of the tracker, and by the authors' description those of the point before: it is not
    read.

    The challenge's table ``train-rle.csv`` (``ImageId``, ``EncodedPixels``, which is -1 where there is no pneumothorax)
    gives the label; without it samples have none. Pictures are ``images/<identifier>.png`` or ``.jpg``, at any depth;
    the challenge's are DICOM files, which haa does not read.

    Written after the authors' description; not tried on the published files. No split is published: the fixed rule
    divides the pictures. ``cxr2_gaze_data.pkl``, by ``data.gaze``, has the same form for EGD-CXR's pictures.

    Args:
        root: The folder that holds the file of gaze, ``images`` and the table.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out gaze at absent pictures, and pictures that the table lacks.
        cache: See `haa.data.index.IndexedDataset`.
        gaze: File of gaze, relative to ``root``.
        table: Table of the challenge, relative to ``root``.

    Raises:
        InputError: If a file is missing or is not what it should be, or a picture is there as DICOM only.

    Reference:
        K. Saab, S. Hooper, N. Sohoni et al. Observational Supervision for Medical Image Classification using Gaze Data.
        MICCAI 2021.
    """

    outside = "drop"

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        gaze: str = "cxr_gaze_data.pkl",
        table: str = "train-rle.csv",
    ) -> None:
        self.gaze_file, self.table = gaze, table
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        return [self.root / name for name in (self.gaze_file, self.table, "images")]

    def scan(self) -> Iterator[dict[str, Any]]:
        path = self.root / self.gaze_file
        record = read_json(path) if path.suffix == ".json" else read_pickle(path)
        if not isinstance(record, Mapping) or not all(isinstance(name, str) for name in record):
            raise InputError(f"{path} is no dict of pictures and what was looked at in them: fetch it again")
        labels = self._labels()
        if labels is not None:
            self.classes = ["no pneumothorax", "pneumothorax"]
        pictures = Radiographs(self.root)
        for key, points in sorted(record.items()):
            name = Path(key).name.removesuffix(".dcm")
            sample: dict[str, Any] = {"id": name, "image": pictures.path(name)}
            if labels is not None:
                if name not in labels:
                    message = f"{self.root / self.table} has no line of {name}"
                    yield {"fault": "image without annotation", "message": message}
                    continue
                sample["label"] = labels[name]
            with reading(path, "fetch it again"):
                shares = matrix([tuple(point) for point in points], 3)[:, :2]
            if (self.root / sample["image"]).is_file():
                height, width = image_size(self.root / sample["image"])
                x, y = (shares * (width, height) - 0.5).T.tolist() if len(shares) else ([], [])
                sample |= {"height": height, "width": width, "x": x, "y": y}
            yield sample

    def _labels(self) -> dict[str, int] | None:
        """Return whether each picture has a pneumothorax; None without a table."""
        path = self.root / self.table
        if not path.is_file():
            return None
        return {
            row["ImageId"]: int(row["EncodedPixels"] != "-1")
            for _, row in read_table(path, ["ImageId", "EncodedPixels"])
        }
