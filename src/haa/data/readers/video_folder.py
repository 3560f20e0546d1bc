"""Reader of a user's own videos in plain folders: no code needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from haa.data.dataset import Split
from haa.data.files.listing import composed
from haa.data.index import Missing
from haa.data.readers.clips import ClipDataset, opened
from haa.data.readers.known import Known
from haa.data.readers.own import By, OwnData, Units
from haa.data.scan import Outside
from haa.errors import InputError
from haa.gaze import Size, Weight

VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v"}

TABLES = ("videos", "fixations", "labels", "splits")


class VideoFolder(OwnData, ClipDataset):
    """Videos in ``root/videos`` (or in ``root`` itself), at any depth, with csv tables beside them.

    Any of these may lie there, and are read as for images (`haa.data.readers.folder.Folder`):

    - ``labels.csv``: ``video,label``. Without it, videos that lie in sub-folders have the sub-folder's name as label,
      the outermost one's.
    - ``splits.csv``: ``video,split``, a column ``split``, or lists ``train.txt``, ``val.txt``, ``test.txt``. Without
      them, sub-folders of these names give the split. The fixed rule divides what they leave open
      (`haa.data.splits`, label by label).
    - ``fixations.csv``, or ``fixations/`` with a table for each person: ``video,frame,x,y`` and, if known, ``duration``
      (ms), ``subject`` and ``index``. There is a line for every frame on which somebody looked somewhere. Frames count
      from 0, and points are in pixels of the video.

    Tables name a video by its path, with or without the ending, or by the file's name alone where that is unique.
    Frames are decoded as they are needed, by PyAV (``pip install 'haa[video]'``). ``data.sigma`` is what it is for
    images.

    Args:
        root: The folder.
        split: ``train``, ``val`` or ``test``.
        frames, stride, cache: See `haa.data.readers.clips.ClipDataset`.
        missing: ``drop`` leaves out lines whose video is absent, and videos without a label where others have one.
        videos: Folder of the videos, relative to ``root``; null is ``root`` itself.
        fixations, labels, splits, first_pixel, outside, split_by, folds, fold, weight, units: See
            `haa.data.readers.folder.Folder`.

    Raises:
        InputError: If something does not fit together; the error names the file and the line.
    """

    word = "video"
    suffixes = VIDEOS
    label_folder = 0

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        frames: int = 16,
        stride: int = 4,
        missing: Missing = "raise",
        cache: str | Path | None = None,
        videos: str | None = "videos",
        fixations: str | None = "fixations.csv",
        labels: str | None = "labels.csv",
        splits: str | None = "splits.csv",
        first_pixel: int = 0,
        outside: Outside = "raise",
        split_by: By = "stimulus",
        folds: int | None = None,
        fold: int = 0,
        weight: Weight | None = None,
        units: Units | None = None,
    ) -> None:
        names = dict(zip(TABLES, (videos, fixations, labels, splits), strict=True))
        self.take(names, outside, split_by, folds, fold, first_pixel, weight, units)
        super().__init__(root, split, frames, stride, missing, cache)  # type: ignore[arg-type]

    def size(self, name: str) -> Size:
        return opened(self.top / name).size

    def scan(self) -> Iterator[dict[str, Any]]:
        known = Known(self, self.listed_stimuli())
        yield from known.place()
        yield from known.look()
        yield from known.settle()
        for name in known.names:
            path, named = self.top / name, known.sample(name)
            if self.classes and "label" not in named:
                message = f"{path} has no label, and others have"
                yield {"fault": "image without annotation", "message": message}
                continue
            video, gaze = opened(path), known.gaze.get(name)
            frame, where = known.last.get(name, (-1, ""))
            if frame >= len(video):
                raise InputError(f"{where}: frame {frame} is none of the video's {len(video)}, which count from 0")
            of_clip = None if gaze is None else _Gaze(gaze)
            clips = self.clips(path, len(video), video.size, composed(name), of_clip, **named)
            yield from known.divided(clips)


class _Gaze:
    """Fixations of a video, by frame."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns = columns
        self.by_frame: dict[int, list[int]] = {}
        for place, frame in enumerate(columns["frame"]):
            self.by_frame.setdefault(frame, []).append(place)

    def __call__(self, indices: list[int]) -> dict[str, list[Any]]:
        places = [(frame, place) for frame, index in enumerate(indices) for place in self.by_frame.get(index, ())]
        own = {key: [values[place] for _, place in places] for key, values in self.columns.items() if key != "frame"}
        return {"frame": [frame for frame, _ in places], **own}
