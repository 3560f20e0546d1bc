"""Features of a frozen backbone on disk: computed once, mapped, and never used when anything has changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from haa.data.dataset import GazeDataset
from haa.data.files.picture import RULES
from haa.data.loading.inference import Forward, Inference
from haa.data.loading.transforms import Transform
from haa.disk import built_once
from haa.disk.stored import Rows, RowWriter, opened
from haa.errors import InputError
from haa.gaze import Size
from haa.printing.progress import progress

FORMAT = 4
"""Raised whenever caches are laid out or computed anew, so that an old one is not read."""

PLAIN = (bool, int, float, str, type(None))


class FeatureCache:
    """Images and features of a dataset, one row for each different picture, in a folder that `cached_features` makes.

    Of clips, a row is a clip: all its frames, and the features of each.

    Args:
        folder: Folder of ``images.npy`` (n, 3, h, w) uint8, ``features.npy`` (n x orientations, i, j, c) and
            ``sizes.npy`` (n, 2); of clips (n, t, 3, h, w) and (n x orientations, t, i, j, c). With its channels side by
            side, a cell is what models read.
        rows: Row of each sample.
        others: Caches of the samples that are not among ``rows``, whose pictures come out in other sizes.

    Raises:
        InputError: Where a row is read that has changed since it was written.
    """

    def __init__(self, folder: Path, rows: Mapping[int, int], others: Sequence[FeatureCache] = ()) -> None:
        self.folder = folder
        self.rows = rows
        self.others = others

    def of(self, index: int) -> FeatureCache:
        """Return the cache, this one or another, that has sample ``index``."""
        return self if index in self.rows else next(cache for cache in self.others if index in cache.rows)

    def image(self, index: int) -> UInt8[Tensor, "*t 3 h w"]:
        """Return the image, or the clip, of sample ``index`` as the transform gives it without augmentation."""
        cache = self.of(index)
        return torch.from_numpy(cache._images[cache.rows[index]])

    def features(self, index: int, flip: bool = False) -> Float[Tensor, "*t c i j"]:
        """Return the features of the image (of each frame) of sample ``index``, or of its mirror image.

        In memory, the channels of a cell lie side by side.
        """
        cache = self.of(index)
        orientations = len(cache._features) // len(cache._images)
        row = cache._features[cache.rows[index] * orientations + int(flip)]
        return torch.from_numpy(row.astype(np.float32, copy=False)).movedim(-1, -3)

    def native_size(self, index: int) -> Size:
        """Return (height, width) of the stimulus of sample ``index`` as published."""
        cache = self.of(index)
        h, w = cache._sizes[cache.rows[index]].tolist()
        return h, w

    @cached_property
    def _images(self) -> Rows:
        return opened(self.folder / "images.npy")

    @cached_property
    def _features(self) -> Rows:
        return opened(self.folder / "features.npy")

    @cached_property
    def _sizes(self) -> Rows:
        return opened(self.folder / "sizes.npy")

    def __getstate__(self) -> dict[str, Any]:
        # a worker maps the files itself, because a pickled memory map is a copy of the whole
        return {"folder": self.folder, "rows": self.rows, "others": self.others}


def cached_features(
    dataset: GazeDataset,
    backbone: nn.Module,
    transform: Transform,
    directory: str | Path,
    flip: bool = False,
    dtype: str = "float32",
    batch_size: int = 8,
    num_workers: int = 0,
    description: str = "features",
    inference: Inference | None = None,
) -> FeatureCache:
    """Return the features of every picture of a dataset; compute them, with a progress bar, if the cache lacks them.

    A cache's folder is named by a hash of the backbone's weights, classes and plain attributes, the transform, the
    dataset's fingerprint and these arguments. Before the cache is used, the features of its first picture are computed
    anew and compared, which notices changed code too. The cache is written beside and renamed when complete, so a
    killed run leaves nothing that looks complete. Samples that share a picture (`GazeDataset.stimulus`) share a row;
    clips share a video and show other frames of it, so that each has its own. Pictures that the transform brings to
    different sizes lie in caches of their own.

    float32 is the default: with it, training from the cache equals training without it. float16 halves the space, with
    a relative error of up to 5e-4.

    Args:
        dataset: One split of a dataset.
        backbone: A frozen module, ``(b, 3, h, w)`` in [0, 1] to ``(b, c, i, j)``; it runs on the device of its
            parameters.
        transform: Transform that resizes; its augmentation plays no part.
        directory: Folder that holds one folder per cache; it is made if it does not exist.
        flip: Keep the features of mirror images too.
        dtype: float32 or float16.
        batch_size: Number of pictures per forward pass.
        num_workers: Number of processes that decode.
        description: Text beside the progress bar.
        inference: How the backbone computes, where another split has found it out already.

    Raises:
        InputError: If the backbone is trained, the disk is too small, a feature exceeds float16, or the cache that is
            there is damaged.
    """
    if not getattr(backbone, "frozen", False):
        raise InputError(
            "cache: the backbone is trained, so its features change: set backbone.frozen=true, or cache=null"
        )
    if dtype not in ("float32", "float16"):
        raise InputError(f"cache: dtype={dtype} is not known: choose float32 or float16")
    every = list(range(len(dataset)))
    sample = dataset[0]
    indices, rows = (every, every) if "clip" in sample else dataset.stimuli()
    sizes: list[Size | None] = [transform.size] * len(every)
    if transform.varies:
        native = list(dataset.native_sizes())
        sizes = [transform.size_for(native[indices[row]]) for row in rows]
    shared = {
        "format": FORMAT,
        "decoding": RULES,
        "backbone": backbone_hash(backbone),
        "dataset": dataset.fingerprint(),
        "flip": flip,
        "dtype": dtype,
    }
    plain = _forward(backbone, flip, backbone)
    inference = Inference(backbone) if inference is None else inference
    caches: list[tuple[Path, dict[int, int]]] = []
    for size in dict.fromkeys(sizes):
        those = [index for index in indices if sizes[index] == size]
        pictures = _Pictures(dataset, transform, those, sample if those[0] == 0 else dataset[those[0]])
        key = {**shared, "size": size, "rows": pictures.indices}
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:20]
        folder = Path(directory).expanduser() / name
        row_of = {index: row for row, index in enumerate(pictures.indices)}
        own = {index: row_of[indices[rows[index]]] for index in every if sizes[index] == size}
        code = tuple(type(part).forward for part in backbone.modules())
        stale = partial(_disagrees, rows=own, pictures=pictures, forward=plain, code=code)
        with built_once(folder, stale=stale) as unfinished:
            if unfinished is not None:
                said = f"{description}, {size[0]} x {size[1]}" if transform.varies and size else description
                count = len(pictures) * pictures.first[..., 0, 0, 0].numel() * (1 + flip)
                forward = _forward(backbone, flip, partial(inference, count=count))
                _compute(unfinished, pictures, forward, np.dtype(dtype), batch_size, num_workers, said)
        caches.append((folder, own))
    first, *others = caches
    return FeatureCache(*first, [FeatureCache(*other) for other in others])


def backbone_hash(backbone: nn.Module) -> str:
    """Return a hash of a module's classes, plain attributes, parameters and buffers.

    Example:
        >>> a, b = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)
        >>> backbone_hash(a) == backbone_hash(b)
        False
        >>> _ = b.load_state_dict(a.state_dict())
        >>> backbone_hash(a) == backbone_hash(b)
        True
    """
    digest = hashlib.sha256()
    for name, module in backbone.named_modules():
        kind = f"{type(module).__module__}.{type(module).__qualname__}"
        plain = {
            key: value for key, value in vars(module).items() if key not in ("training", "trained") and _is_plain(value)
        }
        digest.update(json.dumps([name, kind, plain], sort_keys=True).encode())
    for name, tensor in [*backbone.named_parameters(), *backbone.named_buffers()]:
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN) or (isinstance(value, list | tuple) and all(map(_is_plain, value)))


class _Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Different images of a dataset, or its clips, resized, with their native sizes.

    Args:
        dataset: One split of a dataset.
        transform: Transform that resizes.
        indices: Sample that shows each.
        sample: The first of these samples.
    """

    def __init__(self, dataset: GazeDataset, transform: Transform, indices: list[int], sample: dict[str, Any]) -> None:
        self.dataset = dataset
        self.transform = transform
        self.indices = indices
        self.first, _ = self._resized(sample)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self._resized(self.dataset[self.indices[row]])

    def _resized(self, sample: dict[str, Any]) -> tuple[Tensor, Tensor]:
        key = "clip" if "clip" in sample else "image"
        return self.transform({key: sample[key]})[key], torch.tensor(sample[key].shape[-2:])


