"""Readers of videos: a sample is a clip, some frames at equal distances, with the gaze recorded on each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import UInt8
from torch import Tensor

from haa.data.dataset import Split
from haa.data.files import video
from haa.data.files.image import image_size, read_image, read_map
from haa.data.index import IndexedDataset, Missing
from haa.data.splits import published
from haa.errors import InputError
from haa.gaze import Size

FRAMES = {".png", ".jpg", ".jpeg", ".bmp"}
"""Endings of pictures, where a video is a folder of them."""


class ClipDataset(IndexedDataset):
    """A video, a file or a folder of numbered pictures, is cut into clips of ``frames`` frames, ``stride`` apart.

    Clips follow one another; the last one ends with the video and overlaps the one before. A video shorter than a clip
    is one clip, whose last frame is repeated. All clips of a video share ``stimulus``, so that they stay in one split
    and conditions take gaze from other videos, and carry it as ``video``.

    A subclass' ``scan`` yields what `clips` makes of each video.

    Args:
        root: the data set's folder.
        split: ``train``, ``val`` or ``test``.
        frames: of a clip.
        stride: from one frame of a clip to the next, in frames of the video.
        missing, cache: see `haa.data.index.IndexedDataset`.

    Raises:
        InputError: if frames or stride is not positive.
    """

    columns: ClassVar = {"start": pa.int32(), "length": pa.int32()}

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        frames: int = 16,
        stride: int = 4,
        missing: Missing = "raise",
        cache: str | Path | None = None,
    ) -> None:
        for name, value in (("frames", frames), ("stride", stride)):
            if value < 1:
                raise InputError(f"data.{name}={value}: give a positive number")
        self.frames, self.stride = frames, stride
        super().__init__(root, split, missing, cache)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row, path = self.row(index), self.path(index)
        clip = read_frames(path, self.indices(row["start"].as_py(), row["length"].as_py()))
        size = row["height"].as_py(), row["width"].as_py()
        if clip.shape[-2:] != size:
            raise InputError(f"{path} has frames of {tuple(clip.shape[-2:])}, its gaze is of {size}: fetch both again")
        return {**self.record(index), "clip": clip}

    def record(self, index: int) -> dict[str, Any]:
        inner = {key: value for key, value in super().record(index).items() if key not in ("start", "length")}
        return {**inner, "video": self.stimulus(index)}

    def fingerprint(self) -> str:
        return f"{super().fingerprint()}-{self.frames}-{self.stride}"

    def clips(
        self,
        path: Path,
        length: int,
        size: Size,
        name: str,
        gaze: Callable[[list[int]], dict[str, list[Any]]] | None = None,
        **named: Any,
    ) -> Iterator[dict[str, Any]]:
        """The clips of one video, for ``scan``.

        Args:
            path: the video's file or its folder of frames.
            length: frames of the video.
            size: (height, width) of its frames.
            name: the video's; a clip is ``<name>@<first frame>``.
            gaze: ``x``, ``y``, ``frame`` ... for the video's frames with these numbers, where ``frame`` counts from 0.
            named: further keys of every clip.
        """
        height, width = size
        for start in self.starts(length):
            yield {
                "id": f"{name}@{start}",
                "image": str(path.relative_to(self.root)),
                "stimulus": name,
                "height": height,
                "width": width,
                "start": start,
                "length": length,
                **({} if gaze is None else gaze(self.indices(start, length))),
                **named,
            }

    def starts(self, length: int) -> list[int]:
        """The first frames of the clips of a video of ``length`` frames."""
        if length < (self.frames - 1) * self.stride + 1:
            return [0]
        return [clip.start for clip in video.clips(length, self.frames, self.stride)]

    def indices(self, start: int, length: int) -> list[int]:
        """The frames of the clip that begins at ``start`` in a video of ``length`` frames."""
        return [min(start + step * self.stride, length - 1) for step in range(self.frames)]


def read_frames(path: Path, indices: Sequence[int]) -> UInt8[Tensor, "t 3 h w"]:
    """The frames of a video, a file or a folder of numbered pictures, at these indices, from 0.

    Raises:
        InputError: if a frame is not there or cannot be decoded.
    """
    if not path.is_dir():
        return opened(path).frames(indices)
    files = frame_files(path)
    if max(indices) >= len(files):
        raise InputError(f"{path} has {len(files)} frames: there is no frame {max(indices)}, fetch it again")
    return torch.stack([read_image(files[i]) for i in indices])


@lru_cache(maxsize=64)
def opened(path: Path) -> video.Video:
    """A video file whose time stamps have been read: of some formats that takes as long as decoding it."""
    return video.Video(path)


def training_and_testing(root: Path) -> Iterator[tuple[Path, str | None]]:
    """The videos' folders in ``training`` and ``testing``, each with the split in which it belongs.

    Raises:
        InputError: if neither is there, or a video lacks ``images`` or ``fixation``.
    """
    parts = {part: folder for part in ("train", "test") if any((folder := root / f"{part}ing").glob("*/"))}
    if not parts:
        raise InputError(f"data.root={root} has neither training/ nor testing/ with videos: give the folder that does")
    pools = published(parts)
    for part, folder in parts.items():
        for place in sorted(folder.glob("*/")):
            for kind in ("images", "fixation"):
                if not (place / kind).is_dir():
                    raise InputError(f"{place / kind} is missing: fetch the video again, or take its folder away")
            yield place, pools[part]


def frame_folder(place: Path) -> dict[str, Any]:
    """What `ClipDataset.clips` is to be told of a folder with ``images`` and ``fixation``, but for its name.

    Raises:
        InputError: if there are no frames.
    """
    files = frame_files(place / "images")
    if not files:
        raise InputError(f"{place / 'images'} holds no frames (*.png, *.jpg): fetch them again")
    size = image_size(files[0])

    def gaze(indices: list[int]) -> dict[str, list[Any]]:
        return fixated(place / "fixation", [files[index].stem for index in indices], size)

    return {"path": place / "images", "length": len(files), "size": size, "gaze": gaze}


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the number at the end of their names.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a_10.png", "a_9.png"): (folder / name).touch()
        >>> [file.name for file in frame_files(folder)]
        ['a_9.png', 'a_10.png']
    """
    files = [path for path in folder.glob("*") if path.suffix.lower() in FRAMES]
    return sorted(files, key=lambda path: (_number(path.stem), path.name))


def _number(stem: str) -> int:
    digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits else -1


def fixated(folder: Path, stems: Sequence[str], size: Size) -> dict[str, list[Any]]:
    """The fixated pixels of these frames as ``x``, ``y``, ``frame``: row and column of what is not black.

    Args:
        folder: holds one binary picture for each frame.
        stems: the frames' names in the order of the clip.
        size: (height, width) of the frames.

    Raises:
        InputError: if a frame's picture is missing, has another size, or is a blurred map.
    """
    out: dict[str, list[Any]] = {"x": [], "y": [], "frame": []}
    for number, stem in enumerate(stems):
        path = folder / f"{stem}.png"
        points = read_map(path).numpy()
        if points.shape != size:
            raise InputError(f"{path} is {points.shape}, its frame {size} (height, width): fetch both again")
        if len(np.unique(points)) > 2:
            raise InputError(f"{path} has shades where fixated pixels are black and white: it is a blurred map")
        y, x = np.nonzero(points)
        out["x"] += x.tolist()
        out["y"] += y.tolist()
        out["frame"] += [number] * len(x)
    return out
