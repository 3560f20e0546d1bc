"""REFLACX: radiologists read chest radiographs, and say how sure they are (Bigolin Lanfredi et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.image import image_size
from haa.data.files.listing import matching
from haa.data.files.table import LOST, coordinate, number, read_table
from haa.data.index import IndexedDataset, Missing
from haa.data.readers.mimic_cxr import Radiographs
from haa.data.splits import pool_called, published
from haa.errors import InputError

READING = (
    *("id", "split", "eye_tracking_data_discarded", "image", "dicom_id", "subject_id", "image_size_x", "image_size_y"),
)
"""Columns of ``metadata_phase_*.csv`` that are no labels."""
NO_LABEL = ("Other", "Quality issue", "")
SHOWN = tuple(f"{side}_shown_from_image" for side in ("xmin", "ymin", "xmax", "ymax"))
TIMES = ("timestamp_start_fixation", "timestamp_end_fixation")
SUREST = 5
"""Certainty of what is there: after 0 not mentioned, 1 unlikely, 2 less likely, 3 possibly, 4 probably."""

UNSHOWN, DISCARDED = "fixation off the part of the picture that was shown", "reading without usable gaze"
NOT_IN_ALL = "label that not every phase has"


class REFLACX(IndexedDataset):
    """Chest radiographs of MIMIC-CXR, with the fixations of everybody who read them, and several labels each.

    A line of ``metadata_phase_<n>.csv`` is a reading: ``id``, ``dicom_id``, ``split`` and a certainty from 0 to 5 (or
    true and false) for each label. ``<id>/fixations.csv`` has its fixations. ``x_position`` and ``y_position`` are
    pixels of the whole picture, measured from its upper left corner, also where a part of it was zoomed to: the
    authors' tracker saw the screen, and they carried every point from the rectangle of the screen
    (``xmin_in_screen_coordinates`` ...) to the part of the picture that it showed (``xmin_shown_from_image`` ...). Half
    a pixel is subtracted here, because haa's pixels have their centres at integers. Points beyond the part that was
    shown lie on the screen beside the picture: they are left out and counted. Times are in seconds.

    A picture's readings are one sample; its subjects number the readings, because who read what is not published. Of a
    reading whose gaze the authors discarded the labels remain. A label is present where the mean of the readers'
    certainties is ``present`` or more, absent where it is ``absent`` or less, and unknown between them.

    Written after the authors' code and description; not tried on the published files, which need credentials.

    Splits are the published ones, which are MIMIC-CXR's and divide patients. A picture that is held out in one phase is
    held out in all.

    Args:
        root: The folder that holds ``main_data`` (or its content), and MIMIC-CXR's pictures, at their full size, in
            ``images`` (`haa.data.readers.mimic_cxr.Radiographs`).
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out absent pictures.
        cache: See `haa.data.index.IndexedDataset`.
        phases: Phases of the collection. In 1 and 2 five people read each of 59 and 50 pictures, in 3 one reads each of
            2,507. The labels of phase 1 are others; of several phases, those that all have are taken.
        present: Least mean certainty of what is present.
        absent: Greatest mean certainty of what is absent.

    Raises:
        InputError: If a file or column is missing, a field is not what it should be, or a picture is there as DICOM
            only or at another size than it was read at.

    Reference:
        R. Bigolin Lanfredi, M. Zhang, W. F. Auffermann et al. REFLACX, a dataset of reports and eye-tracking data for
        localization of abnormalities in chest x-rays. Scientific Data 9, 2022.
    """

    outside = "drop"

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        phases: Sequence[int] = (2, 3),
        present: float = 4,
        absent: float = 2,
    ) -> None:
        if not phases or set(phases) - {1, 2, 3}:
            raise InputError(f"data.phases={list(phases)}: choose among 1, 2 and 3")
        if not 0 <= absent < present <= SUREST:
            raise InputError(f"data.present={present} data.absent={absent}: give 0 <= absent < present <= {SUREST}")
        self.phases, self.present, self.absent = sorted(set(phases)), present, absent
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        return [*self._tables(), *matching(self._top, "*/fixations.csv"), self.root / "images"]

    def told(self) -> dict[str, str]:
        left_out = dict.fromkeys((UNSHOWN, LOST, NOT_IN_ALL), "left out")
        return {**left_out, DISCARDED: "its labels count, nobody's gaze is known of it"}

    def scan(self) -> Iterator[dict[str, Any]]:
        tables = [list(read_table(path, READING)) for path in self._tables()]
        labels = [[name for name in rows[0][1] if name not in (*READING, *NO_LABEL)] if rows else [] for rows in tables]
        self.classes = [name for name in labels[0] if all(name in others for others in labels)]
        for name in dict.fromkeys(name for each in labels for name in each):
            if name not in self.classes:
                yield {"fault": NOT_IN_ALL, "message": f"{name} of phases {self.phases}"}
        readings: dict[str, list[tuple[str, dict[str, str]]]] = {}
        for where, row in (each for rows in tables for each in rows):
            readings.setdefault(row["dicom_id"], []).append((where, row))
        pools, pictures = _pools(readings), Radiographs(self.root)
        for picture, of_picture in readings.items():
            gaze: dict[str, list[float]] = {}
            for reading, (where, row) in enumerate(of_picture, 1):
                if _truth(row, "eye_tracking_data_discarded", where):
                    yield {"fault": DISCARDED, "message": f"{where}: {row['id']}"}
                else:
                    yield from self._look(row["id"], reading, gaze)
            image = pictures.path(picture, of_picture[0][1]["image"])
            height, width = self._size(image, of_picture)
            known = [self._label(name, of_picture) for name in self.classes]
            size = {"height": height, "width": width}
            yield {"id": picture, "image": image, "split": pools[picture], "labels": known, **size, **gaze}

    @property
    def _top(self) -> Path:
        return self.root / "main_data" if (self.root / "main_data").is_dir() else self.root

    def _tables(self) -> list[Path]:
        tables = [self._top / f"metadata_phase_{phase}.csv" for phase in self.phases]
        return [path if path.is_file() else self.root / path.name for path in tables]

    def _label(self, name: str, readings: Iterable[tuple[str, dict[str, str]]]) -> int:
        certainties = [value for where, row in readings if (value := _certainty(row, name, where)) is not None]
        mean = sum(certainties) / len(certainties) if certainties else (self.present + self.absent) / 2
        return 1 if mean >= self.present else 0 if mean <= self.absent else -1

    def _size(self, image: str, readings: Iterable[tuple[str, dict[str, str]]]) -> tuple[int, int]:
        """Return the size at which a picture was read; refuse a picture of another size."""
        sizes = {(int(number(r, "image_size_y", at)), int(number(r, "image_size_x", at))) for at, r in readings}
        size = next(iter(sizes))
        path = self.root / image
        if len(sizes) > 1 or (path.is_file() and image_size(path) != size):
            raise InputError(
                f"{path} was read at {' and '.join(f'{w} x {h}' for h, w in sorted(sizes))} pixels, by REFLACX's "
                "metadata, and has others: put MIMIC-CXR-JPG's own picture there, at its full size"
            )
        return size

    def _look(self, name: str, reading: int, gaze: dict[str, list[float]]) -> Iterator[dict[str, Any]]:
        """Add the fixations of a reading to a picture's gaze; yield what is left out."""
        for where, row in read_table(self._top / name / "fixations.csv", ("x_position", "y_position", *TIMES, *SHOWN)):
            x, y = coordinate(row, "x_position", where), coordinate(row, "y_position", where)
            if x is None or y is None:
                yield {"fault": LOST, "message": f"{where}: x={row['x_position']!r}, y={row['y_position']!r}"}
                continue
            left, top, right, bottom = (number(row, side, where) for side in SHOWN)
            if not (left <= x <= right and top <= y <= bottom):
                yield {"fault": UNSHOWN, "message": f"{where}: at {x:g}, {y:g}"}
                continue
            start, end = (number(row, time, where) for time in TIMES)
            if end < start:
                raise InputError(f"{where}: the fixation ends before it begins: fetch it again")
            values = {"x": x - 0.5, "y": y - 0.5, "duration": 1000 * (end - start), "subject": reading}
            for key, value in values.items():
                gaze.setdefault(key, []).append(value)


