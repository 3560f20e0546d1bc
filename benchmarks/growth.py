"""How time and memory grow: with pictures, samples, points, runs and processes. Into docs/cost.md.

    python -m benchmarks.growth                       everything, about a quarter of an hour on one core
    python -m benchmarks.growth points                one axis; of pictures, samples, points, runs, processes
    python -m benchmarks.growth points --most 10000   no size beyond that

Each size is measured in a process of its own: processor time of the work alone, and by how much the work raises the
peak of memory. The exponent is the slope of the logarithms, between neighbours and over all sizes: 1 is linear. What a
command costs before it begins hides the growth of small sizes, so that the last slope says most.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.peak import forget_peak, peak

PAGE = Path(__file__).parent.parent / "docs" / "cost.md"
SIZES = {
    "pictures": (1_000, 10_000, 100_000),
    "samples": (1_000, 10_000, 100_000, 1_000_000),
    "points": (10, 100, 1_000, 10_000, 100_000),
    "runs": (10, 30, 100, 300, 1_000),
    "processes": (1, 2),
}
SAID = {
    "pictures": "Pictures of a data set: files in a folder, ten fixations each (`haa.data.index`).",
    "samples": "Samples of a data set, rows of its index, that are of the same 1,000 pictures; ten fixations each.",
    "points": "Fixations of one map of 480 x 640; the metric's update, and the density of the points.",
    "runs": "Runs that `haa report` reads, of 100 test samples each, with all its pages and figures.",
    "processes": "Processes (gloo) that share one evaluation of 192 maps of 480 x 640, and one training.",
}
LINEAR = 1.5
"""The last slope that still counts as linear: a sort adds a tenth, and leaving the processor's cache almost half."""

Found = dict[str, tuple[float, float]]
"""Seconds and megabytes by what was done."""


class Work:
    """Measures pieces of work one after the other: seconds of the processor a call, megabytes above what is held."""

    least = 0.2
    """Seconds for which a piece of work is done again and again."""

    def __init__(self) -> None:
        self.found: Found = {}

    def __call__(self, name: str, work: Callable[[], Any], once: bool = False) -> Any:
        forget_peak()
        held, before, calls = peak(), time.process_time(), 0
        while calls == 0 or (not once and time.process_time() - before < self.least and calls < 1000):
            out = work()
            calls += 1
        self.found[name] = ((time.process_time() - before) / calls, peak() - held)
        return out


def pictures(number: int) -> Found:
    return index(number, files=number)


def samples(number: int) -> Found:
    return index(number, files=1_000)


def index(number: int, files: int) -> Found:
    """Measure a data set of that many samples, of that many pictures."""
    import numpy as np

    from benchmarks.index import Samples
    from haa.data.care.near_identical import near_identical
    from haa.data.loading.order import TrainSampler
    from haa.data.splits import same_picture

    work = Work()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "data"
        root.mkdir()
        for n in range(min(files, number)):
            (root / f"{n:07d}.jpg").write_bytes(b"%d" % n)

        def opened() -> Samples:
            data = Samples(root, Path(place), 10, number)
            len(data)
            return data

        work("index built", opened, once=True)
        data = work("index opened", opened)
        chosen = np.random.default_rng(0).integers(0, number, 1000).tolist()
        work("1,000 records read", lambda: [data.record(place) for place in chosen])
        work("digests of ids, gaze and labels", lambda: data.identity(), once=True)
        work("order of an epoch", lambda: sum(1 for _ in TrainSampler(number)))
        names = [f"{n % files:07d}.jpg" for n in range(number)]
        work("pictures told apart", lambda: same_picture(names, names))
        if files >= number:
            looks = list(np.random.default_rng(0).integers(0, 256, (number, 16, 16), dtype=np.uint8))
            work("near-identical pictures sought", lambda: sum(1 for _ in near_identical(looks)))
    return work.found


