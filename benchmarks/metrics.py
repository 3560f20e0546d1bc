# ruff: noqa: E402 (the number of threads is set before anything reads it)
"""How fast haa's metrics are beside their peers: one table, one thread each, medians of interleaved rounds.

Run in the environment of benchmarks/requirements.txt:

    python -m benchmarks.metrics             everything
    python -m benchmarks.metrics AUC CIDEr   the rows whose name holds one of these words
    python -m benchmarks.metrics --apart     peers and haa in a process each

Peers and haa take turns in one process. It matters: the peers make several arrays of a map's size per image, for which
the system hands out fresh pages until somebody in the process has freed a larger array. `--apart` shows what
a process of their own changes.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import contextlib
import io
import multiprocessing
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from statistics import median

import numpy as np
import torch

from benchmarks import inputs, peers
from haa import gaze
from haa.metrics import functional as haa

ROUNDS = 7

Row = tuple[str, Callable[[], object], Callable[[], object], int, float]
"""name, the peer's call, haa's call, samples per call, the ratio to reach"""


def rows() -> Iterator[Row]:
    """Every line of the table."""
    maps = inputs.maps(20, 480, 640, 60)
    p, d, b, f = maps.prediction, maps.density, maps.baseline, maps.fixations
    x = maps.in_numpy()
    n = len(p)
    six: list[Row] = [
        ("AUC-Judd", lambda: peers.auc_judd(x), lambda: haa.auc_judd(p, f), n, 5),
        ("AUC-uniform", lambda: peers.auc_uniform(x), lambda: haa.auc_uniform(p, f), n, 10),
        ("NSS", lambda: peers.nss(x), lambda: haa.nss(p, f), n, 10),
        ("CC", lambda: peers.cc(x), lambda: haa.cc(p, d), n, 40),
        ("SIM", lambda: peers.similarity(x), lambda: haa.similarity(p, d), n, 5),
        ("KL", lambda: peers.kl_divergence(x), lambda: haa.kl_divergence(p, d), n, 4),
        ("IG", lambda: peers.information_gain(x), lambda: haa.information_gain(p, b, f), n, 9),
    ]
    yield from six
    yield "the seven", lambda: [r[1]() for r in six], lambda: [r[2]() for r in six], n, 10
    yield "density", lambda: peers.density(x, 24.0), lambda: gaze.density(f, (480, 640), 24.0), n, 80
    mouse = (torch.rand(4, 7000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([640, 480])).floor()
    traces = [(*maps[:3], points.long().numpy()) for maps, points in zip(x, mouse, strict=False)]
    yield (
        "density, 7,000 points",
        lambda: peers.density(traces, 24.0),
        lambda: gaze.density(mouse, (480, 640), 24.0),
        4,
        1,
    )

    prediction, mask = inputs.objects(20, 352, 352)
    pairs = list(zip(prediction.numpy(), mask.numpy(), strict=True))
    yield (
        "salient objects (nine)",
        lambda: peers.salient_objects(pairs),
        lambda: haa.salient_objects(prediction, mask),
        len(pairs),
        20,
    )

    said, meant = inputs.captions(5000, 5)
    for name, keys, target in (
        ("CIDEr", ["cider"], 20.0),
        ("BLEU", ["bleu1", "bleu2", "bleu3", "bleu4"], 5.0),
        ("ROUGE-L", ["rouge_l"], 5.0),
    ):
        yield (
            name,
            lambda n=name: peers.captions(n, said, meant),
            lambda k=keys: haa.caption_scores(said, meant, k),
            5000,
            target,
        )

    answers, truths = inputs.answers(200_000)
    yield (
        "VQA accuracy",
        lambda: peers.vqa(answers[:5000], truths[:5000]),
        lambda: haa.vqa_accuracy(answers[:5000], truths[:5000]),
        5000,
        100,
    )
    yield "VQA accuracy, 200,000", lambda: None, lambda: haa.vqa_accuracy(answers, truths), 200_000, 0


def serve(connection: Connection, words: list[str]) -> None:
    """The rows one by one, in a process of its own: a row's description, then seconds of the processor per call."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    for name, peer, own, samples, target in rows():
        if words and not any(word.lower() in name.lower() for word in words):
            continue
        connection.send((name, samples, target))
        while (side := connection.recv()) != "next row":
            start = time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                (peer if side == "peer" else own)()
            connection.send(time.process_time() - start)
    connection.send(None)


def measure(peer: Connection, own: Connection, rounds: int) -> tuple[float, float, float]:
    """Median seconds of the processor for either, and the median of the rounds' ratios."""
    times: list[tuple[float, float]] = []
    for r in range(rounds + 1):
        pair = []
        for side, connection in (("peer", peer), ("own", own)):
            connection.send(side)
            pair.append(connection.recv())
        if r:  # the first round warms up
            times.append((pair[0], pair[1]))
    return median(a for a, _ in times), median(b for _, b in times), median(a / b for a, b in times)


def main(words: list[str]) -> None:
    together = "--apart" not in words
    words = [word for word in words if not word.startswith("--")]
    spawn = multiprocessing.get_context("spawn")
    connections = []
    for _ in range(1 if together else 2):
        mine, theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(theirs, words), daemon=True).start()
        connections.append(mine)
    place = "one process" if together else "a process each"
    print(f"torch {torch.__version__}, numpy {np.__version__}, {platform.machine()}, {place}", end=", ")
    print(f"load {os.getloadavg()[0]:.1f}")
    print(f"{'':24}{'peer ms':>10}{'haa ms':>10}{'ratio':>8}{'to reach':>10}")
    while True:
        row, *_ = [connection.recv() for connection in connections]
        if row is None:
            break
        name, samples, target = row
        a, b, ratio = measure(connections[0], connections[-1], 3 if samples >= 5000 else ROUNDS)
        a, b = a / samples * 1e3, b / samples * 1e3
        if target:
            verdict = "" if ratio >= target else "  below"
            print(f"{name:24}{a:>10.4f}{b:>10.4f}{ratio:>8.1f}{target:>10.0f}{verdict}", flush=True)
        else:
            print(f"{name:24}{'':>10}{b:>10.4f}", flush=True)
        for connection in connections:
            connection.send("next row")


if __name__ == "__main__":
    main(sys.argv[1:])
