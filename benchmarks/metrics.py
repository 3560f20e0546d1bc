"""How fast haa's metrics are: before and now, beside their peers and what bounds them, in one table.

Run in the environment of benchmarks/requirements.txt:

    python -m benchmarks.metrics                     everything
    python -m benchmarks.metrics AUC CIDEr           the rows whose name holds one of these words
    python -m benchmarks.metrics --before ~/old/src  also haa as it is in the src folder of another checkout

One thread: medians of rounds in which all sides take turns, in milliseconds of processor time per image (caption set,
question). Each haa has a process of its own, peers and floors have another.

A floor is what any implementation has to do, measured beside it: mostly one read of each map.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median

ROUNDS = 5
LEAST = 2e-2
"""Seconds that a measurement takes at least: quick calls are repeated."""

Call = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """A line of the table: haa's call, the peer's, the floor's and its name, samples per call."""

    name: str
    own: Call
    peer: Call | None
    floor: Call | None
    bound: str
    samples: int


def rows(alone: bool) -> Iterator[Row]:
    """Every line of the table; haa alone, without peers and floors, where another process has these."""
    # here and not above: a process first says which haa it imports
    import numpy as np
    import torch

    from benchmarks import inputs
    from haa import gaze
    from haa import metrics as classes
    from haa.metrics import functional as haa

    if not alone:
        from benchmarks import peers

    def row(name: str, own: Call, peer: Call | None, floor: Call | None, bound: str, samples: int) -> Row:
        return Row(name, own, None if alone else peer, None if alone else floor, bound, samples)

    ones = np.ones(640, dtype=np.float32)

    def read(*maps: torch.Tensor) -> None:
        for batch in maps:
            for image in batch.numpy():
                np.matmul(image, ones)

    def of_maps(n: int) -> Iterator[Row]:
        maps = inputs.maps(n, 480, 640, 60)
        p, d, b, f = maps.prediction, maps.density, maps.baseline, maps.fixations
        x = maps.in_numpy()
        where = f"{n} images" if n > 1 else "one"
        yield from (
            row(
                f"{name}, {where}",
                own,
                peer,
                lambda m=read_maps: read(*m),
                "map read" if len(read_maps) == 1 else "maps read",
                n,
            )
            for name, own, peer, read_maps in (
                ("AUC-Judd", lambda: haa.auc_judd(p, f), lambda: peers.auc_judd(x), (p,)),
                ("AUC-uniform", lambda: haa.auc_uniform(p, f), lambda: peers.auc_uniform(x), (p,)),
                ("NSS", lambda: haa.nss(p, f), lambda: peers.nss(x), (p,)),
                ("CC", lambda: haa.cc(p, d), lambda: peers.cc(x), (p, d)),
                ("SIM", lambda: haa.similarity(p, d), lambda: peers.similarity(x), (p, d)),
                ("KL", lambda: haa.kl_divergence(p, d), lambda: peers.kl_divergence(x), (p, d)),
                ("IG", lambda: haa.information_gain(p, b, f), lambda: peers.information_gain(x), (p, b)),
            )
        )
        rows_, columns = torch.rand(n, 60, 480), torch.rand(n, 60, 640)
        yield row(
            f"density, 60 points, {where}",
            lambda: gaze.density(f, (480, 640), 24.0),
            lambda: peers.density(x, 24.0),
            lambda: torch.bmm(rows_.mT, columns),
            "matrix product",
            n,
        )

    yield from of_maps(20)
    yield from of_maps(1)
    large, small = inputs.maps(1, 480, 640, 60), inputs.maps(1, 224, 224, 60)
    x, y = large.in_numpy(), small.in_numpy()
    p, f = large.prediction, large.fixations
    s, t = small.prediction, small.fixations
    metric = classes.NSS()
    yield row("NSS().update, one", lambda: metric.update(p, f), lambda: peers.nss(x), lambda: read(p), "map read", 1)
    for name, own, peer in (("NSS", haa.nss, "nss"), ("AUC-Judd", haa.auc_judd, "auc_judd")):
        yield row(
            f"{name}, one of 224",
            lambda own=own: own(s, t),
            lambda peer=peer: getattr(peers, peer)(y),
            lambda: s.sum(),
            "map read",
            1,
        )

    mouse = torch.rand(4, 7000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([639, 479])
    traces = [(*x[0][:3], points.long().numpy()) for points in mouse]
    for where, points in (("on pixels", mouse.floor()), ("between", mouse)):
        yield row(
            f"density, 7,000 {where}",
            lambda points=points: gaze.density(points, (480, 640), 24.0),
            lambda: peers.density(traces, 24.0),
            lambda: torch.full((4, 480, 640), 1.0),
            "map written",
            4,
        )

    prediction, mask = inputs.objects(20, 352, 352)
    real = prediction.float() / 255
    pairs = list(zip(prediction.numpy(), mask.numpy(), strict=True))

    def distances() -> None:
        import mahotas

        for _, truth in pairs:
            mahotas.distance(truth == 0)

    for kind, given, peer in (
        ("salient objects, uint8", prediction, lambda: peers.salient_objects(pairs)),
        ("salient objects, float", real, None),
    ):
        yield row(kind, lambda g=given: haa.salient_objects(g, mask), peer, distances, "distances", len(pairs))

    said, meant = inputs.captions(5000, 5)
    for score, keys in (("CIDEr", ["cider"]), ("BLEU", [f"bleu{n}" for n in range(1, 5)]), ("ROUGE-L", ["rouge_l"])):
        yield row(
            score,
            lambda k=keys: haa.caption_scores(said, meant, k),
            lambda n=score: peers.captions(n, said, meant),
            lambda: [caption.split() for each in (said, *meant) for caption in each],
            "words split",
            5000,
        )

    answers, truths = inputs.answers(5000)
    yield row(
        "VQA accuracy", lambda: haa.vqa_accuracy(answers, truths), lambda: peers.vqa(answers, truths), None, "", 5000
    )


def serve(connection: Connection, source: str | None, alone: bool, words: list[str]) -> None:
    """The rows one by one, in a process of its own: a row's description, then the seconds of each call asked for."""
    warnings.simplefilter("ignore")
    if source:
        sys.path.insert(0, source)
    import numpy as np
    import torch

    torch.set_num_threads(1)
    np.seterr(all="ignore")
    np.ones(31 << 20, dtype=np.uint8)  # once an array of this size is freed, the process keeps pages for the next ones
    for row in rows(alone):
        if words and not any(word.lower() in row.name.lower() for word in words):
            continue
        calls = {"own": row.own, "peer": row.peer, "floor": row.floor}
        times: dict[str, int] = {}
        connection.send((row.name, row.bound, [side for side, call in calls.items() if call]))
        while (side := connection.recv()) != "next row":
            with contextlib.redirect_stdout(io.StringIO()):
                if side not in times:  # warm up
                    calls[side]()
                    start = time.perf_counter()
                    calls[side]()
                    times[side] = max(1, int(LEAST / (time.perf_counter() - start)))
                start = time.process_time()
                for _ in range(times[side]):
                    calls[side]()
                connection.send((time.process_time() - start) / times[side] / row.samples)
    connection.send(None)


def start(words: list[str], source: str | None = None, alone: bool = True) -> Connection:
    """A process that serves the rows."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    spawn.Process(target=serve, args=(theirs, source, alone, words), daemon=True).start()
    return mine


def measure(sides: dict[str, tuple[Connection, str]]) -> list[dict[str, float]]:
    """Milliseconds per sample of each side, of every round; the sides take turns."""
    found = []
    for _ in range(ROUNDS):
        times = {}
        for name, (connection, side) in sides.items():
            connection.send(side)
            times[name] = connection.recv() * 1e3
        found.append(times)
    return found


def tell(found: list[dict[str, float]], names: list[str], ratios: list[tuple[str, str]]) -> str:
    """The medians, and the medians of the rounds' ratios."""
    line = "".join(f"{median(r[n] for r in found):>10.4f}" if n in found[0] else f"{'':10}" for n in names)
    return line + "".join(
        f"{median(r[a] / r[b] for r in found):>12.1f}" if {a, b} <= found[0].keys() else f"{'':12}" for a, b in ratios
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--before", metavar="SRC", help="src folder of another checkout")
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    now, others = start(given.words), start(given.words, alone=False)
    before = start(given.words, given.before) if given.before else None
    print(
        f"{platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}; ms per sample, one thread, processor time"
    )
    names, ratios = ["before", "now", "peer", "floor"], [("before", "now"), ("peer", "now"), ("now", "floor")]
    print(f"{'':28}" + "".join(f"{name:>10}" for name in names) + "".join(f"{f'{a}/{b}':>12}" for a, b in ratios))
    while (described := others.recv()) is not None:
        name, bound, own_sides = described
        now.recv()
        sides = {"now": (now, "own")} | {side: (others, side) for side in own_sides if side != "own"}
        if before:
            before.recv()
            sides = {"before": (before, "own")} | sides
        print(f"{name:28}{tell(measure(sides), names, ratios)}  {bound}", flush=True)
        for connection in filter(None, (now, before, others)):
            connection.send("next row")


if __name__ == "__main__":
    main()
