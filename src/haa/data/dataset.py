"""Base class of every dataset: stimuli with gaze, one class per published format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal

from torch.utils.data import Dataset

from haa.gaze import Gaze, valid

Split = Literal["train", "val", "test"]


class GazeDataset(Dataset[dict[str, Any]]):
    """One split of a dataset, sample by sample, at the stimuli's native size and as published.

    A sample is a dict of ``id`` (str), ``image`` (uint8 tensor ``(3, h, w)``, RGB), ``gaze`` (`Gaze`, or None where
    nothing was recorded) and what the task needs under the names of `haa.batch.Batch`: ``question`` (str), ``answers``
    (list of str), ``captions`` (list of str), ``mask`` (`torchvision.tv_tensors.Mask`, uint8 ``(h, w)``, 255 on salient
    objects and 0 elsewhere), ``label`` (int, an index into ``classes``). Resizing, conditions and collating are
    `haa.data.loading.datamodule`'s work.

    A sample of a video has ``clip`` (uint8 ``(t, 3, h, w)``) in the place of ``image``, with the same number of frames
    for all samples of a batch. Its gaze says in `Gaze.frame` to which frame of the clip each fixation belongs.
    ``video`` (str) names the video from which it was cut: the video's clips share this name, which is also their
    `stimulus`.
    `haa.data.files.video` decodes.

    A subclass implements `__len__`, `__getitem__`, `gaze`, and, where it has texts, `strings`.
    """

    classes: Sequence[str] = ()
    """Names of the classes that ``label`` counts, the same in all splits; empty where samples have no label."""

    simulated: ClassVar[bool] = False
    """True where fixations come from a simulated observer; this is said wherever they are shown."""

    notes: Sequence[str] = ()
    """Remarks that a run prints about the data, one line each: what is absent, what was left out."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def record(self, index: int) -> dict[str, Any]:
        """Return sample ``index`` without its image.

        A subclass overrides it where that saves reading a file, as cached features do.
        """
        return {key: value for key, value in self[index].items() if key != "image"}

    def gaze(self, index: int) -> Gaze | None:
        """Return where people looked at sample ``index``, or None where nothing was recorded; read no image."""
        raise NotImplementedError

    def looked(self, index: int) -> bool:
        """Return whether anybody is recorded to have looked at sample ``index``, without reading its image."""
        gaze = self.gaze(index)
        return gaze is not None and bool(valid(gaze.points, gaze.size).any())

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