def _pools(readings: dict[str, list[tuple[str, dict[str, str]]]]) -> dict[str, str | None]:
    """Return the pool of splits of each picture."""
    order = ("train", "val", "test")
    splits: dict[str, str] = {}
    for picture, of_picture in readings.items():
        called = [(pool_called(row["split"]), where) for where, row in of_picture]
        for split, where in called:
            if split not in order:
                raise InputError(f"{where}: split is none of train, validate and test: fetch it again")
        splits[picture] = max((split for split, _ in called if split), key=order.index)
    pools = published(splits.values())
    return {picture: pools[split] for picture, split in splits.items()}


def _certainty(row: dict[str, str], name: str, where: str) -> float | None:
    """Return how sure a reader was of a label, from 0 to 5; None where nothing is said."""
    if not row[name]:
        return None
    if row[name].lower() in ("true", "false"):
        return SUREST if row[name].lower() == "true" else 0
    value = number(row, name, where)
    if not 0 <= value <= SUREST:
        raise InputError(f"{where}: {name}={value:g} is no certainty from 0 to {SUREST}: fetch it again")
    return value


def _truth(row: dict[str, str], name: str, where: str) -> bool:
    if row[name].lower() not in ("true", "false"):
        raise InputError(f"{where}: {name}={row[name]!r:.80} is neither True nor False: fetch it again")
    return row[name].lower() == "true"
