"""Base class of every dataset: stimuli with gaze, one class per published format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypedDict

import torch
from torch.utils.data import Dataset

from haa.gaze import Gaze, Size, valid

Split = Literal["train", "val", "test"]

SIGMA = 0.03
"""`GazeDataset.sigma` of data whose publisher gives none.

It is OSIE's, 24 of 800 pixels, and amid those that are published (0.020 of DHF1K to 0.034 of MIT1003): a convention, no
property of the data at hand.
"""


class Identity(TypedDict):
    """What a split holds, as digests: two copies of the same data have the same, wherever they lie.

    None is what cannot be told without decoding every picture; it is never made up.
    """

    ids: str | None
    """Names of samples and of their stimuli, in order."""
    stimuli: str | None
    """Content of the pictures or videos, in order."""
    gaze: str | None
    """Where people looked, as the reader gives it: fixations, subjects, durations, frames, published maps."""
    labels: str | None
    """All else that a sample has: question, answers, captions, label and classes, mask."""


class GazeDataset(Dataset[dict[str, Any]]):
    """One split of a dataset, sample by sample, at the stimuli's native size and as published.

    A sample is a dict of ``id`` (str), ``image`` (uint8 tensor ``(3, h, w)``, RGB), ``gaze`` (`Gaze`, or None where
    nothing was recorded) and what the task needs under the names of `haa.batch.Batch`: ``question`` (str), ``answers``
    (list of str), ``captions`` (list of str), ``mask`` (`torchvision.tv_tensors.Mask`, uint8 ``(h, w)``, 255 on salient
    objects and 0 elsewhere), ``label`` (int, an index into ``classes``) or, where a sample may have several of the
    classes, ``labels`` (int8 tensor ``(n,)``, one value per class: 1 present, 0 absent, -1 unknown). Resizing,
    conditions and collating are `haa.data.loading.datamodule`'s work.

    A sample of a video has ``clip`` (uint8 ``(t, 3, h, w)``) in the place of ``image``, with the same number of frames
    for all samples of a batch. Its gaze says in `Gaze.frame` to which frame of the clip each fixation belongs.
    ``video`` (str) names the video from which it was cut: the video's clips share this name, which is also their
    `stimulus`, unless the video is part of a longer recording, which then is.
    `haa.data.files.video` decodes.

    A subclass implements `__len__`, `__getitem__`, `gaze`, and, where it has texts, `strings`.
    """

    classes: Sequence[str] = ()
    """Names of the classes that ``label`` counts, or ``labels`` lists, the same in all splits; empty without labels."""

    multilabel: bool = False
    """Whether samples have ``labels``, any number of the classes, in the place of one ``label``."""

    simulated: bool = False
    """True where fixations come from a simulated observer; this is said wherever they are shown."""

    sigma: float | None = None
    """Standard deviation of the human density that maps are scored against, as a share of the stimulus' longer side.

    One degree of visual angle in the set-up of the recording, or the blur of the publisher's own human maps; the reader
    says which, and the source. None where the publisher gives none, or pictures differ too much for one share: `SIGMA`
    applies. ``data.sigma=`` takes its place. Published maps are scored against as they are.
    """

    notes: Sequence[str] = ()
    """Remarks that a run prints about the data, one line each: what is absent, what was left out."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def record(self, index: int) -> dict[str, Any]:
        """Return sample ``index`` without its image or clip.

        A subclass overrides it where that saves reading a file, as cached features do.
        """
        return {key: value for key, value in self[index].items() if key not in ("image", "clip")}

    def gaze(self, index: int) -> Gaze | None:
        """Return where people looked at sample ``index``, or None where nothing was recorded; read no image."""
        raise NotImplementedError

    def looked(self, index: int) -> bool:
        """Return whether anybody is recorded to have looked at sample ``index``, without reading its image."""
        gaze = self.gaze(index)
        return gaze is not None and bool(valid(gaze.points, gaze.size).any())

    def native_sizes(self) -> Iterable[Size]:
        """Return (height, width) of every sample's picture as published, in order.

        Here the gaze says it, and where there is none the picture, which is read. A subclass that knows overrides this.
        """
        for index in range(len(self)):
            gaze = self.gaze(index)
            yield size_of(self[index]) if gaze is None else gaze.size

    def stimulus(self, index: int) -> str:
        """Return a name for the picture or video of sample ``index``.

        Samples that share a picture or video (questions about a picture, clips of a video) share its name.
        """
        return str(index)

    def stimuli(self) -> tuple[list[int], list[int]]:
        """Return the first sample of each stimulus, and for every sample the place of its stimulus among these."""
        first_samples: dict[str, int] = {}
        for index in range(len(self)):
            first_samples.setdefault(self.stimulus(index), index)
        places = {name: place for place, name in enumerate(first_samples)}
        return list(first_samples.values()), [places[self.stimulus(index)] for index in range(len(self))]

    def strings(self, key: str) -> Iterable[str]:
        """Return all strings of the split under ``key`` (question, answers, captions), without reading images.

        Raises:
            KeyError: If samples have no such strings.
        """
        raise KeyError(f"{type(self).__name__} has no {key}")

    def fingerprint(self) -> str:
        """Return a string that changes when the images or their order do: the feature cache is keyed by it."""
        raise NotImplementedError

    def identity(self) -> Identity:
        """Return digests of what the split holds, by which a report tells which runs were on the same data.

        No picture is read. Here `gaze` is asked for every sample, and `stimuli` is what `fingerprint` says. Labels,
        published maps of gaze and ids are those that `record` returns where the subclass overrides it; elsewhere
        labels are unknown, and stimuli have names alone. A subclass that knows better overrides this.
        """
        names: list[Any] = [self.stimulus(index) for index in range(len(self))]
        gaze: list[Any] = [self.gaze(index) for index in range(len(self))]
        labels: list[Any] | None = None
        if type(self).record is not GazeDataset.record:
            records = [self.record(index) for index in range(len(self))]
            names = [(record.get("id"), name) for record, name in zip(records, names, strict=True)]
            gaze = [(own, record.get("density")) for record, own in zip(records, gaze, strict=True)]
            apart = ("id", "image", "clip", "video", "gaze", "density")
            labels = [{key: value for key, value in record.items() if key not in apart} for record in records]
        try:
            stimuli = self.fingerprint()
        except NotImplementedError:
            stimuli = None
        return {
            "ids": digest(names),
            "stimuli": stimuli,
            "gaze": digest(gaze),
            "labels": None if labels is None else digest([list(self.classes), *labels]),
        }


def size_of(sample: dict[str, Any]) -> Size:
    """Return (height, width) of a sample's image, or of its clip's frames."""
    h, w = sample["clip" if "clip" in sample else "image"].shape[-2:]
    return h, w


def digest(values: Iterable[Any]) -> str | None:
    """Return a digest of plain values, tensors and gaze; None where something else is among them.

    Example:
        >>> digest(["a", None, torch.zeros(2)]) == digest(["a", None, torch.zeros(2)]) != digest(["a", torch.zeros(2)])
        True
        >>> digest([object()]) is None
        True
    """

    def plain(value: Any) -> Any:
        if isinstance(value, Gaze):
            return vars(value)
        if isinstance(value, torch.Tensor):
            content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            return [str(value.dtype), list(value.shape), hashlib.sha256(content).hexdigest()]
        raise TypeError(type(value).__name__)

    found = hashlib.sha256()
    try:
        for value in values:
            found.update(json.dumps(value, sort_keys=True, default=plain).encode() + b"\n")
    except TypeError:
        return None
    return found.hexdigest()
