"""CUB-200-2011: 200 kinds of birds (Wah et al. 2011), with the gaze of CUB-GHA (Rong et al. 2021) where it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from haa.data.dataset import Split
from haa.data.files.image import image_size
from haa.data.files.listing import matching
from haa.data.index import IndexedDataset, Missing
from haa.errors import InputError, reading
from haa.gaze import Size

LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


class CUB(IndexedDataset):
    """Photos of birds in the official split: 5,994 to train, of which an eighth validates, and 5,794 to test.

    The lines of CUB-GHA's files have two layouts, which their number n of fields tells apart. A file never mixes them:

    - ``id,w,h`` and then triples ``x,y,ms``, so n is a multiple of 3. Points are in pixels of the image.
    - ``id,w,h,w_display,h_display,x_display,y_display`` and then such triples, so n - 1 is a multiple of 3. Points are
      in pixels of the 1920 x 1080 display, on which the image had the size ``w_display`` x ``h_display`` and its upper
      left corner at ``x_display``, ``y_display``.

    Fixations keep their order. The files of the five runs count as five subjects, in the order of their names. An image
    that occurs twice in a run keeps both viewings, under that subject. Published coordinates are whole pixels, and in
    the five runs x goes from 0 to width - 1, so they count from 0.

    Args:
        root: The folder that holds ``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt``,
            ``classes.txt`` and ``images/``.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out absent images.
        cache: See `haa.data.index.IndexedDataset`.
        gha: CUB-GHA's ``Fixation.txt``, or the folder that holds ``Fixation_run1.txt`` ...; None is no gaze.

    Raises:
        InputError: If a file is missing or is not what its name says, a line is in neither layout, or an image has
            another size than its gaze says.

    Reference:
        C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie. The Caltech-UCSD Birds-200-2011 Dataset. 2011.
        Y. Rong, W. Xu, Z. Akata, E. Kasneci. Human Attention in Fine-grained Classification. BMVC 2021.
    """

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        gha: str | Path | None = None,
    ) -> None:
        self.gha = None if gha is None else Path(gha).expanduser()
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        return [*(self.root / name for name in LISTS), *self._runs()]

    def scan(self) -> Iterator[dict[str, Any]]:
        images, labels, training, classes = (self._read(name) for name in LISTS)
        self.classes = list(classes.values())
        numbers = {number: index for index, number in enumerate(classes)}
        gaze = self._gaze()
        for number, name in images.items():
            if number not in labels or number not in training or labels[number] not in numbers:
                raise InputError(
                    f"{self.root}: image {number} ({name}) has no class or no split: fetch the lists again"
                )
            sample: dict[str, Any] = {
                "id": number,
                "image": f"images/{name}",
                "split": self._split(number, training[number]),
                "label": numbers[labels[number]],
            }
            if number in gaze:
                size, columns = gaze[number]
                path = self.root / "images" / name
                if path.is_file() and image_size(path) != size:
                    raise InputError(
                        f"{self.gha}: image {number} has {size[1]} x {size[0]} pixels there, and {path} others: "
                        "the gaze is not of this image, fetch both again"
                    )
                sample |= {**columns, "height": size[0], "width": size[1]}
            yield sample

    def _split(self, number: str, training: str) -> str:
        if training not in ("0", "1"):
            raise InputError(f"{self.root / LISTS[2]}: image {number} has {training!r}, not 0 or 1: fetch it again")
        return "train+val" if training == "1" else "test"

    def _runs(self) -> list[Path]:
        if self.gha is None:
            return []
        runs = matching(self.gha, "Fixation_run*.txt") if self.gha.is_dir() else [self.gha]
        runs = runs or [self.gha / "Fixation.txt"]
        if not runs[0].is_file():
            raise InputError(f"{runs[0]} is missing: data.gha must be CUB-GHA's Fixation.txt or the folder of its runs")
        return runs

    def _gaze(self) -> dict[str, tuple[Size, dict[str, list[float]]]]:
        gaze_by_image: dict[str, tuple[Size, dict[str, list[float]]]] = {}
        for subject, path in enumerate(self._runs(), 1):
            with reading(path, "fetch it again"):
                lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            layouts = {len(line.split(",")) % 3 for line in lines}
            if len(layouts) > 1 or layouts - {0, 1}:
                raise InputError(
                    f"{path} mixes line layouts, or has lines that are neither id,w,h,(x,y,ms)... nor "
                    "id,w,h,w_display,h_display,x_display,y_display,(x,y,ms)...: fetch it again"
                )
            for number, line in enumerate(lines, 1):
                image, size, points = _parse(line, f"{path}, line {number}")
                first_size, columns = gaze_by_image.setdefault(
                    image, (size, {"x": [], "y": [], "duration": [], "subject": []})
                )
                if first_size != size:
                    raise InputError(f"{path}, line {number}: image {image} had another size before: fetch it again")
                for key, values in zip(columns, [*points.T.tolist(), [subject] * len(points)], strict=True):
                    columns[key] += values
        return gaze_by_image

    def _read(self, name: str) -> dict[str, str]:
        try:
            lines = (self.root / name).read_text(encoding="utf-8").splitlines()
            pairs = [line.strip().split(" ", 1) for line in lines if line.strip()]
            values = dict(pairs)  # type: ignore[arg-type]
        except (OSError, ValueError):
            raise InputError(f"{self.root / name} is missing or no list: data.root must be CUB_200_2011") from None
        if len(values) < len(pairs):
            twice = Counter(number for number, _ in pairs).most_common(1)[0][0]
            raise InputError(f"{self.root / name} has two lines of {twice}: fetch the lists again")
        return values


def _parse(line: str, where: str) -> tuple[str, Size, np.ndarray]:
    """Return a line's image, its size (h, w) and its fixations ``(n, 3)``: x, y in the image's pixels, milliseconds.

    Example:
        >>> _parse("7,500,400,10,20,300", "here")[2]
        array([[ 10.,  20., 300.]])
        >>> _parse("7,500,400,1000,800,460,140,460.5,142.5,300", "here")[2]
        array([[  0.,   1., 300.]])
    """
    fields = line.split(",")
    header = 3 if len(fields) % 3 == 0 else 7
    try:
        image = str(int(fields[0]))
        w, h, *display = (float(field) for field in fields[1:header])
        if w != int(w) or h != int(h) or any(size <= 0 for size in (w, h, *display[:2])):
            raise ValueError
        points = np.array([float(field) for field in fields[header:]]).reshape(-1, 3)
    except (ValueError, OverflowError):
        raise InputError(f"{where} holds something other than numbers: fetch it again") from None
    if display:
        shown, corner = np.array(display[:2]), np.array(display[2:])
        points[:, :2] = (points[:, :2] - corner + 0.5) * np.array([w, h]) / shown - 0.5
    return image, (int(h), int(w)), points
