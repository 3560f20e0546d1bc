"""Samples in tar files: time and memory of their index, and how fast they are read beside files and webdataset.

Seconds are the processor's: python -m benchmarks.shards [--index 100000] [--read 2000]. It needs webdataset.
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import webdataset
from PIL import Image

from haa.data.files.image import read_image
from haa.data.readers.webdataset import WebDataset

PER_SHARD = 1000


def pack(root: Path, count: int, size: tuple[int, int], plain: Path | None = None) -> None:
    """Pack noise with 20 fixations each; ``plain`` is a folder for the same pictures as files."""
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    with webdataset.ShardWriter(str(root / "part-%05d.tar"), maxcount=PER_SHARD, verbose=0) as writer:
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8))
            file = io.BytesIO()
            coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)
            x, y = (rng.uniform(0, side - 1, 20).round(1).tolist() for side in size[::-1])
            gaze = {"x": x, "y": y, "duration": [200.0] * 20, "subject": [i % 5 for i in range(20)]}
            key = f"p{number:07}"
            writer.write(
                {"__key__": key, "jpg": file.getvalue(), "fixations.json": gaze, "cls": str(number % 10).encode()}
            )
            if plain is not None:
                plain.mkdir(exist_ok=True)
                (plain / f"{key}.jpg").write_bytes(file.getvalue())


def index(root: Path, cache: Path) -> None:
    """Build the index, or open it, and print how long that took and the most memory of the process."""
    start = time.process_time()
    count = len(WebDataset(root, cache=cache, splits_by_name=False))
    took = time.process_time() - start
    print(
        f"{took:.1f} s, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, {count} training samples"
    )


def rate(read: Callable[[], int]) -> float:
    """Return the most samples a second of three passes."""
    rates = []
    for _ in range(3):
        start = time.process_time()
        count = read()
        rates.append(count / (time.process_time() - start))
    return max(rates)


def reading(root: Path, plain: Path, cache: Path) -> None:
    """Print how many pictures a second one process decodes."""
    dataset = WebDataset(root, cache=cache, splits_by_name=False)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    files = [plain / f"{dataset.row(i)['id'].as_py()}.jpg" for i in range(len(dataset))]
    shards = [str(path) for path in sorted(root.glob("*.tar"))]

    def package() -> int:
        return sum(1 for _ in webdataset.WebDataset(shards, shardshuffle=False).decode("torchrgb8"))

    ways: dict[str, Callable[[], int]] = {
        "haa, samples of shards in random order": lambda: sum(dataset[i] is not None for i in order),
        "haa, pictures as files in random order": lambda: sum(read_image(files[i]) is not None for i in order),
        "webdataset, pictures in the shards' order": package,
    }
    for way, read in ways.items():
        print(f"{way}: {rate(read):.0f} /s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--index", type=int, default=100_000)
    parser.add_argument("--read", type=int, default=2000)
    parser.add_argument("--of", help="folder of shards, for the processes that are timed")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.of:
        index(Path(given.of), Path(given.of).parent / "cache")
        return
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        pack(top / "many", given.index, (48, 64))
        for what in ("built", "opened"):
            print(f"index of {given.index} samples, {what}:", flush=True)
            subprocess.run([sys.executable, "-m", "benchmarks.shards", "--of", str(top / "many")], check=True)
        pack(top / "large", given.read, (480, 640), top / "plain")
        reading(top / "large", top / "plain", top / "cache")


if __name__ == "__main__":
    main()
