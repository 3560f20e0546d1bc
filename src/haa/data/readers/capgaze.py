"""capgaze1: gaze of people who describe an image aloud (He et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from haa.data.files.image import image_size
from haa.data.files.listing import files_below
from haa.data.files.matlab import matrix
from haa.data.files.pickled import read_pickle
from haa.data.files.table import read_table
from haa.data.index import IndexedDataset
from haa.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png")


class CapGaze(IndexedDataset):
    """Images with descriptions, and gaze as samples of the dominant eye every few milliseconds, not as fixations.

    ``gaze/<person>/<image>.npy`` (or ``gaze/<image>.npy``) holds, pickled by Python 2, a dict of ``left_eye`` and
    ``right_eye`` (lists of (x, y) between 0 and 1 from the image's upper left corner, None or empty where the eye was
    lost), ``dominant_eye`` (0 left, 1 right), ``time_stamp`` and ``duration``. A pickle can run any program. So this
    reader builds numbers, texts, lists, dicts and numpy arrays from it, and refuses everything else. It is not known
    how long a sample lasts (haa's ``duration``).

    Images are ``images/<image>.jpg``, ``.jpeg`` or ``.png``. A point (u, v) becomes (u w - 1/2, v h - 1/2), because
    haa's pixels have their centres at integers. Points beyond the image, where people looked off it, are left out and
    counted. The captions are the spoken words, if they are transcribed into ``captions.csv`` (``image,caption``).

    Args:
        root: The folder that holds ``gaze`` and ``images``.
        split: ``train``, ``val`` or ``test``, by the fixed rule: none is published.
        missing: ``drop`` leaves out gaze whose image is absent.
        cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If a file is missing, not what it should be, or holds what it should not.

    Reference:
        S. He, H. R. Tavakoli, A. Borji, N. Pugeault. Human Attention in Image Captioning: Dataset and
        Analysis. ICCV 2019.
    """

    outside = "drop"

    def sources(self) -> Sequence[Path]:
        folder = self.root / "gaze"
        return [self.root / "captions.csv", self.root / "images", *files_below(folder, [".npy"])]

    def scan(self) -> Iterator[dict[str, Any]]:
        paths = files_below(self.root / "gaze", [".npy"])
        if not paths:
            raise InputError(
                f"{self.root} holds no gaze/*.npy: data.root must be the folder that holds gaze/ and images/"
            )
        people = {name: n for n, name in enumerate(sorted({path.parent.as_posix() for path in paths}), 1)}
        captions: dict[str, list[str]] = {}
        if (self.root / "captions.csv").is_file():
            for _, row in read_table(self.root / "captions.csv", ["image", "caption"]):
                captions.setdefault(Path(row["image"]).stem, []).append(row["caption"])
        stems = sorted({path.stem for path in paths})
        for stem in stems:
            image = next((f"images/{stem}{s}" for s in SUFFIXES if (self.root / f"images/{stem}{s}").is_file()), None)
            sample: dict[str, Any] = {"id": stem, "image": image or f"images/{stem}.jpg"}
            if captions:
                if stem not in captions:
                    yield {"fault": "image without annotation", "message": f"{self.root}/captions.csv lacks {stem}"}
                    continue
                sample["captions"] = captions[stem]
            if image is not None:
                h, w = image_size(self.root / image)
                sample |= {"height": h, "width": w, "x": [], "y": [], "subject": []}
                for path in (path for path in paths if path.stem == stem):
                    points = gaze_points(path) * (w, h) - 0.5
                    sample["x"] += points[:, 0].tolist()
                    sample["y"] += points[:, 1].tolist()
                    sample["subject"] += [people[path.parent.as_posix()]] * len(points)
            yield sample


def gaze_points(path: Path) -> np.ndarray:
    """Return the dominant eye's samples ``(n, 2)``: x, y, between 0 and 1 on the image; lost samples are left out.

    Raises:
        InputError: If the file is not capgaze's, or its pickle asks for more than plain data.
    """
    record = read_pickle(path)
    try:
        if record["dominant_eye"] not in (0, 1):
            raise ValueError
        eye = record["right_eye"] if record["dominant_eye"] else record["left_eye"]
        return matrix([np.asarray(point) for point in eye if point is not None and len(point)], 2)
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path} is not capgaze's, a dict of left_eye, right_eye (lists of x, y) and dominant_eye: fetch it again"
        ) from None
