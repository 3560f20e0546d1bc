"""Few training samples of each class: does gaze help where labels are rare?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from haa.data.dataset import GazeDataset, Identity, digest
from haa.errors import InputError
from haa.gaze import Gaze, Size


class FewOfEachClass(GazeDataset):
    """The samples of some pictures (videos) of each class of a split.

    Which they are is a function of their names and of ``seed``: those whose SHA-256 comes first. All samples of a
    picture are in or out. More pictures with one seed hold those that are fewer.

    Args:
        dataset: The split.
        per_class: Number of pictures of each class; a class that has fewer keeps all.
        seed: Other numbers draw other pictures.

    Raises:
        InputError: If ``per_class`` is no positive number, or samples have no single label.

    Example:
        >>> from haa.data.shapes import Shapes
        >>> some = FewOfEachClass(Shapes("train", task="finegrained", train=200), per_class=2)
        >>> labels = [some.record(index)["label"] for index in range(len(some))]
        >>> {labels.count(label) for label in labels}
        {2}
    """

    def __init__(self, dataset: GazeDataset, per_class: int, seed: int = 0) -> None:
        if type(per_class) is not int or per_class < 1:
            raise InputError(f"loader.per_class={per_class}: give a number of pictures of each class, 1 or more")
        self.dataset, self.per_class, self.seed = dataset, per_class, seed
        self.classes, self.multilabel = dataset.classes, dataset.multilabel
        self.sigma, self.notes = dataset.sigma, dataset.notes
        labels: dict[str, int] = {}
        stimuli = [dataset.stimulus(index) for index in range(len(dataset))]
        for index, stimulus in enumerate(stimuli):
            if stimulus not in labels:
                if (label := dataset.record(index).get("label")) is None:
                    raise InputError(f"loader.per_class={per_class} needs a label of every sample: leave it out here")
                labels[stimulus] = label
        taken: dict[int, int] = {}
        chosen = set()
        for stimulus in sorted(labels, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()):
            label = labels[stimulus]
            if taken.get(label, 0) < per_class:
                taken[label] = taken.get(label, 0) + 1
                chosen.add(stimulus)
        self.indices = [index for index, stimulus in enumerate(stimuli) if stimulus in chosen]

    @property
    def simulated(self) -> bool:  # type: ignore[override]
        return self.dataset.simulated

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.dataset[self.indices[index]]

    def record(self, index: int) -> dict[str, Any]:
        return self.dataset.record(self.indices[index])

    def gaze(self, index: int) -> Gaze | None:
        return self.dataset.gaze(self.indices[index])

    def looked(self, index: int) -> bool:
        return self.dataset.looked(self.indices[index])

    def native_sizes(self) -> Iterable[Size]:
        sizes = list(self.dataset.native_sizes())
        return [sizes[index] for index in self.indices]

    def stimulus(self, index: int) -> str:
        return self.dataset.stimulus(self.indices[index])

    def strings(self, key: str) -> Iterable[str]:
        texts = [self.record(index).get(key) for index in range(len(self))]
        if None in texts:
            return self.dataset.strings(key)  # which says that there are none
        return (text for value in texts for text in ([value] if isinstance(value, str) else value or ()))

    def fingerprint(self) -> str:
        return f"{self.dataset.fingerprint()} {digest(self.indices)}"

    def identity(self) -> Identity:
        return self.dataset.identity()  # from which the run's config says which are taken
