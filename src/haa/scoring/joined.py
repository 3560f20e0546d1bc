"""All splits of a data set as one, for results of every picture that was published."""

from __future__ import annotations

from typing import Any, get_args

from haa.data.dataset import GazeDataset, Split
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError
from haa.gaze import Gaze


class Joined(GazeDataset):
    """The three splits one after the other; those that a data set does not have are left out.

    Args:
        data: The data.

    Raises:
        InputError: If there is no split.
    """

    def __init__(self, data: DataModule) -> None:
        self._parts: list[GazeDataset] = []
        self.splits: list[Split] = []
        problem = None
        for split in get_args(Split):
            try:
                self._parts.append(data.dataset(split))
                self.splits.append(split)
            except InputError as error:
                problem = error
        if not self._parts:
            raise problem or InputError("these data have no split")
        self._places = [(part, index) for part in self._parts for index in range(len(part))]
        self.simulated = any(part.simulated for part in self._parts)  # type: ignore[misc]

    @property
    def name(self) -> str:
        """Name of the data set."""
        return type(self._parts[0]).__name__

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        part, place = self._places[index]
        return part[place]

    def within(self, index: int) -> tuple[GazeDataset, int]:
        """Return the split that has a sample, and the sample's place there."""
        return self._places[index]

    def record(self, index: int) -> dict[str, Any]:
        part, place = self._places[index]
        return part.record(place)

    def gaze(self, index: int) -> Gaze | None:
        part, place = self._places[index]
        return part.gaze(place)

    def looked(self, index: int) -> bool:
        part, place = self._places[index]
        return part.looked(place)

    def stimulus(self, index: int) -> str:
        part, place = self._places[index]
        return part.stimulus(place)
