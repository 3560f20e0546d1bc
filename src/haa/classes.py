"""The classes among which a model chooses, as a dataset names and numbers them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from jaxtyping import Int
from torch import Tensor

from haa.data.dataset import GazeDataset
from haa.errors import InputError


class Classes:
    """Names of classes, in the order in which ``label`` counts them. They travel in the checkpoint.

    Args:
        names: all different, two or more.

    Raises:
        InputError: if there are fewer, or one occurs twice.

    Example:
        >>> classes = Classes(["sparrow", "wren"])
        >>> len(classes), Classes.from_json(classes.to_json()) == classes
        (2, True)
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        if len(self.names) < 2:
            raise InputError("classes: a classifier needs two or more: give data with labels, data=shapes say")
        if len(set(self.names)) != len(self.names):
            raise InputError("classes: one occurs twice: give each once")

    @classmethod
    def of(cls, dataset: GazeDataset) -> Classes:
        """Those of a dataset.

        Raises:
            InputError: if its samples have no labels.
        """
        if not dataset.classes:
            raise InputError(
                f"{type(dataset).__name__} has no classes to learn: give data with labels, data=shapes say"
            )
        return cls(dataset.classes)

    def check(self, dataset: GazeDataset) -> None:
        """Refuse a dataset whose labels count other classes.

        Raises:
            InputError: names the first difference.
        """
        theirs = list(dataset.classes)
        if theirs == self.names:
            return
        pairs = zip(self.names, theirs, strict=False)
        differ = next((f"{a} where the data has {b}" for a, b in pairs if a != b), f"{len(self)} and not {len(theirs)}")
        raise InputError(f"the model was trained for other classes ({differ}): score it on data with its own")

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Classes) and self.names == other.names

    def decode(self, indices: Int[Tensor, " b"]) -> list[str]:
        """The names of these numbers."""
        return [self.names[index] for index in indices.tolist()]

    def to_json(self) -> str:
        """The names as a string."""
        return json.dumps({"classes": self.names}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Classes:
        """The classes that `to_json` wrote."""
        try:
            names = json.loads(text)["classes"]
        except (ValueError, KeyError, TypeError):
            raise InputError("classes are not the json of a list of classes: give what to_json wrote") from None
        return cls(names)
