"""One sample of a dataset as a loader's worker makes it: whose gaze, cached features, transform."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor
from torch.utils.data import Dataset

from haa.conditions import Human
from haa.data.dataset import GazeDataset
from haa.data.loading.feature_cache import FeatureCache
from haa.data.loading.order import Key
from haa.data.loading.transforms import Transform, size_of
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Gaze


class GazeSource(Protocol):
    """Whose gaze a training sample gets: a condition of `haa.conditions`."""

    def gaze(self, dataset: GazeDataset, index: int) -> Gaze | None: ...


class Samples(Dataset[dict[str, Any]]):
    """What a loader's workers run: one sample, with its condition, cached features and transform.

    Args:
        dataset: one split.
        transform: see `haa.data.loading.transforms.Transform`.
        seed: of augmentation while training; None evaluates: no augmentation, and native gaze is kept.
        condition: whose gaze; None is the dataset's own.
        features: a cache to read image and features from.
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
        if self.features is None:
            sample = dict(self.dataset[index])
            native = size_of(sample)
        else:
            sample = {**self.dataset.record(index), "image": self.features.image(index)}
            native = self.features.native_size(index)
        if self.condition is not None:
            if "density" in sample and not isinstance(self.condition, Human):
                raise InputError(
                    f"condition={type(self.condition).__name__.lower()} exchanges fixations, and "
                    f"{type(self.dataset).__name__} publishes maps only: choose condition=human"
                )
            sample["own_gaze"] = sample.get("gaze")
            sample["gaze"] = self.condition.gaze(self.dataset, index)
        gaze = sample.get("gaze")
        if gaze is not None and gaze.size != native:
            raise ValueError(f"gaze of sample {sample['id']} is in pixels of {gaze.size}, the image has {native}")
        if gaze is not None and "clip" in sample and (gaze.frame is None or (gaze.frame >= len(sample["clip"])).any()):
            raise ValueError(
                f"gaze of sample {sample['id']} must name a frame below {len(sample['clip'])} for each point"
            )
        draw = self.transform.draw(None if self.seed is None else generator(self.seed, epoch, index))
        out = self.transform.apply(sample, draw)
        if self.features is not None:
            out["features"] = self.features.features(index, flip=draw.flip)
        if self.seed is None:
            out["native_size"] = native
            out["native_gaze"] = None if gaze is None else gaze.inside()
            if "mask" in sample:
                out["native_mask"] = sample["mask"].as_subclass(Tensor)
        return out