def _forward(backbone: nn.Module, flip: bool, run: Forward) -> Forward:
    some_tensor = next(iter([*backbone.parameters(), *backbone.buffers()]), torch.empty(0))

    @torch.inference_mode()
    def forward(images: Tensor) -> Tensor:
        modes = [(part, part.training) for part in backbone.modules()]
        backbone.eval()
        try:
            images = images.to(some_tensor.device).float() / 255
            views = [images, images.flip(-1)] if flip else [images]
            leading = images.shape[:-3]  # of clips, every frame is an image
            found = [run(view.flatten(0, -4)).unflatten(0, leading) for view in views]
            # in memory the channels of a cell lie side by side, as they are kept
            return torch.stack([each.movedim(-3, -1) for each in found], dim=1).float().cpu().movedim(-1, -3)
        finally:
            for part, training in modes:
                part.training = training

    return forward


_AGREED: dict[Path, tuple[Any, ...]] = {}
"""Caches whose features this process has compared with those of its own code: the files, and that code."""


def _disagrees(
    folder: Path, rows: Mapping[int, int], pictures: _Pictures, forward: Forward, code: tuple[Any, ...]
) -> bool:
    # a new FeatureCache each time, because one that has read the old files keeps them mapped
    cache, first = FeatureCache(folder, rows), pictures.indices[0]
    state = (cache._features, code)  # another object once the files are others
    if _AGREED.get(folder) == state and torch.equal(cache.image(first), pictures.first):
        return False
    _AGREED.pop(folder, None)
    if _differs(cache, first, pictures, forward):
        return True
    _AGREED[folder] = state
    return False


