"""Gaze that was predicted, not recorded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from haa.conditions.condition import Condition, Fitted, Human, Role, check_role
from haa.conditions.draw import sample
from haa.data.dataset import GazeDataset
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze, Size
from haa.predict.cache import PredictedMaps, predicted_maps
from haa.predict.predictor import at_size


class PredictedGaze(GazeDataset):
    """Split whose samples all have gaze: fixations drawn from the density that a saliency model predicts.

    A sample that has a published map has the predicted density in its place.

    Args:
        dataset: The split.
        maps: Densities of its pictures.
        points: Number of fixations for each picture.
        seed: Seed of their draws; samples of one picture have the same.
    """

    def __init__(self, dataset: GazeDataset, maps: PredictedMaps, points: int, seed: int) -> None:
        self.dataset, self.maps, self.points, self.seed = dataset, maps, points, seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._predicted(self.dataset[index], index)

    def record(self, index: int) -> dict[str, Any]:
        return self._predicted(self.dataset.record(index), index)

    def gaze(self, index: int) -> Gaze | None:
        size, rng = self.maps.size(index), generator(self.seed, self.maps.rows[index])
        return Gaze(sample(self.maps.map(index), self.points, size, rng), size)

    def native_sizes(self) -> Iterable[Size]:
        return self.dataset.native_sizes()

    def stimulus(self, index: int) -> str:
        return self.dataset.stimulus(index)

    def strings(self, key: str) -> Iterable[str]:
        return self.dataset.strings(key)

    def _predicted(self, sample: dict[str, Any], index: int) -> dict[str, Any]:
        """Return a sample with what is predicted in the place of what is recorded, fixations or a published map."""
        sample = {**sample, "gaze": self.gaze(index)}
        if "density" in sample:
            sample["density"] = at_size("attention", self.maps.map(index), self.maps.size(index))
        return sample


class Predicted(Fitted[PredictedGaze]):
    """Gaze that a saliency model predicts, for data in which nobody's was recorded; and every control of it.

    What is recorded of the training split is not looked at, and evaluation looks at nothing else: where there is no
    recorded gaze, attention metrics are undefined. A saliency model says how likely a fixation is at each place, so
    what a sample gets is fixations drawn from that. From there on predicted gaze goes where recorded gaze goes:
    ``control`` is any other condition and acts on the predicted fixations as it would on recorded ones. Where the data
    publishes maps of gaze and no fixations, the predicted map itself takes the place of the published one.

    Args:
        checkpoint: Checkpoint of ``haa train task=saliency``. It is hashed, so that another one at the same path is
            noticed.
        control: Condition that acts on the predicted gaze; None leaves it as it is. The part that it plays is the part
            of the whole: a control of predicted gaze is a control, and a matched one is matched.
        points: Number of fixations for each picture. They are spread evenly over the density's mass, so that few are
            enough.
        seed: Seed of their draws.
        cache: Folder in which the predicted maps are kept; None keeps them for one process.
        batch_size: Number of pictures that are looked at together.

    Raises:
        InputError: If a number is not positive; at the first sample, if the checkpoint is not one of a saliency model.

    Y. Qiao, J. Dong, D. Xu, Exploring Human-Like Attention Supervision in Visual Question Answering, AAAI 2018.
    """

    role: Role = "treatment"

    def __init__(
        self,
        checkpoint: str | Path,
        control: Condition | None = None,
        points: int = 200,
        seed: int = 0,
        cache: str | Path | None = ".cache",
        batch_size: int = 16,
    ) -> None:
        for name, value in (("points", points), ("batch_size", batch_size)):
            if value < 1:
                raise InputError(f"condition.{name}={value}: give a positive number")
        self.checkpoint, self.control = checkpoint, Human() if control is None else control
        self.points, self.seed, self.cache, self.batch_size = points, seed, cache, batch_size
        check_role(self.control)
        self.role, self.matched = self.control.role, self.control.matched

    @property
    def label(self) -> str:
        return super().label if isinstance(self.control, Human) else f"{self.control.label} {super().label}"

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        return self.control.gaze(self.fitted(dataset), index)

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        return self.control.density(self.fitted(dataset), index)

    def fit(self, dataset: GazeDataset) -> PredictedGaze:
        """Return the split with predicted gaze; its pictures are looked at unless that has been done before."""
        maps = predicted_maps(self.checkpoint, dataset, self.cache, self.batch_size)
        return PredictedGaze(dataset, maps, self.points, self.seed)
