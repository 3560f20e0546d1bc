"""Readers of videos: a sample is a clip, some frames at equal distances, with the gaze recorded on each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import UInt8
from torch import Tensor

from haa.data.dataset import Split
from haa.data.image import image_size, read_image, read_map
from haa.data.index import IndexedDataset, Missing
from haa.data.splits import published
from haa.errors import InputError


class ClipDataset(IndexedDataset):
    """A video is cut into clips that do not overlap, of ``frames`` frames each, ``stride`` frames apart.

    What is left at a video's end is shorter than a clip and is left out, unless the video has no other: a video shorter
    than one clip is one clip, whose last frame is repeated.

    A subclass yields the clips of `cut` from its ``scan``, with ``image`` naming the video's file or its folder of
    frames, and implements `read`. All clips of a video share ``stimulus``, so that they stay in one split and
    conditions take gaze from other videos.

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

    def read(self, path: Path, indices: Sequence[int]) -> UInt8[Tensor, "t 3 h w"]:
        """The frames of a video at these indices, from 0, which do not decrease."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.row(index)
        indices = self.indices(row["start"].as_py(), row["length"].as_py())
        return {**self.record(index), "clip": self.read(self.path(index), indices)}

    def record(self, index: int) -> dict[str, Any]:
        return {key: value for key, value in super().record(index).items() if key not in ("start", "length")}

    def cut(self, length: int) -> range:
        """The first frames of a video's clips.

        Args:
            length: frames of the video.
        """
        span = (self.frames - 1) * self.stride + 1
        return range(0, max(1, length - span + 1), self.frames * self.stride)

    def indices(self, start: int, length: int) -> list[int]:
        """The frames of the clip that begins at ``start`` in a video of ``length`` frames."""
        return [min(start + step * self.stride, length - 1) for step in range(self.frames)]


class FrameFolders(ClipDataset):
    """Videos that are folders of numbered pictures, with binary pictures of the same names for fixated pixels."""

    def read(self, path: Path, indices: Sequence[int]) -> UInt8[Tensor, "t 3 h w"]:
        files = frame_files(path)
        return torch.stack([read_image(files[i]) for i in indices])

    def clips(self, video: Path, fixations: Path, id: str, **named: Any) -> Iterator[dict[str, Any]]:
        """The clips of one folder of frames, for ``scan``.

        Args:
            video: the folder.
            fixations: the folder of fixated pixels.
            id: the video's; a clip's is ``<id>@<first frame>``.
            named: further keys of every clip.
        """
        files = frame_files(video)
        if not files:
            raise InputError(f"{video} holds no frames (*.png, *.jpg): fetch it again, or take the folder away")
        height, width = image_size(files[0])
        for start in self.cut(len(files)):
            chosen = [files[i] for i in self.indices(start, len(files))]
            yield {
                "id": f"{id}@{start}",
                "image": str(video.relative_to(self.root)),
                "height": height,
                "width": width,
                "start": start,
                "length": len(files),
                **fixated(fixations, [file.stem for file in chosen], (height, width)),
                **named,
            }


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
        for video in sorted(folder.glob("*/")):
            for kind in ("images", "fixation"):
                if not (video / kind).is_dir():
                    raise InputError(f"{video / kind} is missing: fetch the video again, or take its folder away")
            yield video, pools[part]


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the number at the end of their names.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a_10.png", "a_9.png"): (folder / name).touch()
        >>> [file.name for file in frame_files(folder)]
        ['a_9.png', 'a_10.png']
    """
    files = [path for path in folder.glob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp")]
    return sorted(files, key=lambda path: (_number(path.stem), path.name))


def _number(stem: str) -> int:
    digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits else -1


def fixated(folder: Path, stems: Sequence[str], size: tuple[int, int]) -> dict[str, list[Any]]:
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
