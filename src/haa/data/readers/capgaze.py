"""capgaze1: gaze of people who describe an image aloud (He et al. 2019)."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from haa.data.files.image import image_size
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
        return [self.root / "captions.csv", self.root / "images", *sorted(folder.rglob("*.npy"))]

    def scan(self) -> Iterator[dict[str, Any]]:
        paths = sorted((self.root / "gaze").rglob("*.npy"))
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
        eye = record["right_eye"] if int(record["dominant_eye"]) else record["left_eye"]
        return np.array([tuple(map(float, p)) for p in eye if p is not None and len(p)], dtype=np.float64).reshape(
            -1, 2
        )
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path} is not capgaze's, a dict of left_eye, right_eye (lists of x, y) and dominant_eye: fetch it again"
        ) from None


def _latin1(text: str, encoding: str) -> bytes:
    """Encode text as Latin-1, which is how Python 3 pickles bytes for Python 2; refuse any other encoding."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding}")
    return text.encode("latin1")


_ALLOWED = {
    ("_codecs", "encode"): _latin1,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    # the two functions that build an array and a number, under the module's old name and its new one
    **{(f"numpy.{core}.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0] for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): np.float64(0).__reduce__()[0] for core in ("core", "_core")},
}
"""Functions and classes, by module and name, that plain data and arrays need; nothing else may be called."""


class _Data(pickle.Unpickler):
    """Unpickler that builds plain data and numpy arrays, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside")


def read_pickle(path: Path) -> Any:
    """Return the object that a .npy file holds, if it is plain data.

    Raises:
        InputError: If the file is not such a file, or its pickle asks for anything that is not plain data.
    """
    content = path.read_bytes()
    try:
        stream = io.BytesIO(content)
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if not dtype.hasobject or shape != ():
            raise pickle.UnpicklingError("it holds numbers, not one object")
        array = _Data(stream, encoding="latin1").load()
        return array.item() if isinstance(array, np.ndarray) else array
    except Exception as error:  # a broken or hostile pickle lets any type escape
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is not read ({reason}): it must hold plain data, as capgaze's files do") from None
