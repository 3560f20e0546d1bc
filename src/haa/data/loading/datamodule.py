"""From a dataset to batches: loaders that can be repeated exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from haa.batch import Batch
from haa.data.dataset import SIGMA, GazeDataset, Split, size_of
from haa.data.loading.collate import collate
from haa.data.loading.feature_cache import FeatureCache, cached_features
from haa.data.loading.few import FewOfEachClass
from haa.data.loading.inference import Inference
from haa.data.loading.order import (
    EvaluationBatches,
    EvaluationBatchesBySize,
    EvaluationSampler,
    TrainBatchesBySize,
    TrainSampler,
    process,
)
from haa.data.loading.samples import GazeSource, Samples
from haa.data.loading.transforms import Transform
from haa.data.seeds import generator
from haa.errors import InputError
from haa.gaze import Size

BatchSizeIs = Literal["per_process", "whole"]


class HumanSigma(NamedTuple):
    """Blur of the human maps that machine maps are scored against."""

    share: float
    """Standard deviation, as a share of the stimulus' longer side; published maps are not blurred by it."""
    origin: Literal["given", "data set", "default", "published maps"]
    """``data.sigma=``, `haa.data.dataset.GazeDataset.sigma`, `haa.data.dataset.SIGMA`; or maps were published."""


