"""EGD-CXR: a radiologist reads 1,083 chest radiographs (Karargyris et al. 2021), with labels of what is to be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from haa.data.dataset import Split
from haa.data.files.table import number, read_table
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.mimic_cxr import Radiographs
from haa.data.splits import assign_splits
from haa.errors import InputError

Kind = Literal["conditions", "findings", "chexpert"]
Blank = Literal["unknown", "absent"]

COLUMNS: Mapping[str, Sequence[str]] = {
    "conditions": ("Normal", "CHF", "pneumonia"),
    "findings": (
        *("consolidation", "enlarged_cardiac_silhouette", "linear__patchy_atelectasis", "lobar__segmental_collapse"),
        "not_otherwise_specified_opacity___pleural__parenchymal_opacity__",
        *("pleural_effusion_or_thickening", "pulmonary_edema__hazy_opacity", "normal_anatomically"),
        *("elevated_hemidiaphragm", "hyperaeration", "vascular_redistribution"),
    ),
    "chexpert": tuple(
        f"{name}__chx"
        for name in (
            *("atelectasis", "cardiomegaly", "consolidation", "edema", "enlarged_cardiomediastinum", "fracture"),
            *("lung_lesion", "lung_opacity", "no_finding", "pleural_effusion", "pleural_other", "pneumonia"),
            *("pneumothorax", "support_devices"),
        )
    ),
}
"""Columns of ``master_sheet.csv`` that hold labels, by kind."""

GAZE = ("SESSION_ID", "DICOM_ID", "FPOGD", "FPOGID", "FPOGV", "X_ORIGINAL", "Y_ORIGINAL")
OFF, OTHER, INVALID = "fixation off the picture", "gaze at no picture of the sheet", "row without a fixation"
"""Kinds of what is left out of the gaze, and told."""


class EGDCXR(IndexedDataset):
    """Chest radiographs of MIMIC-CXR with the fixations of the radiologist who read them, and several labels each.

    ``master_sheet.csv`` has a line for each picture. ``fixations.csv`` has Gazepoint's rows: of each fixation of a
    session (``FPOGID``) the last valid one counts (``FPOGV`` 1), so that ``eye_gaze.csv``, which has a row for each
    sample, gives the same fixations. ``X_ORIGINAL`` and ``Y_ORIGINAL`` are whole pixels of the original picture, which
    the authors computed from where it stood on the screen; they count from 0 and are negative where the radiologist
    looked off the picture. ``FPOGD`` is in seconds. The pictures themselves are MIMIC-CXR's, at their full size:
    smaller copies are refused where gaze lies beyond them.

    Written after the authors' code and description; not tried on the published files, which need credentials.

    No split is published. The fixed rule divides patients, so that no patient is in two splits.

    Args:
        root: The folder that holds ``master_sheet.csv`` and ``fixations.csv``, and MIMIC-CXR's pictures in ``images``
            (`haa.data.readers.mimic_cxr.Radiographs`).
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out absent pictures.
        cache: See `haa.data.index.IndexedDataset`.
        labels: ``conditions`` (normal, heart failure, pneumonia, by which the pictures were drawn), ``findings`` (11 of
            the reports, read by hand), or ``chexpert`` (14 of the CheXpert labeler; -1, uncertain, is unknown).
        blank: What an empty field means: ``unknown``, or ``absent``, as is often assumed of the CheXpert labeler, which
            leaves empty what a report does not mention.
        fixations: The table of gaze, relative to ``root``.

    Raises:
        InputError: If a file or column is missing, a field is not what it should be, a picture is there as DICOM only,
            or gaze lies beyond the pictures.

    Reference:
        A. Karargyris, S. Kashyap, I. Lourentzou et al. Creation and validation of a chest X-ray dataset with
        eye-tracking and report dictation for AI development. Scientific Data 8, 2021.
    """

    outside = "drop"

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        labels: Kind = "conditions",
        blank: Blank = "unknown",
        fixations: str = "fixations.csv",
    ) -> None:
        for key, value, choices in (("labels", labels, get_args(Kind)), ("blank", blank, get_args(Blank))):
            if value not in choices:
                raise InputError(f"data.{key}={value}: choose {', '.join(choices)}")
        self.labels, self.blank, self.fixations = labels, blank, fixations
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        return [self.root / "master_sheet.csv", self.root / self.fixations, self.root / "images"]

    def told(self) -> dict[str, str]:
        return dict.fromkeys((OFF, OTHER, INVALID), "left out")

    def scan(self) -> Iterator[dict[str, Any]]:
        columns, pictures = COLUMNS[self.labels], Radiographs(self.root)
        self.classes = [name.removesuffix("__chx") for name in columns]
        sheet = list(read_table(self.root / "master_sheet.csv", ["dicom_id", "path", "patient_id", *columns]))
        patients = [row["patient_id"] for _, row in sheet]
        gaze: dict[str, dict[str, list[float]]] = {row["dicom_id"]: {} for _, row in sheet}
        yield from self._look(gaze)
        for (where, row), split in zip(sheet, assign_splits(patients, [None] * len(patients)), strict=True):
            yield {
                "id": row["dicom_id"],
                "image": pictures.path(row["dicom_id"], row["path"]),
                "split": split,
                "labels": [self._label(row, column, where) for column in columns],
                **gaze[row["dicom_id"]],
            }

    def _label(self, row: dict[str, str], column: str, where: str) -> int:
        if not row[column]:
            return -1 if self.blank == "unknown" else 0
        value = number(row, column, where)
        if value not in (-1, 0, 1):
            raise InputError(f"{where}: {column}={value:g} is none of 1, 0, -1 and empty: fetch it again")
        return int(value)

    def _look(self, gaze: dict[str, dict[str, list[float]]]) -> Iterator[dict[str, Any]]:
        """Fill in the columns of each picture's gaze; yield what is left out."""
        last: dict[tuple[str, str, str], tuple[float, float, float, str]] = {}
        for where, row in read_table(self.root / self.fixations, GAZE):
            if row["DICOM_ID"] not in gaze:
                yield {"fault": OTHER, "message": f"{where}: {row['DICOM_ID']} (a calibration, say)"}
            elif number(row, "FPOGV", where) != 1:
                yield {"fault": INVALID, "message": f"{where}: FPOGV={row['FPOGV']}"}
            else:
                x, y, seconds = (number(row, key, where) for key in ("X_ORIGINAL", "Y_ORIGINAL", "FPOGD"))
                last[row["SESSION_ID"], row["DICOM_ID"], row["FPOGID"]] = x, y, 1000 * seconds, where
        for (_, picture, _), (x, y, duration, where) in last.items():
            if x < 0 or y < 0:
                yield {"fault": OFF, "message": f"{where}: at {x:g}, {y:g}"}
                continue
            for key, value in (("x", x), ("y", y), ("duration", duration), ("subject", 1)):
                gaze[picture].setdefault(key, []).append(value)
