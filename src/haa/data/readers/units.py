"""What the coordinates of one's own tables count: pixels, from 0 or from 1, or shares of the stimulus' sides."""

from __future__ import annotations

from pathlib import Path

from haa.data.readers.own import OwnData
from haa.errors import InputError
from haa.gaze import Size

FAR = 10
"""Share of a side beyond which no glance off the stimulus lies."""

MANY = 20
"""Number of points that, all of them between 0 and 1, are no pixels."""


class Coordinates:
    """Coordinates of a table as pixels of the stimulus, whose centres are whole numbers, from 0.

    Args:
        data: The data set, for its options and the sizes of its stimuli.
    """

    def __init__(self, data: OwnData) -> None:
        self.data = data
        self._sizes: dict[str, Size] = {}
        self._count, self._are_shares = 0, True

    def __call__(self, name: str, x: float, y: float, where: str) -> tuple[float, float]:
        """Return x and y in pixels.

        Args:
            name: Path of the stimulus below the folder of the stimuli.
            x: Coordinate to the right, as the table has it.
            y: Coordinate downwards, as the table has it.
            where: File and line, for the error.

        Raises:
            InputError: If they are to be shares, and are far from any.
        """
        self._count += 1
        self._are_shares &= 0 <= x <= 1 and 0 <= y <= 1
        if self.data.units != "share":
            return x - self.data.first_pixel, y - self.data.first_pixel
        if max(abs(x), abs(y)) > FAR:
            raise InputError(f"{where}: x={x:g}, y={y:g} are no shares of the {self.data.word}: set data.units=pixels")
        if name not in self._sizes:
            self._sizes[name] = self.data.size(name)
        height, width = self._sizes[name]
        return x * width - 0.5, y * height - 0.5

    def check(self, path: Path) -> None:
        """Refuse many points between 0 and 1 where nobody said what they count.

        Args:
            path: The table, for the error.

        Raises:
            InputError: If all of them are.
        """
        if self.data.units is None and self._are_shares and self._count >= MANY:
            raise InputError(
                f"{path}: all coordinates are between 0 and 1: set data.units=share where they are shares of the "
                f"{self.data.word}'s width and height, else data.units=pixels"
            )
