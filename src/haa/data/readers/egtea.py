"""EGTEA Gaze+: cooking as filmed from the head, with the gaze of who cooked, and 106 actions (Li, Liu, Rehg 2018)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args

from haa.data.dataset import Split
from haa.data.files.listing import matching
from haa.data.files.table import read_lines
from haa.data.index import Missing
from haa.data.readers.clips import ClipDataset, opened
from haa.data.readers.egtea_gaze import KEPT, Kept, Recording, read_recording
from haa.errors import InputError

NAME = re.compile(r"(.+)-\d+-\d+-F(\d+)-F\d+")
"""Name of a trimmed clip: its recording, first and last millisecond, first and last frame of the recording."""

UNSEEN, OTHER = "recording without gaze", "recording with samples that are left out"
"""Kinds of what is told and refused nowhere."""


class EGTEA(ClipDataset):
    """Trimmed clips ``cropped_clips/<recording>/<clip>.mp4`` with ``gaze_data/<recording>.txt``.

    Clips, actions and splits are those of ``train_split<n>.txt`` and ``test_split<n>.txt``, beside the folders or in
    ``action_annotation``: a line has the clip, the action, the verb and the nouns, all counted from 1. ``label`` is the
    action; ``action_idx.txt``, where it is there, has the names, each with its number behind it.

    Gaze is one person's, who wore the camera: one point for each frame that a sample of a fixation falls on, the mean
    of these samples (`haa.data.readers.egtea_gaze`). It is given in pixels of a picture of 1280 x 960 and taken as
    shares of that, since the published clips are smaller. The clip's frame k, from 0, is frame ``F + k`` of the
    recording, F being in the clip's name; programs that use the data differ by one frame here (42 ms). Points off the
    picture are left out and counted. Frames and recordings without gaze are masked.

    All clips of a recording share a ``stimulus``. The published splits divide clips, not recordings: a recording may be
    in training and in test. Validation is taken from the training part, recording by recording. ``video`` is the
    trimmed clip.

    The layout is that of the archives as programs of others read them; it was not tried on the published files.

    Args:
        root: The folder that holds ``cropped_clips`` and ``gaze_data``.
        split: ``train``, ``val`` (taken from ``train_split<n>.txt``) or ``test``.
        frames, stride, missing, cache: See `haa.data.readers.clips.ClipDataset`.
        split_number: Which of the three published splits: 1, 2 or 3.
        gaze: ``fixation``, or ``tracked``, which also takes the samples of saccades, as work on the prediction of
            gaze in egocentric video mostly does.

    Raises:
        InputError: If a file is missing, or is not of this form.

    Reference:
        Y. Li, M. Liu, J. M. Rehg. In the Eye of Beholder: Joint Learning of Gaze and Actions in First Person Video.
        ECCV 2018.
    """

    outside = "drop"

    most_outside: ClassVar[float] = 0.5

    def __init__(
        self,
        root: str | Path,
        split: Split = "train",
        frames: int = 16,
        stride: int = 4,
        missing: Missing = "raise",
        cache: str | Path | None = None,
        split_number: int = 1,
        gaze: Kept = "fixation",
    ) -> None:
        if split_number not in (1, 2, 3):
            raise InputError(f"data.split_number={split_number}: choose 1, 2 or 3")
        if gaze not in get_args(Kept):
            raise InputError(f"data.gaze={gaze}: choose {' or '.join(get_args(Kept))}")
        self.split_number, self.kept = split_number, gaze
        super().__init__(root, split, frames, stride, missing, cache)

    def told(self) -> dict[str, str]:
        return {UNSEEN: "masked", OTHER: "the others kept"}

    def record(self, index: int) -> dict[str, Any]:
        sample = super().record(index)
        return {**sample, "video": sample["id"].rpartition("@")[0]}

    def sources(self) -> Sequence[Path]:
        files = [self._annotation(name) for name in (*self._lists(), "action_idx.txt")]
        gaze = matching(self.root, "gaze_data/*.txt")
        return [*filter(None, files), *gaze, self.root / "cropped_clips", *matching(self.root, "cropped_clips/*/")]

    def scan(self) -> Iterator[dict[str, Any]]:
        clips = {pool: list(self._listed(name)) for name, pool in self._lists().items()}
        names = self._names({action for lines in clips.values() for _, action, _ in lines})
        self.classes = list(names.values())
        numbers = {action: place for place, action in enumerate(names)}
        texts = {_recording(path.stem): path for path in matching(self.root, "gaze_data/*.txt")}
        read: dict[str, Recording | None] = {}
        for pool, lines in clips.items():
            for clip, action, where in lines:
                if (name := NAME.fullmatch(clip)) is None:
                    raise InputError(f"{where}: {clip!r:.80} is not named <recording>-<ms>-<ms>-F<frame>-F<frame>")
                recording, first = name[1], int(name[2])
                path = self.root / "cropped_clips" / recording / f"{clip}.mp4"
                if not path.is_file():
                    yield {"fault": "annotation without image", "message": f"{where}: {path} is absent"}
                    continue
                if recording not in read:
                    text = texts.get(recording.casefold())
                    read[recording] = None if text is None else read_recording(text, self.kept)
                    yield from _told(recording, text, read[recording], self.root, KEPT[self.kept])
                video, found = opened(path), read[recording]
                gaze = None if found is None else _Gaze(found, first, video.size)
                label = numbers[action]
                yield from self.clips(
                    path, len(video), video.size, clip, gaze, stimulus=recording, split=pool, label=label
                )

    def _lists(self) -> dict[str, str]:
        """Return the files of the chosen split, each with the pool of splits that it is divided into."""
        return {f"train_split{self.split_number}.txt": "train+val", f"test_split{self.split_number}.txt": "test"}

    def _annotation(self, name: str) -> Path | None:
        """Return where a file of the annotation lies; None where it is absent."""
        places = (self.root / name, self.root / "action_annotation" / name)
        return next((path for path in places if path.is_file()), None)

    def _listed(self, name: str) -> Iterator[tuple[str, int, str]]:
        """Yield clip, action, and file and line, of a split."""
        path = self._annotation(name)
        if path is None:
            raise InputError(f"{self.root / name} is missing: put the files of action_annotation beside cropped_clips/")
        for where, line in read_lines(path):
            clip, *numbers = line.split()
            if not numbers or not numbers[0].isdecimal():
                raise InputError(f"{where}: no clip and its action's number: fetch the file again")
            yield clip, int(numbers[0]), where

    def _names(self, actions: set[int]) -> dict[int, str]:
        """Return the name of each action, by number, in ascending order; the number itself without `action_idx.txt`."""
        path = self._annotation("action_idx.txt")
        if path is None:
            return {action: str(action) for action in sorted(actions)}
        names: dict[int, str] = {}
        for where, line in read_lines(path):
            name, _, action = line.rpartition(" ")
            if not name or not action.isdecimal() or int(action) in names:
                raise InputError(f"{where}: no action's name with a number of its own behind it: fetch the file again")
            names[int(action)] = name.strip()
        if unknown := actions - set(names):
            raise InputError(f"{path} does not name action {min(unknown)}: fetch it again")
        return dict(sorted(names.items()))


class _Gaze:
    """Gaze of a recording on the frames of a clip."""

    def __init__(self, recording: Recording, first: int, size: tuple[int, int]) -> None:
        self.points, self.first, self.size = recording.points, first, size

    def __call__(self, indices: list[int]) -> dict[str, list[Any]]:
        height, width = self.size
        frames = [(frame, self.points.get(self.first + index)) for frame, index in enumerate(indices)]
        seen = [(frame, point) for frame, point in frames if point is not None]
        return {
            "x": [x * width - 0.5 for _, (x, _) in seen],
            "y": [y * height - 0.5 for _, (_, y) in seen],
            "frame": [frame for frame, _ in seen],
        }


def _recording(stem: str) -> str:
    """Return a recording's name from that of its text, which may end in ``-GazeData`` and differ in case."""
    return stem.casefold().removesuffix("-gazedata")


def _told(
    name: str, text: Path | None, recording: Recording | None, root: Path, kept: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield what is told of a recording: that it has no gaze, or which of its samples are left out."""
    if text is None or recording is None:
        yield {"fault": UNSEEN, "message": f"{root / 'gaze_data'} has no text of {name}"}
        return
    left_out = {event: count for event, count in sorted(recording.events.items()) if event not in kept}
    if left_out:
        events = ", ".join(f"{count} of {event!r}" for event, count in left_out.items())
        of = f"{sum(left_out.values())} of {recording.events.total()}"
        yield {"fault": OTHER, "message": f"{text}: {of} samples, {events}"}
