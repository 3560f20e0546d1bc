"""Hollywood-2 with gaze as Mathe and Sminchisescu (2015) publish it: whole videos, samples of each person."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from haa.data.files.listing import matching
from haa.data.files.table import number, read_lines
from haa.data.files.video import Video
from haa.data.readers.clip_sets import ListedClips
from haa.data.readers.clips import opened
from haa.data.splits import published
from haa.errors import InputError

SCREEN = (1024, 1280)
"""Height and width, in pixels, of the screen. Every video filled its width, at its own proportions, in the middle."""

EVENTS = ("F", "S", "B")
"""Letters of a sample's event: fixation, saccade, blink."""

VIDEO = re.compile(r"actionclip(train|test)\d{5}")
SAMPLES = re.compile(r"(\d+)_(actionclip(?:train|test)\d{5})(?:\.avi)?")
"""Name of a text of samples: the person, and the video."""


class ActionsInTheEye(ListedClips):
    """Videos ``AVIClips/<video>.avi`` with ``gaze_hollywood2/samples/<person>_<video>.avi.txt``.

    A line of a text is a sample, 500 a second: microseconds from the video's beginning, two numbers that are not read,
    x and y on the screen of 1280 x 1024 pixels, and the event, a letter of `EVENTS`. Taken are samples of fixations:
    each person has one point on each frame, the mean of the frame's samples. Points off the video, on the bars above
    and below it, are left out and counted. People are told apart, so that there is a human ceiling; twelve of them
    had to name the actions, the others looked freely, and the texts do not say who.

    The redistribution of this gaze as pictures of fixated pixels is another reader, `haa.data.readers.hollywood2`.

    The columns and the unit of time are those that programs of others read, the screen and how videos stood on it are
    from the publisher's description. That F and S are the letters of fixations and saccades is not written there:
    other letters are refused. It was not tried on the published files, which need a registration.

    Args:
        root: The folder that holds ``AVIClips`` and ``gaze_hollywood2``.
        split: ``train``, ``val`` (taken from the training part) or ``test``.
        frames, stride, missing, cache: See `haa.data.readers.clips.ClipDataset`.
        labels: Folder ``ClipSets``, absolute or relative to ``root``; see `haa.data.readers.hollywood2.Hollywood2`.

    Raises:
        InputError: If there are no videos, or a text is not of this form.

    Reference:
        S. Mathe, C. Sminchisescu. Actions in the Eye. PAMI 37(7), 2015. M. Marszalek, I. Laptev, C. Schmid. Actions in
        Context. CVPR 2009.
    """

    outside = "drop"

    most_outside: ClassVar[float] = 0.5

    def sources(self) -> Sequence[Path]:
        return [self.root / "AVIClips", *matching(self.root, "gaze_hollywood2/samples/*.txt"), *self.lists()]

    def scan(self) -> Iterator[dict[str, Any]]:
        sets = self.sets()
        if sets is not None:
            self.classes = sets.classes
        videos = {path.stem: path for path in matching(self.root, "AVIClips/*.avi") if VIDEO.fullmatch(path.stem)}
        if not videos:
            raise InputError(f"{self.root / 'AVIClips'} holds no actioncliptrain00001.avi ...: correct data.root")
        texts: dict[str, list[tuple[int, Path]]] = {}
        for path in matching(self.root, "gaze_hollywood2/samples/*.txt"):
            named = SAMPLES.fullmatch(path.stem)
            if named is None:
                raise InputError(f"{path} is not named <person>_<video>.avi.txt: fetch it again, or take it away")
            texts.setdefault(named[2], []).append((int(named[1]), path))
        for absent in sorted(texts.keys() - videos.keys()):
            message = f"{texts[absent][0][1]} is the gaze of a video that is not in {self.root / 'AVIClips'}"
            yield {"fault": "annotation without image", "message": message}
        pools = published(_part(name) for name in videos)
        for name, path in videos.items():
            video = opened(path)
            gaze = _Gaze(video, texts[name]) if name in texts else None
            clips = self.clips(path, len(video), video.size, name, gaze, split=pools[_part(name)])
            yield from clips if sets is None else sets.labelled(name, clips)


def _part(video: str) -> str:
    return video.removeprefix("actionclip")[:-5]


class _Gaze:
    """Where each person looked on the frames of a video."""

    def __init__(self, video: Video, texts: Sequence[tuple[int, Path]]) -> None:
        height, width = video.size
        scale = width / SCREEN[1]
        top = (SCREEN[0] - height / scale) / 2
        self.people: dict[int, dict[int, tuple[float, float]]] = {}
        for person, path in texts:
            seconds, x, y = fixated(path)
            points = (x + 0.5) * scale - 0.5, (y - top + 0.5) * scale - 0.5
            self.people[person] = _by_frame(np.asarray(video.times) - video.times[0], seconds, *points)

    def __call__(self, indices: list[int]) -> dict[str, list[Any]]:
        seen = [
            (*point, person, frame)
            for person, points in self.people.items()
            for frame, index in enumerate(indices)
            if (point := points.get(index)) is not None
        ]
        columns = list(zip(*seen, strict=True)) or [(), (), (), ()]
        return {key: list(values) for key, values in zip(("x", "y", "subject", "frame"), columns, strict=True)}


def fixated(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return seconds, x and y of a text's samples of fixations, x and y in pixels of the screen.

    Raises:
        InputError: If a line has not six fields, or another event.
    """
    rows: list[tuple[float, float, float]] = []
    for where, line in read_lines(path):
        fields = line.split()
        if len(fields) != 6 or fields[5] not in EVENTS:
            raise InputError(f"{where}: {line!r:.80} is no time, four numbers and F, S or B: fetch the file again")
        if fields[5] == "F":
            row = {"time": fields[0], "x": fields[3], "y": fields[4]}
            rows.append((number(row, "time", where) / 1e6, number(row, "x", where), number(row, "y", where)))
    seconds, x, y = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return seconds, x, y


def _by_frame(times: np.ndarray, seconds: np.ndarray, x: np.ndarray, y: np.ndarray) -> dict[int, tuple[float, float]]:
    """Return the mean of the points on each frame, by its number; what comes after the last frame is left out."""
    end = times[-1] + (times[-1] / max(1, len(times) - 1) if len(times) > 1 else 1.0)
    kept = (seconds >= 0) & (seconds < end)
    # rounding may have put a sample that is taken as a frame appears just before it
    frames = np.searchsorted(times, seconds[kept] + 1e-6, side="right") - 1
    found, place, count = np.unique(frames, return_inverse=True, return_counts=True)
    means = [np.bincount(place, values[kept], len(found)) / count for values in (x, y)]
    return {int(frame): (float(a), float(b)) for frame, a, b in zip(found, *means, strict=True)}
