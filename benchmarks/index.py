"""How long a data set of 100,000 images takes to start: python -m benchmarks.index [images] [fixations an image]

As many small files in a temporary folder, and a reader of them. Opening has to look at every file's time and size;
a sample's record is found in the mapped index.
"""

from __future__ import annotations

import os
import pickle
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from haa.data.index import IndexedDataset


class Many(IndexedDataset):
    """Made-up gaze on as many files as there are."""

    def __init__(self, root: Path, cache: Path, fixations: int) -> None:
        self.fixations = fixations
        super().__init__(root, cache=cache)

    def sources(self) -> Sequence[Path]:
        return [self.root]

    def scan(self) -> Iterator[dict[str, Any]]:
        for name in sorted(os.listdir(self.root)):
            draw = random.Random(name)
            columns: dict[str, list[float]] = {
                "x": [draw.uniform(0, 639) for _ in range(self.fixations)],
                "y": [draw.uniform(0, 479) for _ in range(self.fixations)],
                "duration": [250.0] * self.fixations,
                "subject": [k % 15 for k in range(self.fixations)],
            }
            yield {"id": name, "image": name, "height": 480, "width": 640, "split": "train", **columns}


class Samples(Many):
    """Made-up gaze of many samples, on the same files again and again."""

    def __init__(self, root: Path, cache: Path, fixations: int, number: int) -> None:
        self.number = number
        super().__init__(root, cache, fixations)

    def scan(self) -> Iterator[dict[str, Any]]:
        names = sorted(os.listdir(self.root))
        for n in range(self.number):
            x, y = ([float((n + k) % side) for k in range(self.fixations)] for side in (640, 480))
            image = names[n % len(names)]
            yield {"id": str(n), "image": image, "height": 480, "width": 640, "split": "train", "x": x, "y": y}


def main(images: int = 100_000, fixations: int = 60) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "data"
        root.mkdir()
        for n in range(images):
            (root / f"{n:06d}.jpg").write_bytes(f"{n}".encode())
        start, work = time.perf_counter(), time.process_time()
        data = Many(root, Path(place), fixations)
        spent = f"{time.perf_counter() - start:.1f} s ({time.process_time() - work:.1f} s of them computing)"
        print(f"built once, {images} images with {fixations} fixations: {spent}")
        before = resident()
        start, work = time.perf_counter(), time.process_time()
        data = Many(root, Path(place), fixations)
        len(data)
        spent = f"{time.perf_counter() - start:.2f} s ({time.process_time() - work:.2f} s of them computing)"
        print(f"opened: {spent}; pickled for a worker: {len(pickle.dumps(data))} bytes")
        order = random.Random(0).sample(range(len(data)), min(len(data), 20_000))
        for name, read in (("a record, in random order", data.record), ("a gaze", data.gaze)):
            work = time.process_time()
            for index in order:
                read(index)
            print(f"{name}: {(time.process_time() - work) / len(order) * 1e3:.3f} ms of computing")
        found = {
            kind: sum(path.stat().st_size for path in Path(place).rglob(f"*.{kind}")) for kind in ("arrow", "parquet")
        }
        print(f"on disk: {found['arrow'] / 1e6:.0f} MB mapped, {found['parquet'] / 1e6:.0f} MB parquet")
        print(f"memory of its own after all that, beyond what it had when built: {resident() - before:.0f} MB")
        print(f"peak memory of building and reading: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


def resident() -> float:
    """Memory that is this process' own, in MB: mapped files, which all processes share, are left out."""
    fields = Path("/proc/self/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
