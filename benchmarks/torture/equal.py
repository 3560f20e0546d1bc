"""`haa evaluate` gives what training's own test gave, per sample, whatever the batches, workers, threads, processes."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.torture import command, crew
from benchmarks.torture.crew import Chunk, Plan

TASKS = ("action", "captioning", "finegrained", "saliency", "sos", "vqa")
TOLERANCE = 1e-6
COUNTS, OF_COUNTS = re.compile("auc|spearman|^(f|e)_|^(dice|iou)$"), 100
"""Metrics that rank pixels, or count those above a threshold, may differ by so much more.

Other batches round the last digit otherwise, so that two pixels change places, or one the side of the threshold.
"""
LIMIT_S = 300.0

TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
VARIANTS: dict[str, tuple[list[str], dict[str, str]]] = {
    "as it was": ([], {}),
    "batches of one": (["loader.batch_size=1"], {}),
    "batches of three": (["loader.batch_size=3"], {}),
    "one batch": (["loader.batch_size=64"], {}),
    "two workers": (["loader.num_workers=2"], {}),
    "two threads": ([], {"OMP_NUM_THREADS": "2"}),
    "two processes": (TWO, {}),
    "two processes, batches of three": ([*TWO, "loader.batch_size=3"], {}),
}
"""Words and variables of the environment with which a checkpoint is evaluated."""


@contextmanager
def plan(seed: int, count: int, place: Path, kinds: Sequence[str]) -> Iterator[Plan]:
    """Plan to evaluate every task in every variant; ``count`` of each task, where it is given."""
    number = count or len(VARIANTS)
    jobs = [Chunk(task, 0, min(number, len(VARIANTS))) for task in kinds or TASKS]
    yield Plan(jobs, lambda task, folder: cases(seed, task, folder), LIMIT_S)


def named(words: Sequence[str]) -> list[str]:
    """Return the tasks that the words name."""
    return crew.chosen(words, TASKS)


def repeat(seed: int, kind: str, number: int, place: Path) -> int:
    """Compare one variant."""
    (place / "own").mkdir()
    outcome, where, text = cases(seed, kind, place / "own")(number)
    print(outcome, where, text)
    return int(outcome in crew.FAULTS)


def cases(seed: int, task: str, place: Path) -> crew.Case:
    """Train a little model of a task; return what evaluates its checkpoint in a variant."""
    sizes = ["data.train=24", "data.val=8", "data.test=11", "epochs=1", "loader.batch_size=8", f"seed={seed}"]
    words = [f"task={task}", *sizes, "trainer=cpu", "callbacks.progress=null", "callbacks.pictures=null"]
    words += [f"cache={place}/cache", f"hydra.run.dir={place}/run", "align_weight=0.5"]
    child = command.start(command.haa(["train", *words]), place / "train.out", place)
    if child.wait(LIMIT_S):
        raise RuntimeError(child.said()[-3000:])
    expected = results(place / "run")

    def run_case(number: int) -> tuple[str, str, str]:
        name = list(VARIANTS)[number]
        words, env = VARIANTS[name]
        folder = place / f"evaluation {number}"
        argv = ["evaluate", f"checkpoint={place}/run/checkpoints/best.ckpt", "trainer=cpu", *words]
        argv.append(f"hydra.run.dir='{folder}'")
        # the number of threads, and other processes, are a new process' matter
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **env}
        whole = [sys.executable, "-m", "haa", *argv]
        done = subprocess.run(whole, cwd=place, env=environment, capture_output=True, text=True)
        if done.returncode:
            return "raw", name, (done.stdout + done.stderr)[-400:]
        worst, where = difference(results(folder), expected)
        return ("same", "", "") if worst <= TOLERANCE else ("wrong", f"{name}: {where}", f"{worst:g}")

    return run_case


def results(folder: Path) -> dict[str, dict[str, float]]:
    """Return the metrics of a run, and the values of every sample."""
    import pyarrow.parquet as pq

    metrics = json.loads((folder / "metrics.json").read_text())["metrics"]
    table = pq.read_table(folder / "samples.parquet").to_pydict()
    columns = {name: values for name, values in table.items() if name not in ("id", "stimulus")}
    rows = {f"sample {id}": {name: columns[name][i] for name in columns} for i, id in enumerate(table["id"])}
    return {"metrics": {name: math.nan if value is None else value for name, value in metrics.items()}, **rows}


def difference(found: dict[str, dict[str, float]], expected: dict[str, dict[str, float]]) -> tuple[float, str]:
    """Return the largest difference of two results, relative above 1, and where it is; see `COUNTS`."""
    worst, where = 0.0, ""
    if list(found) != list(expected):
        return math.inf, "other samples"
    for row, values in expected.items():
        shared = {name for name in values if not name.startswith("loss")} if row == "metrics" else set(values)
        if missing := sorted(shared - set(found[row])):
            return math.inf, f"{row} has no {missing[0]}"
        for name in sorted(shared):
            one, other = found[row][name], values[name]
            if math.isnan(one) and math.isnan(other):
                continue
            apart = abs(one - other) / max(1.0, abs(other)) / (OF_COUNTS if COUNTS.search(name) else 1)
            if not apart <= worst:
                worst, where = apart if apart == apart else math.inf, f"{name} of {row}"
    return worst, where
