# ruff: noqa: E402 (the number of threads is set before anything reads it)
"""`haa score` beside pysaliency: every value of every picture, and the time per picture, on one core.

Run in the environment of benchmarks/requirements.txt, with haa's own requirements:

    python -m benchmarks.score OSIE FOLDER,FOLDER[,...]             all 200 photos of the test split
    python -m benchmarks.score OSIE FOLDER,FOLDER[,...] 40          the first 40

pysaliency's functions are called as its own models call them (`benchmarks.peers`), on the maps of the files, with the
pixels of the fixations, and with haa's human map and baseline: pysaliency's own human map is a filter that is cut off
and mirrored at the border, which the last line measures.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import sys
import time
import warnings
from collections import defaultdict
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from pysaliency import metrics
from pysaliency.roc import general_roc
from scipy.ndimage import gaussian_filter, zoom

from benchmarks import peers
from haa.data.loading.datamodule import DataModule
from haa.data.readers.osie import OSIE
from haa.scoring.files import MapFile, maps_in
from haa.scoring.ground_truth import GroundTruth
from haa.scoring.matching import match, names_of
from haa.scoring.saliency import score_maps
from haa.scoring.score import places

NAMES = ("nss", "auc_shuffled", "auc_judd", "information_gain", "cc", "sim", "kl", "auc_uniform", "kl_mit")


class Peer:
    """pysaliency's values of one map at one picture, and the seconds that each takes."""

    def __init__(self, truth: GroundTruth, indices: list[int]) -> None:
        self.dataset = truth.dataset
        # the pixel that each fixation lies in: pysaliency cuts off what is behind the point
        self.points = {i: (truth.dataset.gaze(i).points + 0.5).floor().long().numpy() for i in truth.looked}
        self.seconds: dict[str, float] = defaultdict(float)

    def values(self, index: int, map_: NDArray, human: NDArray, baseline: NDArray) -> list[float]:
        """Return the value of each of `NAMES`."""
        x, y = self.points[index].T
        # pysaliency's shuffled nonfixations: all fixations on all other pictures
        others = np.concatenate([points for i, points in self.points.items() if i != index])
        image = [(map_, human, baseline, self.points[index])]
        positives = map_[y, x].astype(float)
        calls = {
            "nss": lambda: peers.nss(image)[0],
            "auc_shuffled": lambda: general_roc(positives, map_[others[:, 1], others[:, 0]].astype(float), judd=0)[0],
            "auc_judd": lambda: peers.auc_judd(image)[0],
            "information_gain": lambda: peers.information_gain(image)[0],
            "cc": lambda: peers.cc(image)[0],
            "sim": lambda: peers.similarity(image)[0],
            "kl": lambda: peers.kl_divergence(image)[0],
            "auc_uniform": lambda: peers.auc_uniform(image)[0],
            "kl_mit": lambda: metrics.MIT_KLDiv(map_, human),
        }
        out = []
        for name in NAMES:
            start = time.process_time()
            out.append(float(calls[name]()))
            self.seconds[name] += time.process_time() - start
        return out


def read(file: MapFile, size: tuple[int, int]) -> NDArray:
    """Return a map at its picture's size as pysaliency's ResizingSaliencyMapModel gives it."""
    values = file.numbers().astype(float)
    factors = [size[0] / values.shape[0], size[1] / values.shape[1]]
    return values if values.shape == size else zoom(values, factors, order=1, mode="nearest")


def main(root: str, folders: str, count: int | None = None) -> None:
    """Print the differences and the times."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    data = DataModule(partial(OSIE, root))
    truth = GroundTruth(data.dataset("test"), data.dataset("train"), data.human_sigma("test").share)
    truth.fit(people=False)
    indices = truth.looked[:count]
    names = {index: names_of(truth.dataset, index) for index in indices}
    models = {}
    for name, place in places(folders).items():
        found = maps_in(place)
        by_sample = match(list(names.values()), [each[0] for each in names.values()], found).by_sample
        models[name] = {index: found[by_sample[place]] for place, index in enumerate(indices)}

    start = time.process_time()
    scored = score_maps(truth, indices, models, NAMES, references=False, num_workers=0)
    own = (time.process_time() - start) / len(indices) / len(models)

    peer, start, reading = Peer(truth, indices), time.process_time(), 0.0
    theirs = {name: np.empty((len(indices), len(NAMES))) for name in models}
    border = []
    for place, index in enumerate(indices):
        begun = time.process_time()
        seen = truth.seen(index)
        human, baseline = seen.human[0].numpy(), seen.baseline[0].numpy()
        counts = np.zeros(human.shape)
        np.add.at(counts, tuple(peer.points[index].T[::-1]), 1)
        filtered = gaussian_filter(counts, truth.sigma * max(human.shape), mode="reflect")
        border.append(np.abs(filtered / filtered.sum() - human).sum() / 2)
        start += time.process_time() - begun  # haa's work, and a check: no time of the peer's
        for name, files in models.items():
            begun = time.process_time()
            map_ = read(files[index], human.shape)
            reading += time.process_time() - begun
            theirs[name][place] = peer.values(index, map_, human, baseline)
    whole = (time.process_time() - start) / len(indices) / len(models)

    n = len(indices) * len(models)
    print(f"OSIE, {len(indices)} photos, {len(models)} folders of maps; one core, seconds of the processor")
    print(f"{'':18}{'largest difference':>20}{'pysaliency ms':>15}" + "".join(f"{name:>14}" for name in models))
    for column, name in enumerate(NAMES):
        worst = max(float(np.abs(theirs[m][:, column] - scored.values[m][:, column]).max()) for m in models)
        means = "".join(f"{scored.values[m][:, column].mean():>14.6f}" for m in models)
        print(f"{name:18}{worst:>20.1e}{1000 * peer.seconds[name] / n:>15.1f}{means}")
    print(
        f"a map, read and scored: haa {1000 * own:.1f} ms, pysaliency {1000 * whole:.1f} ms ({whole / own:.1f} times)"
    )
    print(f"of which pysaliency reads {1000 * reading / n:.1f} ms; haa's includes the human map and the baseline")
    print(
        f"mass by which pysaliency's own human map differs: {np.mean(border):.4f} on average (mirrored at the border)"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
