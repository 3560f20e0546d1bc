"""What a study of 20 runs costs, against its 20 runs started one by one.

    python -m benchmarks.study_cost [--alone N] [overrides ...]
    python -m benchmarks.study_cost --alone 3 task=saliency data=osie data.root=DIR backbone=efficientnet_lite0

With ``--alone N`` only N of them, spread over the study, are started one by one, and their sum is scaled to 20.
``parallel=2`` does the study's runs two at a time.

A study shares one process (imports once), what the data set has read, rendered and simulated, and what
`haa.memory.held` holds. Features of a frozen backbone, the index and the references of a data set are shared through
the disk by both; a short run makes them beforehand, at nobody's cost. Prints wall-clock and processor seconds, the most
memory of a process, and whether the results are the same to the last bit.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEPT = {"condition": ["human", "shuffled", "center"], "align_weight": ["0", "0.5"], "seed": ["0", "1", "2", "3", "4"]}
GIVEN = {"task": "vqa", "epochs": "1", "callbacks.pictures": "null", "callbacks.progress": "null"}
FIRST = [f"trainer.limit_{split}_batches=1" for split in ("train", "val", "test")]
_SUBREAPER = 36
"""Linux' number of the request to wait for what a child leaves behind, as a study does its server of processes."""


def main(more: list[str], number: int = 20) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    given = {**GIVEN, **dict(word.split("=", 1) for word in more)}
    parallel = f"parallel={given.pop('parallel', 1)}"
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        words = [f"{key}={value}" for key, value in {"cache": str(root / "cache"), **given}.items()]
        timed([*words, *FIRST, "epochs=1", f"hydra.run.dir={root / 'first'}"], root)
        sweep = [f"{key}={','.join(values)}" for key, values in SWEPT.items()]
        study = timed(["-m", *words, *sweep, parallel, f"hydra.sweep.dir={root / 'study'}"], root)
        print(f"study: {study[0]:.0f} s, {study[1]:.0f} s of processor, {study[2]:.0f} MB", flush=True)
        alone = [0.0, 0.0]
        runs = [dict(zip(SWEPT, values, strict=True)) for values in itertools.product(*SWEPT.values())]
        runs = [run for run in runs if run["align_weight"] != "0" or run["condition"] == "human"]
        for run in runs[:: len(runs) // number][:number]:
            chosen = [f"{key}={value}" for key, value in run.items()]
            name = ",".join(w for w in chosen if run["align_weight"] != "0" or not w.startswith("condition"))
            spent = timed([*words, *chosen, f"hydra.run.dir='{root / 'alone' / name}'"], root)
            print(f"{name}: {spent[0]:.0f} s, {spent[1]:.0f} s of processor", flush=True)
            alone = [a + b * len(runs) / number for a, b in zip(alone, spent, strict=False)]
        found, expected = results(root / "study"), results(root / "alone")
        same = all(found[name] == expected[name] for name in expected)
        assert len(found) == len(runs) == 20
        assert len(expected) == number
    print(f"{'':24}{'wall s':>10}{'cpu s':>10}")
    print(f"{number} runs one by one" + (", scaled to 20" if number < len(runs) else ""))
    print(f"{'20 runs one by one':24}{alone[0]:>10.0f}{alone[1]:>10.0f}")
    print(f"{'a study of 20 runs':24}{study[0]:>10.0f}{study[1]:>10.0f}")
    print(f"{'ratio':24}{alone[0] / study[0]:>10.1f}{alone[1] / study[1]:>10.1f}")
    print("metrics and values of samples of the runs of both: " + ("the same" if same else "DIFFERENT"))


def timed(words: list[str], cwd: Path) -> list[float]:
    """Wall-clock and processor seconds of one command, and the most memory (MB) that a process of any so far had."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "haa", "train", *words], capture_output=True, text=True, cwd=cwd, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    spent = time.perf_counter() - wall
    while _reaped():
        pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [spent, cpu, after.ru_maxrss / 1e3]


def _reaped() -> bool:
    """Wait for a process that a command has left; return whether there was one."""
    try:
        os.wait()
    except ChildProcessError:
        return False
    return True


def results(folder: Path) -> dict[str, object]:
    """Return what each run gave; the digests of its files are those of a config that names its folder."""
    found = {}
    for path in folder.glob("*/metrics.json"):
        content = {key: value for key, value in json.loads(path.read_text()).items() if key != "files"}
        found[path.parent.name] = content, path.with_name("samples.parquet").read_bytes()
    return found


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--alone"]:
        main(words[2:], int(words[1]))
    else:
        main(words)