def _differs(cache: FeatureCache, first: int, pictures: _Pictures, forward: Forward) -> bool:
    expected = forward(pictures.first[None])[0]
    cached = torch.stack([cache.features(first, bool(flip)) for flip in range(len(expected))])
    # another batch size or device rounds differently; changed code differs by more than this
    tolerance = 1e-2 * float(expected.square().mean().sqrt())
    return (
        not torch.equal(cache.image(first), pictures.first)
        or cached.shape != expected.shape
        or bool((cached - expected).abs().max() > tolerance)
    )


def _compute(
    folder: Path,
    pictures: _Pictures,
    forward: Forward,
    dtype: np.dtype[Any],
    batch_size: int,
    num_workers: int,
    description: str,
) -> None:
    image = pictures.first
    shape = tuple(forward(image[None]).movedim(-3, -1).shape[1:])
    needed = len(pictures) * (image.numel() + int(np.prod(shape)) * dtype.itemsize)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"cache: {folder.parent} has {free / 1e9:.1f} GB left, features need {needed / 1e9:.1f} GB: "
            "name another directory, or cache=null"
        )
    count = len(pictures)
    with (
        RowWriter(folder / "images.npy", count, image.shape, np.uint8) as images,
        RowWriter(folder / "features.npy", count * shape[0], shape[1:], dtype) as features,
        RowWriter(folder / "sizes.npy", count, (2,), np.int64) as sizes,
        progress() as bar,
    ):
        task = bar.add_task(description, total=count)
        for batch, native in _ahead(DataLoader(pictures, batch_size=batch_size, num_workers=num_workers)):
            values = forward(batch)
            largest = float(values.abs().max())
            if not largest <= float(np.finfo(dtype).max):
                raise InputError(
                    f"cache: a feature of {largest:g} is not finite in {dtype}: "
                    + ("set dtype=float32" if dtype == np.float16 else "the backbone's weights are not sound")
                )
            images.append(batch.numpy())
            features.append(values.flatten(0, 1).movedim(-3, -1).contiguous().numpy())
            sizes.append(native.numpy())
            bar.update(task, advance=len(batch))


def _ahead(batches: Iterable[Any]) -> Iterator[Any]:
    """Read the next batch in a thread, while this one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        reader = iter(batches)
        coming = thread.submit(next, reader, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, reader, None)
            yield batch
