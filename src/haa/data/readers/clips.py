"""Base of the readers of video: a sample is a clip, which is frames at equal distances with the gaze on each."""

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
from haa.data.files.listing import matching
from haa.data.index import IndexedDataset, Missing
from haa.data.splits import published
from haa.errors import InputError
from haa.gaze import Size

FRAMES = {".png", ".jpg", ".jpeg", ".bmp"}
"""Endings of frames, where a video is a folder of pictures."""


class ClipDataset(IndexedDataset):
    """Data set of clips: each video is cut into clips of ``frames`` frames, ``stride`` apart.

    A video is a file, or a folder of numbered pictures. Clips follow one another; the last one ends with the video and
    may overlap the one before. A video shorter than a clip is one clip, whose last frame is repeated. All clips of a
    video share ``stimulus``, so that they stay in one split, and so that conditions take gaze from other videos.
    Samples carry it as ``video``. Of a folder of pictures, what is noticed is that a picture comes, goes or has another
    name, and not that one is written over: the index has to be taken away then.

    A subclass' ``scan`` yields what `clips` makes of each video.

    Args:
        root: The data set's folder.
        split: ``train``, ``val`` or ``test``.
        frames: Number of frames of a clip.
        stride: Distance from one frame of a clip to the next, in frames of the video.
        missing, cache: See `haa.data.index.IndexedDataset`.

    Raises:
        InputError: If frames or stride is not positive.
    """

    columns: ClassVar = {"start": pa.int32(), "length": pa.int32()}
    shown: ClassVar = ("content", "start", "length")

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
        sample = {key: value for key, value in super().record(index).items() if key not in ("start", "length")}
        return {**sample, "video": self.stimulus(index)}

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
        """Yield the clips of one video, for ``scan``.

        Args:
            path: The video's file or its folder of frames.
            length: Number of frames of the video.
            size: Height and width of its frames, ``(h, w)``, in pixels.
            name: Name of the video; a clip is named ``<name>@<first frame>``.
            gaze: Function from numbers of the video's frames to their ``x``, ``y``, ``frame`` ...; ``frame`` is a
                position among these numbers, from 0. None is no gaze.
            named: Further keys of every clip.
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
        """Return the first frame of each clip of a video of ``length`` frames."""
        if length < (self.frames - 1) * self.stride + 1:
            return [0]
        return [clip.start for clip in video.clips(length, self.frames, self.stride)]

    def indices(self, start: int, length: int) -> list[int]:
        """Return the frames of the clip that begins at ``start`` in a video of ``length`` frames."""
        return [min(start + step * self.stride, length - 1) for step in range(self.frames)]


def read_frames(path: Path, indices: Sequence[int]) -> UInt8[Tensor, "t 3 h w"]:
    """Return the frames of a video (a file, or a folder of numbered pictures) at these indices, which count from 0.

    Raises:
        InputError: If a frame is not there or cannot be decoded.
    """
    if not path.is_dir():
        return opened(path).frames(indices)
    files = frame_files(path)
    if max(indices) >= len(files):
        raise InputError(f"{path} has {len(files)} frames: there is no frame {max(indices)}, fetch it again")
    return torch.stack([read_image(files[i]) for i in indices])


@lru_cache(maxsize=64)
def opened(path: Path) -> video.Video:
    """Open a video file and keep it: to read its time stamps takes, in some formats, as long as to decode it."""
    return video.Video(path)


def training_and_testing(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield the videos' folders in ``training`` and ``testing``, each with its split.

    Raises:
        InputError: If neither folder is there, or a video lacks ``images`` or ``fixation``.
    """
    parts = {part: folder for part in ("train", "test") if matching(folder := root / f"{part}ing", "*/")}
    if not parts:
        raise InputError(f"data.root={root} has neither training/ nor testing/ with videos: give the folder that does")
    pools = published(parts)
    for part, folder in parts.items():
        for video_folder in matching(folder, "*/"):
            for kind in ("images", "fixation"):
                if not (video_folder / kind).is_dir():
                    raise InputError(
                        f"{video_folder / kind} is missing: fetch the video again, or take its folder away"
                    )
            yield video_folder, pools[part]


def frame_folder(place: Path) -> dict[str, Any]:
    """Return arguments for `ClipDataset.clips`, all but the name, from a folder with ``images`` and ``fixation``.

    Raises:
        InputError: If there are no frames.
    """
    files = frame_files(place / "images")
    if not files:
        raise InputError(f"{place / 'images'} holds no frames (*.png, *.jpg): fetch them again")
    size = image_size(files[0])

    def gaze(indices: list[int]) -> dict[str, list[Any]]:
        return fixated(place / "fixation", [files[index].stem for index in indices], size)

    return {"path": place / "images", "length": len(files), "size": size, "gaze": gaze}


def frame_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of the number at the end of their names.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a_10.png", "a_9.png"): (folder / name).touch()
        >>> [file.name for file in frame_files(folder)]
        ['a_9.png', 'a_10.png']
    """
    files = [path for path in matching(folder, "*") if path.suffix.lower() in FRAMES]
    return sorted(files, key=lambda path: (_number(path.stem), path.name))


def _number(stem: str) -> int:
    digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits else -1


def fixated(folder: Path, stems: Sequence[str], size: Size) -> dict[str, list[Any]]:
    """Return the fixated pixels of these frames, those that are not black, as ``x`` (column), ``y`` (row), ``frame``.

    Args:
        folder: Folder that holds one binary picture for each frame.
        stems: Names of the frames, without ending, in the order of the clip.
        size: Height and width of the frames, ``(h, w)``, in pixels.

    Raises:
        InputError: If a frame's picture is missing, has another size, or is a blurred map.
    """
    gaze: dict[str, list[Any]] = {"x": [], "y": [], "frame": []}
    for number, stem in enumerate(stems):
        path = folder / f"{stem}.png"
        points = read_map(path).numpy()
        if points.shape != size:
            raise InputError(f"{path} is {points.shape}, its frame {size} (height, width): fetch both again")
        if len(np.unique(points)) > 2:
            raise InputError(f"{path} has shades where fixated pixels are black and white: it is a blurred map")
        y, x = np.nonzero(points)
        gaze["x"] += x.tolist()
        gaze["y"] += y.tolist()
        gaze["frame"] += [number] * len(x)
    return gaze
