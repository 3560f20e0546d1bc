"""GazeMedSeg: fixations of an annotator on endoscopic pictures and slices of MRI, with masks (Zhong et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.image import image_size
from haa.data.files.listing import files_below, matching
from haa.data.files.table import number, read_lines, read_table
from haa.data.index import IndexedDataset, Missing
from haa.data.splits import assign_splits, published
from haa.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png")
GAZE = ("IMAGE", "CURRENT_FIX_INDEX", "CURRENT_FIX_X", "CURRENT_FIX_Y", "CURRENT_FIX_DURATION")
SIZE = ("IMAGE_HEIGHT", "IMAGE_WIDTH")


class GazeMedSeg(IndexedDataset):
    """Kvasir-SEG (polyps) or NCI-ISBI (prostates) with a mask each, and the fixations of who annotated by looking.

    The table of fixations has a line for each: ``IMAGE`` (the picture's file), ``CURRENT_FIX_INDEX`` (from 1), the
    point ``CURRENT_FIX_X``, ``CURRENT_FIX_Y`` between 0 and 1 from the picture's upper left corner, the duration in ms,
    and the picture's ``IMAGE_HEIGHT`` and ``IMAGE_WIDTH``. A point (u, v) becomes (u w - 1/2, v h - 1/2), because haa's
    pixels have their centres at integers. Pictures are ``images/<name>.jpg`` or ``.png``, masks ``masks/<name>`` with
    either ending. Slices of NCI-ISBI are DICOM files, which haa does not read: save them as 8-bit PNG.

    Written after the authors' code and description; not tried on the published files. Splits are the authors'
    ``train.txt`` and ``test.txt``, where they are there; the fixed rule divides what they leave open, all slices of a
    case (``<case>_<slice>``) into one split.

    Args:
        root: The folder that holds ``images``, ``masks`` and the table of fixations.
        split: ``train``, ``val`` or ``test``.
        missing: ``drop`` leaves out gaze at absent pictures, and pictures without a mask.
        cache: See `haa.data.index.IndexedDataset`.
        fixations: The table, relative to ``root``; None is the only ``*_fixation.csv`` (``kvasir_fixation.csv``).

    Raises:
        InputError: If the table is missing, there are several, a line is none, or a picture has another size than the
            table says.

    Reference:
        Y. Zhong, C. Tang, Y. Yang et al. Weakly-supervised Medical Image Segmentation with Gaze Annotations. MICCAI
        2024.
    """

    outside = "drop"

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        missing: Missing = "raise",
        cache: str | Path | None = None,
        fixations: str | None = None,
    ) -> None:
        self.fixations = fixations
        super().__init__(root, split, missing, cache)

    def sources(self) -> Sequence[Path]:
        return [*self._tables(), *(self.root / name for name in ("train.txt", "test.txt", "images", "masks"))]

    def scan(self) -> Iterator[dict[str, Any]]:
        tables = self._tables()
        if len(tables) != 1:
            there = " and ".join(path.name for path in tables) or "no *_fixation.csv"
            raise InputError(f"{self.root} holds {there}: fetch GazeMedSeg's, and choose one by data.fixations")
        gaze = self._gaze(tables[0])
        images, masks = ({p.stem: p for p in files_below(self.root / name, SUFFIXES)} for name in ("images", "masks"))
        if dicom := [path for path in files_below(self.root / "images", [".dcm"]) if path.stem not in images]:
            raise InputError(f"{dicom[0]} is a DICOM file, which haa does not read: save it as 8-bit PNG of its size")
        names = sorted({*images, *gaze})
        for name, split in zip(names, self._splits(names), strict=True):
            if name in images and name not in masks:
                yield {"fault": "image without annotation", "message": f"{images[name]} has no mask in masks/"}
                continue
            size, columns = gaze.get(name, (None, {}))
            sample = {"id": name, "image": f"images/{name}.jpg", "split": split}
            if name in images:
                paths = (("image", images[name]), ("mask", masks[name]))
                sample |= {key: path.relative_to(self.root).as_posix() for key, path in paths}
                if size is not None and image_size(images[name]) != size:
                    raise InputError(
                        f"{images[name]} was looked at as {size[1]} x {size[0]} pixels, by {tables[0].name}, and has "
                        "others: put the original picture there"
                    )
            yield {**sample, **columns} if size is None else {**sample, "height": size[0], "width": size[1], **columns}

    def _tables(self) -> list[Path]:
        return matching(self.root, "*_fixation.csv") if self.fixations is None else [self.root / self.fixations]

    def _splits(self, names: Sequence[str]) -> list[Split]:
        listed: dict[str, str] = {}
        for part in ("train", "test"):
            if (self.root / f"{part}.txt").is_file():
                listed |= {text.split()[0]: part for _, text in read_lines(self.root / f"{part}.txt")}
        pools = published(listed.values())
        cases = [name.rsplit("_", 1)[0] for name in names]
        return assign_splits(cases, [pools.get(listed.get(name, "")) for name in names])

    def _gaze(self, table: Path) -> dict[str, tuple[tuple[int, int], dict[str, list[float]]]]:
        """Return the size of each picture that was looked at, with the columns of its gaze in order."""
        lines: dict[str, list[tuple[float, ...]]] = {}
        for where, row in read_table(table, (*GAZE, *SIZE)):
            values = tuple(number(row, column, where) for column in (*GAZE[1:], *SIZE))
            lines.setdefault(Path(row["IMAGE"]).stem, []).append(values)
        gaze: dict[str, tuple[tuple[int, int], dict[str, list[float]]]] = {}
        for name, rows in lines.items():
            _, u, v, duration, heights, widths = zip(*sorted(rows), strict=True)
            if len({*zip(heights, widths, strict=True)}) > 1:
                raise InputError(f"{table} gives {name} two sizes: fetch it again")
            height, width = int(heights[0]), int(widths[0])
            x, y = [share * width - 0.5 for share in u], [share * height - 0.5 for share in v]
            gaze[name] = (height, width), {"x": x, "y": y, "duration": list(duration)}
        return gaze