class DataModule(pl.LightningDataModule):
    """Three splits of a dataset as loaders of `Batch`.

    The condition and random augmentation act on the training split alone. The order of training samples depends on
    (seed, epoch) alone, and a sample's augmentation on (seed, epoch, index): a run that is resumed at the end of an
    epoch, with any number of workers, sees what the undisturbed run sees. Evaluation reads every sample once, however
    many processes share the work. Make the Trainer with ``use_distributed_sampler=False``.

    Where the transform lets pictures come out in several sizes, a batch holds pictures of one size; there may be more
    batches then, some of them small.

    Args:
        dataset: Called with ``split="train"``, ``"val"`` or ``"test"``; returns that split.
        transform: Brings samples to one size; None leaves them as they are.
        condition: Whose gaze training samples get; None is the dataset's own.
        batch_size: Number of samples in a batch.
        num_workers: Number of processes that read samples; 0 reads them in the main one.
        seed: Seed of order and augmentation.
        eval_batch_size: Batch size of validation and test; None is ``batch_size``.
        batch_size_is: What ``batch_size`` counts where several processes train: ``per_process`` the samples of each, or
            ``whole`` those of all together, which they share, so that a step is one of a single process.
        per_class: Number of pictures (videos) of each class that are trained on; None is all of them. See
            `haa.data.loading.few.FewOfEachClass`.
        per_class_seed: Which pictures these are: other numbers draw others. ``${seed}`` lets each seed of a study draw
            its own, the same in all of its arms.
        sigma: Standard deviation of the human density that maps are scored against, as a share of the stimulus' longer
            side; None is the dataset's own. A config gives it as ``data.sigma``.

    Example:
        >>> from haa.gaze import Gaze
        >>> class Grey(GazeDataset):
        ...     def __init__(self, split): pass
        ...     def __len__(self): return 5
        ...     def gaze(self, index): return Gaze(torch.tensor([[7.0, 5.0]]), (6, 8)) if index else None
        ...     def __getitem__(self, index):
        ...         image = torch.full((3, 6, 8), index, dtype=torch.uint8)
        ...         return {"id": str(index), "image": image, "gaze": self.gaze(index)}
        >>> data = DataModule(Grey, Transform(size=(3, 4)), batch_size=2)
        >>> batch = next(iter(data.test_dataloader()))
        >>> batch["id"], batch["image"].shape, batch["has_human"]
        (['0', '1'], torch.Size([2, 3, 3, 4]), tensor([False,  True]))
        >>> data.missing_gaze("test")
        (1, 5)
    """

    def __init__(
        self,
        dataset: Callable[..., GazeDataset],
        transform: Transform | None = None,
        condition: GazeSource | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        eval_batch_size: int | None = None,
        sigma: float | None = None,
        per_class: int | None = None,
        per_class_seed: int = 0,
        batch_size_is: BatchSizeIs = "per_process",
    ) -> None:
        super().__init__()
        if batch_size_is not in get_args(BatchSizeIs):
            raise InputError(f"loader.batch_size_is={batch_size_is}: choose {' or '.join(get_args(BatchSizeIs))}")
        for name, size in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if size is not None and size < 1:
                raise InputError(f"loader.{name}={size}: give a positive number")
        if sigma is not None and sigma <= 0:
            raise InputError(f"data.sigma={sigma}: give a positive share of the stimulus' longer side")
        self.transform = Transform() if transform is None else transform
        self.condition = condition
        self.batch_size, self.batch_size_is = batch_size, batch_size_is
        self.num_workers = num_workers
        self.seed = seed
        self.eval_batch_size = batch_size if eval_batch_size is None else eval_batch_size
        self.sigma = sigma
        self.per_class, self.per_class_seed = per_class, per_class_seed
        self._make = dataset
        self._datasets: dict[Split, GazeDataset] = {}
        self._missing: dict[Split, tuple[int, int]] = {}
        self._features: dict[Split, FeatureCache] = {}
        self._sizes: dict[Split, list[Size]] = {}

    def setup(self, stage: str | None = None) -> None:
        needed: dict[str | None, tuple[Split, ...]] = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}
        for split in needed.get(stage, get_args(Split)):
            self.dataset(split)

    def dataset(self, split: Split) -> GazeDataset:
        """Return the split as published: native size, no condition, no transform; for training few of it, if asked."""
        if split not in self._datasets:
            dataset = self._make(split=split)
            if not len(dataset):
                raise InputError(f"the {split} split of {type(dataset).__name__} is empty: nothing can be read from it")
            if split == "train" and self.per_class is not None:
                dataset = FewOfEachClass(dataset, self.per_class, self.per_class_seed)
            self._datasets[split] = dataset
        return self._datasets[split]

    def missing_gaze(self, split: Split) -> tuple[int, int]:
        """Return the number of samples at which nobody is recorded to have looked, and of all; no image is read."""
        if split not in self._missing:
            dataset = self.dataset(split)
            seen = sum(dataset.looked(index) for index in range(len(dataset)))
            self._missing[split] = len(dataset) - seen, len(dataset)
        return self._missing[split]

    def some_gaze(self, split: Split) -> bool:
        """Return whether anybody is recorded to have looked at a split at all."""
        missing, total = self.missing_gaze(split)
        return missing < total

    def human_sigma(self, split: Split) -> HumanSigma:
        """Return the blur of the human maps that maps are scored against, and where it comes from."""
        dataset = self.dataset(split)
        seen = next((index for index in range(len(dataset)) if dataset.looked(index)), None)
        if seen is not None and dataset.gaze(seen) is None:
            return HumanSigma(SIGMA, "published maps")
        if self.sigma is not None:
            return HumanSigma(self.sigma, "given")
        return HumanSigma(SIGMA, "default") if dataset.sigma is None else HumanSigma(dataset.sigma, "data set")

    def cache_features(
        self,
        backbone: nn.Module,
        directory: str | Path,
        splits: Sequence[Split] = get_args(Split),
        dtype: str = "float32",
    ) -> None:
        """Compute a frozen backbone's features once, and from then on read them (and the resized images) from disk.

        Batches gain ``features`` and are otherwise what they were. Call it before the loaders are made.

        Args:
            backbone: A frozen backbone; it runs on the device on which its parameters are.
            directory: Folder of caches; each has a name of its own, and a stale one is never used.
            splits: Splits to cache.
            dtype: float32, or float16 for half the space.

        Raises:
            InputError: If the backbone is trained, training crops at random, or the disk is too small.
        """
        if "train" in splits and self.transform.crop < 1:
            raise InputError(
                f"transform.crop={self.transform.crop} shows another part of the picture every time, whose features "
                "cannot be cached: set transform.crop=1, or cache=null"
            )
        inference = Inference(backbone)
        for split in splits:
            self._features[split] = cached_features(
                self.dataset(split),
                backbone,
                self.transform,
                directory,
                flip=self.transform.flip and split == "train",
                dtype=dtype,
                num_workers=self.num_workers,
                description=f"features of {split}",
                inference=inference,
            )

    def batch_sizes(self, processes: int) -> tuple[int, int]:
        """Return the number of samples of a training step, in all processes together and in each.

        Raises:
            InputError: If a whole batch cannot be shared evenly.
        """
        if self.batch_size_is == "per_process":
            return self.batch_size * processes, self.batch_size
        if self.batch_size % processes:
            raise InputError(
                f"loader.batch_size={self.batch_size} is not shared evenly by {processes} processes: give a multiple "
                f"of {processes}, or loader.batch_size_is=per_process"
            )
        return self.batch_size, self.batch_size // processes

    def train_dataloader(self) -> DataLoader[Batch]:
        samples = self._samples("train", seed=self.seed, condition=self.condition)
        order = TrainSampler(len(samples), self.seed)
        _, batch_size = self.batch_sizes(process()[1])
        if self.transform.varies:
            shared = self.batch_size_is == "whole"
            batches = TrainBatchesBySize(order, self.batch_size, self.sizes("train"), shared)
            return self._loader(samples, batch_sampler=batches)
        return self._loader(samples, sampler=order, batch_size=batch_size)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self.evaluation("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self.evaluation("test")

    def evaluation(self, split: Split) -> DataLoader[Batch]:
        """Return a loader of every sample of a split once, without augmentation and with its native gaze."""
        return self._loader(self._samples(split), batch_sampler=self._evaluation_batches(split))

    def places(self, split: Split) -> list[int]:
        """Return the samples of a split in the order in which `evaluation` reads them in this process."""
        return [index for batch in self._evaluation_batches(split) for index in batch]

    def sizes(self, split: Split) -> list[Size]:
        """Return the size to which the transform brings the picture of each sample of a split."""
        if split not in self._sizes:
            self._sizes[split] = [self.transform.size_for(size) for size in self.dataset(split).native_sizes()]
        return self._sizes[split]

    def _evaluation_batches(self, split: Split) -> EvaluationBatches | EvaluationBatchesBySize:
        order = EvaluationSampler(len(self.dataset(split)))
        if self.transform.varies:
            return EvaluationBatchesBySize(order, self.eval_batch_size, self.sizes(split))
        return EvaluationBatches(order, self.eval_batch_size)

    def some(self, split: Split, indices: Sequence[int], condition: GazeSource | None = None) -> Iterator[Batch]:
        """Yield batches of some samples of a split, as `evaluation` gives them all; ``condition`` exchanges gaze."""
        samples = self._samples(split, condition=condition)
        together: list[dict[str, Any]] = []
        for index in indices:
            sample = samples[index]
            if together and (len(together) == self.eval_batch_size or size_of(sample) != size_of(together[0])):
                yield collate(together)
                together = []
            together.append(sample)
        if together:
            yield collate(together)

    def _samples(self, split: Split, seed: int | None = None, condition: GazeSource | None = None) -> Samples:
        return Samples(self.dataset(split), self.transform, seed, condition, self._features.get(split))

    def _loader(self, samples: Samples, **order: Any) -> DataLoader[Batch]:
        return _Loader(
            samples,
            collate_fn=collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            # its own generator: otherwise every pass would draw from the global one, which dropout shares
            generator=generator(self.seed),
            **order,
        )


class _Loader(DataLoader[Any]):
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        try:
            yield from super().__iter__()
        except InputError as error:
            # a worker's error arrives with the worker's traceback as its message; its last line is what was said
            lines = str(error).strip().splitlines()
            raise InputError(lines[-1].removeprefix(f"{InputError.__module__}.{InputError.__qualname__}: ")) from None
