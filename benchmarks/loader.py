"""Loader throughput against a plain DataLoader of Pillow and default_collate, on the same files and points.

On an idle machine: python -m benchmarks.loader OSIE/data [--size 384]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from haa.data.files.image import read_image
from haa.data.loading.collate import collate
from haa.data.loading.datamodule import DataModule
from haa.data.loading.transforms import Transform, resized
from haa.data.readers.osie import OSIE
from haa.gaze import Gaze

POINTS = 60
BATCH = 32


class Sixty(OSIE):
    """OSIE's training photos, ``photos`` of them at most, with the first 60 fixations of each."""

    def __init__(self, root: Path, photos: int) -> None:
        super().__init__(root)
        self.photos = photos

    def __len__(self) -> int:
        return min(self.photos, super().__len__())

    def record(self, index: int) -> dict[str, Any]:
        sample = super().record(index)
        return {**sample, "gaze": sixty(sample["gaze"])}

    def gaze(self, index: int) -> Gaze:
        return sixty(super().gaze(index))


def sixty(gaze: Gaze | None) -> Gaze:
    assert gaze is not None
    return replace(gaze, points=gaze.points[:POINTS], subject=None, duration=None)


class Plain(Dataset[tuple[Tensor, Tensor]]):
    """What one writes without a framework: the picture and its points, resized by Pillow."""

    def __init__(self, paths: list[Path], points: list[Tensor], size: int) -> None:
        self.paths, self.points, self.size = paths, points, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self.paths[index]) as image:
            scale = torch.tensor([self.size / image.width, self.size / image.height])
            small = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()
        return pixels, (self.points[index] + 0.5) * scale - 0.5


def images_a_second(loader: DataLoader[Any], count: int) -> float:
    """Of one pass, from the first batch on: starting a worker is paid once a run, not once an epoch."""
    batches = iter(loader)
    next(batches)
    start = time.perf_counter()
    for _ in batches:
        pass
    return (count - BATCH) / (time.perf_counter() - start)


def milliseconds(work: Callable[[int], Any], count: int = 100) -> float:
    """CPU time of one call."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for index in range(count):
            work(index)
        best = min(best, (time.process_time() - start) / count * 1000)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--photos", type=int, default=450)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("HAA_CACHE", tempfile.mkdtemp())
    transform = Transform(size=arguments.size)
    data = Sixty(arguments.root, arguments.photos)
    paths = [arguments.root / "stimuli" / f"{data.record(i)['id']}.jpg" for i in range(len(data))]
    points = [data.gaze(i).points for i in range(len(data))]
    plain = Plain(paths, points, arguments.size)

    print(f"{len(data)} photos of 800 x 600, {POINTS} fixations each, at {arguments.size} px, batches of {BATCH}")
    repeats = arguments.repeats
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, images a second, median of {repeats} passes in turn\n")
    print("workers    plain      haa    ratio (least and greatest of the passes)")
    for workers in (0, 1, 2):
        module = DataModule(lambda split: data, transform, batch_size=BATCH, num_workers=workers)
        ours = module.train_dataloader()
        theirs = DataLoader(plain, batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
        rates = [(images_a_second(theirs, len(data)), images_a_second(ours, len(data))) for _ in range(repeats)]
        ratios = [b / a for a, b in rates]
        a, b = (statistics.median(column) for column in zip(*rates, strict=True))
        print(f"{workers:7d} {a:8.0f} {b:8.0f}    {b / a:.2f}  ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)

    samples = [data[i] for i in range(BATCH)]
    small = [transform(dict(sample)) for sample in samples]
    print("\nwhere the time goes, CPU milliseconds an image      plain      haa")

    def decode_plain(i: int) -> Any:
        with Image.open(paths[i]) as image:
            return image.convert("RGB")

    opened = [decode_plain(i) for i in range(BATCH)]
    plain_sample = plain[0]
    rows = {
        "decode": (milliseconds(decode_plain), milliseconds(lambda i: read_image(paths[i]))),
        "resize": (
            milliseconds(lambda i: opened[i % BATCH].resize((arguments.size,) * 2, Image.Resampling.BILINEAR)),
            milliseconds(lambda i: resized({"image": samples[i % BATCH]["image"]}, (arguments.size,) * 2)),
        ),
        "points": (
            milliseconds(lambda i: (points[i] + 0.5) * torch.tensor([0.5, 0.5]) - 0.5),
            milliseconds(lambda i: resized({"gaze": data.gaze(i)}, (arguments.size,) * 2)),
        ),
        "collate": (
            milliseconds(lambda _: torch.utils.data.default_collate([plain_sample] * BATCH), 10) / BATCH,
            milliseconds(lambda _: collate(small), 10) / BATCH,
        ),
    }
    for name, (theirs_ms, ours_ms) in rows.items():
        print(f"{name:45s} {theirs_ms:12.2f} {ours_ms:8.2f}")
    whole = milliseconds(lambda i: plain[i]), milliseconds(lambda i: transform(dict(data[i])))
    print(f"{'a whole sample':45s} {whole[0]:12.2f} {whole[1]:8.2f}")


if __name__ == "__main__":
    main()
