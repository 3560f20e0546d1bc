"""One sample of a dataset as a loader's worker makes it: whose gaze, cached features, transform."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from haa.data.dataset import GazeDataset, size_of
from haa.data.loading.feature_cache import FeatureCache
from haa.data.loading.order import Key
from haa.data.loading.transforms import Transform
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze


class GazeSource(Protocol):
    """Whose gaze a training sample gets: what a loader asks of a condition of `haa.conditions`."""

    exchanges: bool = True
    """Whether `gaze` and `density` may differ from what was recorded for the sample; else neither is ever called."""

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None:
        """Return the fixations to train sample ``index`` with; None where there are none."""
        ...

    def density(self, dataset: GazeDataset, index: int) -> Float[Tensor, "*t h w"] | None:
        """Return the map of gaze to train sample ``index`` with, where maps are published; None where there is none."""
        ...


class Samples(Dataset[dict[str, Any]]):
    """What a loader's workers run: one sample, with its condition, cached features and transform.

    Args:
        dataset: One split.
        transform: See `haa.data.loading.transforms.Transform`.
        seed: Seed of augmentation while training. None evaluates: no augmentation, and native gaze is kept.
        condition: Whose gaze samples get; None is the dataset's own.
        features: Cache to read image and features from.
    """

    def __init__(
        self,
        dataset: GazeDataset,
        transform: Transform,
        seed: int | None = None,
        condition: GazeSource | None = None,
        features: FeatureCache | None = None,
    ) -> None:
        self.dataset = dataset
        self.transform = transform
        self.seed = seed
        self.condition = condition
        self.features = features

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: Key | int) -> dict[str, Any]:
        # evaluation asks for a plain index, and so does the sampler that Lightning's overfit_batches puts in
        epoch, index = (0, key) if isinstance(key, int) else key
        sample, native = self._read(index)
        exchanged = self.condition is not None and self.condition.exchanges
        if self.condition is not None and exchanged:
            self._exchange(sample, index, self.condition)
        _check_gaze(sample, native)
        draw = self.transform.draw(None if self.seed is None else generator(self.seed, epoch, index))
        out = self.transform.apply(sample, draw)
        if exchanged and "density" in out:
            out["density"], out["own_density"] = out["density"]
        if self.features is not None:
            out["features"] = self.features.features(index, flip=draw.flip)
        if self.seed is None:
            gaze = sample.get("gaze")
            out["native_size"] = native
            out["native_gaze"] = None if gaze is None else gaze.inside()
            if "mask" in sample:
                out["native_mask"] = sample["mask"].as_subclass(Tensor)
        return out

    def _read(self, index: int) -> tuple[dict[str, Any], tuple[int, int]]:
        """Return the sample as it is published, and the size of its stimulus."""
        if self.features is None:
            sample = dict(self.dataset[index])
            return sample, size_of(sample)
        pixels = self.features.image(index)
        sample = {**self.dataset.record(index), "clip" if pixels.ndim == 4 else "image": pixels}
        return sample, self.features.native_size(index)

    def _exchange(self, sample: dict[str, Any], index: int, condition: GazeSource) -> None:
        """Put the condition's gaze in the place of the sample's own, which is kept beside it."""
        if "density" in sample:
            own, given = sample["density"], condition.density(self.dataset, index)
            given = torch.zeros_like(own) if given is None else given.to(own.dtype)
            if given.shape != own.shape:
                raise ValueError(f"map for sample {sample['id']} is {tuple(given.shape)}, its own {tuple(own.shape)}")
            # one tensor, so that the transform moves both alike
            sample["density"] = torch.stack([given, own])
            return
        sample["own_gaze"] = sample.get("gaze")
        sample["gaze"] = condition.gaze(self.dataset, index)


def _check_gaze(sample: dict[str, Any], native: tuple[int, int]) -> None:
    gaze = sample.get("gaze")
    if gaze is None:
        return
    if gaze.size != native:
        turned = " (is it turned by its header, and was shown unturned?)" if gaze.size == native[::-1] else ""
        raise InputError(
            f"gaze of sample {sample['id']} is in pixels of {gaze.size}, its image has {native} (height, width): "
            f"fetch both again{turned}"
        )
    if "clip" in sample and (gaze.frame is None or (gaze.frame >= len(sample["clip"])).any()):
        raise ValueError(f"gaze of sample {sample['id']} must name a frame below {len(sample['clip'])} for each point")
