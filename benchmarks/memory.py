"""The memory of a long evaluation: 5,000 maps of 480 x 640 through every metric of maps and fixations.

python -m benchmarks.memory
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from benchmarks import inputs
from haa.metrics import (
    CC,
    NSS,
    AUCJudd,
    AUCUniform,
    InformationGain,
    KLDivergence,
    LogLikelihood,
    SalientObjects,
    Similarity,
)


def resident() -> float:
    """Megabytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    torch.set_num_threads(1)
    batch = inputs.maps(20, 480, 640, 60)
    p, d, b, f = batch.prediction, batch.density, batch.baseline, batch.fixations
    at_points, of_maps = [NSS(), AUCJudd(), AUCUniform(), LogLikelihood()], [CC(), Similarity(), KLDivergence()]
    gain, objects = InformationGain(), SalientObjects()
    mask = d > d.mean()
    for images in range(20, 5001, 20):
        for metric in at_points:
            metric.update(p, f)
        for metric in of_maps:
            metric.update(p, d)
        gain.update(p, b, f)
        if images % 100 == 0:  # the slow one on every fifth batch
            objects.update(p, mask)
        if images in (20, 100, 1000, 2000, 3000, 4000, 5000):
            print(f"{images:6d} images  {resident():8.1f} MB", flush=True)


if __name__ == "__main__":
    main()