def points(number: int) -> Found:
    import torch

    import haa.metrics as M
    from haa.gaze import Gaze, density

    torch.set_num_threads(1)
    work, size, draw = Work(), (480, 640), torch.Generator().manual_seed(0)
    scale = torch.tensor([639.0, 479.0])
    fixations = torch.rand(1, number, 2, generator=draw) * scale
    prediction = torch.rand(1, *size, generator=draw)
    work("density", lambda: density(fixations, size, 24.0))
    work("density of whole pixels", lambda: density(fixations.floor(), size, 24.0))
    work("density in 14 x 14 cells", lambda: density(fixations, size, 24.0, (14, 14)))
    others = [(str(n), Gaze(torch.rand(number, 2, generator=draw) * scale, size)) for n in range(2)]
    for metric in (M.NSS(), M.AUCJudd(), M.AUCUniform(), M.AUCBorji(), M.LogLikelihood(), M.AUCShuffled(others)):
        given = (prediction, fixations, ["0"]) if isinstance(metric, M.AUCShuffled) else (prediction, fixations)
        work(type(metric).__name__, lambda metric=metric, given=given: metric.update(*given))
    gain = M.InformationGain()
    work("InformationGain", lambda: gain.update(prediction, prediction, fixations))
    return work.found


def runs(number: int) -> Found:
    """Measured from outside, since `haa report` is a command; what writes the runs ends before."""
    with tempfile.TemporaryDirectory() as place:
        code = (
            "import pathlib, sys; import numpy as np; from tests.reporting.simulated import study_runs, write\n"
            "arms = {(0.5, 'human'): 0.1, (0.5, 'shuffled'): 0.0, (2.0, 'human'): 0.1, (2.0, 'shuffled'): 0.0}\n"
            f"write(study_runs(np.random.default_rng(0), arms, {number // 5}, 100), pathlib.Path(sys.argv[1]))"
        )
        subprocess.run([sys.executable, "-c", code, f"{place}/runs"], check=True)
        command = [sys.executable, "-m", "haa", "report", f"{place}/runs", f"output={place}/report"]
        return {"haa report": command_costs(command)}


def command_costs(command: list[str]) -> tuple[float, float]:
    """Return seconds of the processor and the peak of memory in megabytes of a command."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10


def processes(number: int) -> Found:
    """The slowest process counts; training is measured from outside, by the wall clock."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "benchmarks.growth", "share"]
        children = [
            subprocess.Popen([*command, str(rank), str(number), place], stdout=subprocess.PIPE, text=True)
            for rank in range(number)
        ]
        told = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
        found: Found = {"evaluation": (max(each["seconds"] for each in told), max(each["peak"] for each in told))}
        VALUES["evaluation"] = told[0]["values"]
        words = (
            "task=saliency data.train=256 data.val=16 data.test=64 epochs=3 optimizer=sgd lr=0.05 cache=null "
            "align_weight=0.5 callbacks.pictures=null loader.batch_size=32 "
            f"loader.num_workers=0 loader.batch_size_is=whole trainer=cpu trainer.devices={number} "
            f"trainer.strategy={'ddp' if number > 1 else 'auto'} hydra.run.dir={place}/run"
        )
        start = time.perf_counter()
        _, megabytes = command_costs([sys.executable, "-m", "haa", "train", *words.split()])
        found["haa train, by the clock"] = (time.perf_counter() - start, megabytes)
        VALUES["haa train, by the clock"] = json.loads((Path(place) / "run" / "metrics.json").read_text())["metrics"]
    return found


VALUES: dict[str, dict[str, float]] = {}
"""What was computed, where it has to be the same at every size."""


def share(rank: int, number: int, place: str) -> None:
    """Score one process' part of the maps, and print what all of them found."""
    import torch
    from torch import distributed

    from benchmarks import inputs
    from haa.metrics import saliency_metrics

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{place}/meet", rank=rank, world_size=number)
    maps = inputs.maps(16, 480, 640, 60)
    metrics = saliency_metrics()
    for _ in range(2):  # the first round warms up
        metrics.reset()
        distributed.barrier()
        forget_peak()
        held, start = peak(), time.process_time()
        for batch in range(rank, 12, number):
            prediction = maps.prediction.roll(40 * batch, 2)
            for name, metric in metrics.items(keep_base=True):
                metric.update(prediction, maps.fixations if name in ("nss", "auc_judd") else maps.density)
        values = metrics.compute()
        taken = time.process_time() - start
    found = {name: value.item() for name, value in values.items()}
    print(json.dumps({"seconds": taken, "peak": peak() - held, "values": found}))
    distributed.destroy_process_group()


