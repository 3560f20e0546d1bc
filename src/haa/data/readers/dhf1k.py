"""DHF1K: 1,000 videos, free viewing by 17 people, gaze published for the first 700 (Wang et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from haa.data.files.image import image_size
from haa.data.files.listing import matching
from haa.data.readers.clips import ClipDataset, fixated
from haa.data.splits import published
from haa.errors import InputError


class DHF1K(ClipDataset):
    """Videos ``video/<nnn>.AVI`` with ``annotation/<nnnn>/fixation/<nnnn>.png``, a binary picture per frame, from 1.

    Fixated pixels are white: row and column are y and x. The pictures do not say who looked. (Raw recordings, in pixels
    of the 1440 x 900 screen, are published apart and are not read.) Where ``annotation/<nnnn>/images`` holds the frames
    as pictures, which users of video saliency models often extract, they are read instead of the video: an AVI does not
    say where its frames are, so that every access decodes it from the beginning.

    Videos 1 to 600 are the published training part, 601 to 700 the validation part. The authors keep the gaze of the
    others for the benchmark, so the validation part is the test split (`haa.data.splits.published`). Videos without an
    annotation are passed over.

    Args:
        root: The folder that holds ``video`` and ``annotation``.
        split: ``train``, ``val`` or ``test``.
        frames, stride, missing, cache: See `haa.data.readers.clips.ClipDataset`.

    Raises:
        InputError: If annotations are missing or are not those of the video.

    Reference:
        W. Wang, J. Shen, F. Guo, M.-M. Cheng, A. Borji. Revisiting Video Saliency: A Large-scale Benchmark and a New
        Model. CVPR 2018.
    """

    sigma = 12.74 / 640
    """The authors' blur of fixation maps: a Gaussian with 30 pixels at half its height, of videos of 640 x 360."""

    def sources(self) -> Sequence[Path]:
        return [self.root / "video", *matching(self.root, "annotation/*/*/")]

    def scan(self) -> Iterable[dict[str, Any]]:
        numbers = sorted(int(path.name) for path in matching(self.root, "annotation/*/") if path.name.isdecimal())
        if not numbers:
            raise InputError(
                f"{self.root}/annotation holds no folders 0001 ...: data.root must hold DHF1K's annotation"
            )
        pools = published(map(_part, numbers))
        videos = {path.stem: path for path in matching(self.root, "video/*") if path.suffix.lower() == ".avi"}
        for number in numbers:
            folder = self.root / "annotation" / f"{number:04}"
            maps = matching(folder / "fixation", "*.png")
            if [path.stem for path in maps] != [f"{k:04}" for k in range(1, len(maps) + 1)] or not maps:
                raise InputError(f"{folder / 'fixation'} does not hold 0001.png and on without a gap: fetch it again")
            path = folder / "images" if (folder / "images").is_dir() else videos.get(f"{number:03}")
            size = image_size(maps[0])

            def gaze(indices: list[int], folder: Path = folder, size: tuple[int, int] = size) -> dict[str, list[Any]]:
                return fixated(folder / "fixation", [f"{index + 1:04}" for index in indices], size)

            path = path or self.root / "video" / f"{number:03}.AVI"  # its absence is reported later
            yield from self.clips(path, len(maps), size, f"{number:03}", gaze, split=pools[_part(number)])


def _part(number: int) -> str:
    return "train" if number <= 600 else "val" if number <= 700 else "test"
