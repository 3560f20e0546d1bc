"""Reader of a user's own videos in plain folders: no code needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from haa.data.dataset import Split
from haa.data.files.table import number, one_value, read_table
from haa.data.readers.clips import ClipDataset, opened
from haa.errors import InputError

VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v"}


class VideoFolder(ClipDataset):
    """Videos in ``root``, at any depth, with csv tables beside them.

    Any of these may lie there:

    - ``labels.csv``: ``video,label``. Without it, videos that lie in sub-folders have the sub-folder's name as label.
    - ``splits.csv``: ``video,split``. Without it, sub-folders ``train``, ``val``, ``test`` at the top give the split.
      The fixed rule divides what they leave open (`haa.data.splits`, label by label).
    - ``fixations.csv``: ``video,frame,x,y`` and, if known, ``duration`` (ms) and ``subject``. There is a line for every
      frame on which somebody looked somewhere. Frames count from 0, and points are in pixels of the video, from 0.

    Tables name a video by its path below ``root``. Frames are decoded as they are needed, by PyAV
    (``pip install 'haa[video]'``). ``data.sigma`` is what it is for images (`haa.data.readers.folder.Folder`).

    Args:
        root: The folder.
        split: ``train``, ``val`` or ``test``.
        frames, stride, missing, cache: See `haa.data.readers.clips.ClipDataset`.

    Raises:
        InputError: If there are no videos, one has no label where others have one, or a table names a video or frame
            that is not there.
    """

    def sources(self) -> Sequence[Path]:
        return [*self._videos(), *(self.root / f"{name}.csv" for name in ("labels", "splits", "fixations"))]

    def scan(self) -> Iterable[dict[str, Any]]:
        names = [str(path.relative_to(self.root)) for path in self._videos()]
        if not names:
            raise InputError(f"data.root={self.root} holds no videos ({', '.join(sorted(VIDEOS))})")
        labels, splits = self._values("label", names), self._values("split", names)
        points = self._table("fixations", ["frame", "x", "y"], names)
        for name in names:
            folders = Path(name).parts[:-1]
            if folders[:1] and folders[0] in get_args(Split):
                splits.setdefault(name, folders[0])
                folders = folders[1:]
            if folders and not (self.root / "labels.csv").is_file():
                labels[name] = folders[0]
        unlabelled = [name for name in names if name not in labels]
        if labels and unlabelled:
            raise InputError(f"{self.root / unlabelled[0]} has no label ({len(unlabelled)} such), others have: add it")
        self.classes = sorted(set(labels.values()))
        for name in names:
            video = opened(self.root / name)
            label = {"label": self.classes.index(labels[name])} if labels else {}
            gaze = _Gaze(points[name], len(video)) if name in points else None
            path = self.root / name
            yield from self.clips(path, len(video), video.size, name, gaze, split=splits.get(name), **label)

    def _videos(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.suffix.lower() in VIDEOS)

    def _values(self, key: str, names: list[str]) -> dict[str, str]:
        """Return the label or split of each video that the table names; lines may be repeated, not contradict."""
        values: dict[str, tuple[str, str]] = {}
        for name, rows in self._table(f"{key}s", [key], names).items():
            for row in rows:
                one_value(values, name, row[key], row[""])
        return {name: value for name, (value, _) in values.items()}

    def _table(self, table: str, columns: list[str], names: list[str]) -> dict[str, list[dict[str, str]]]:
        """Return the rows of a table by video; an empty dict where there is no such table.

        The key ``""`` of a row holds its file and line number, for errors.
        """
        path = self.root / f"{table}.csv"
        rows: dict[str, list[dict[str, str]]] = {}
        known = set(names)
        for where, row in read_table(path, ["video", *columns]) if path.is_file() else ():
            if row["video"] not in known:
                raise InputError(f"{where}: {self.root / row['video']} is absent: fetch it, or take the line away")
            rows.setdefault(row["video"], []).append({**row, "": where})
        return rows


class _Gaze:
    """Fixations of a video, by frame."""

    def __init__(self, rows: list[dict[str, str]], length: int) -> None:
        self.by_frame: dict[int, list[dict[str, float]]] = {}
        for row in rows:
            point = {key: number(row, key, row[""]) for key in row if key not in ("video", "")}
            if point["frame"] not in range(length):
                raise InputError(f"{row['']}: frame {row['frame']} is none of the video's {length}, which count from 0")
            self.by_frame.setdefault(int(point.pop("frame")), []).append(point)

    def __call__(self, indices: list[int]) -> dict[str, list[Any]]:
        points = [(frame, point) for frame, index in enumerate(indices) for point in self.by_frame.get(index, ())]
        keys = [key for key in ("x", "y", "duration", "subject") if all(key in point for _, point in points)]
        return {"frame": [frame for frame, _ in points], **{key: [point[key] for _, point in points] for key in keys}}