AXES: dict[str, Callable[[int], Found]] = {
    "pictures": pictures,
    "samples": samples,
    "points": points,
    "runs": runs,
    "processes": processes,
}


def measured(axis: str, size: int) -> tuple[Found, dict[str, dict[str, float]]]:
    """Measure one size in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "one", axis, str(size)]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
    print(f"{axis}, {size:,}: measured", file=sys.stderr, flush=True)
    return {name: (seconds, megabytes) for name, (seconds, megabytes) in told["found"].items()}, told["values"]


def slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the least-squares slope of the logarithms.

    >>> round(slope([10, 100, 1000], [2, 200, 20000]), 6)
    2.0
    """
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def exponents(sizes: Sequence[int], values: Sequence[float], least: float) -> str:
    """Return the slopes between neighbours, and over all sizes; of values too small to tell, none."""
    known = [(size, value) for size, value in zip(sizes, values, strict=True) if value >= least]
    if len(known) < 2:
        return ""
    between = [slope(*zip(*pair, strict=True)) for pair in pairwise(known)]
    return f"{', '.join(f'{each:.2f}' for each in between)}; {slope(*zip(*known, strict=True)):.2f}"


def table(axis: str, sizes: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the table of an axis, and what grows faster than linear."""
    found, values = zip(*(measured(axis, size) for size in sizes), strict=True)
    lines = [f"| {axis} | {' | '.join(f'{size:,}' for size in sizes)} | exponents of time | of memory |"]
    lines.append("|" + " --- |" * (len(sizes) + 3))
    worse = []
    for name in dict.fromkeys(name for each in found for name in each):
        there = [(size, each[name]) for size, each in zip(sizes, found, strict=True) if name in each]
        cells = [f"{quantity(each[name][0])}, {each[name][1]:.0f} MB" if name in each else "" for each in found]
        known, costs = zip(*there, strict=True)
        seconds, megabytes = zip(*costs, strict=True)
        lines.append(
            f"| {name} | {' | '.join(cells)} | {exponents(known, seconds, 1e-4)} | {exponents(known, megabytes, 5)} |"
        )
        if len(known) > 1 and seconds[-1] > 0.05 and slope(known[-2:], seconds[-2:]) > LINEAR:
            worse.append(f"{name}: exponent {slope(known[-2:], seconds[-2:]):.2f} between the last two sizes")
    for name, first in values[0].items():
        last = values[-1][name]
        apart = max(abs(last[key] - first[key]) / max(abs(first[key]), 1e-9) for key in first if first[key] is not None)
        lines += ["", f"{name}: values differ by {apart:.0e} at most, relative to their size."]
        print(lines[-1])
    return lines, worse


def quantity(seconds: float) -> str:
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.0995 else f"{seconds:.2g} s" if seconds < 99 else f"{seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("axes", nargs="*", metavar="axis", help=f"of {', '.join(SIZES)}; all where none is named")
    parser.add_argument("--most", type=int, help="largest size; then docs/cost.md is left as it is")
    given = parser.parse_args()
    unknown = set(given.axes) - set(SIZES)
    if unknown:
        parser.error(f"no axis is called {', '.join(sorted(unknown))}: choose of {', '.join(SIZES)}")
    faster = []
    for axis in given.axes or SIZES:
        sizes = [size for size in SIZES[axis] if given.most is None or size <= given.most]
        if len(sizes) < 2:
            parser.error(f"--most={given.most} leaves fewer than two sizes of {axis}, {SIZES[axis]}")
        lines, worse = table(axis, sizes)
        print("\n".join(lines), flush=True)
        faster += worse
        if given.most is None:
            mark, end = f"<!-- growth: {axis} -->", "<!-- end of growth -->"
            above, rest = PAGE.read_text().split(mark)
            PAGE.write_text("\n".join([f"{above}{mark}", SAID[axis], "", *lines, end]) + rest.split(end, 1)[1])
    for each in faster:
        print(f"faster than linear: {each}", file=sys.stderr)
    sys.exit(1 if faster else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:  # a size, measured in this process
        costs = AXES[sys.argv[2]](int(sys.argv[3]))
        print(json.dumps({"found": costs, "values": VALUES}))
    elif sys.argv[1:2] == ["share"]:  # a process of several
        share(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main()
