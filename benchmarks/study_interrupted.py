"""Whether a study gives the same results killed with SIGKILL three times, on joblib and on Ray, as undisturbed.

    python -m benchmarks.study_interrupted [overrides ...]

Kills at random moments (the seed is printed) before the study is over, gives the same command again, and compares
``metrics.json`` and the values per sample of all runs, and ``summary.csv`` of the report, to the last bit. The gaze is
simulated.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

WORDS = ["-m", "task=vqa", "trainer=cpu", "epochs=6", "data.train=200", "data.val=50", "data.test=50"]
WORDS += ["loader.batch_size=16", "model.dropout=0.2", "condition=human,shuffled", "align_weight=0,0.5", "seed=0,1"]
LAUNCHERS = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "ray": ["hydra/launcher=ray_local", "+hydra.launcher.ray.init.num_cpus=2"],
}


def main(more: list[str], seed: int) -> None:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        began = time.perf_counter()
        finish(start(root, "study=undisturbed", *more))
        duration = time.perf_counter() - began
        expected = results(root / "studies/undisturbed")
        table = summary(root / "studies/undisturbed")
        print(f"undisturbed: {len(expected)} runs in {duration:.0f} s", flush=True)
        for number in range(3):
            process = start(root, "study=disturbed", *more)
            # of what is left to do
            done = len(results(root / "studies/disturbed")) / len(expected)
            moment = draw.uniform(0.1, 0.9) * duration * (1 - done)
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            over = len(results(root / "studies/disturbed"))
            assert over < len(expected), "it was over before it was killed"
            print(f"kill {number + 1}: after {moment:.1f} s, {over} runs were finished", flush=True)
        finish(start(root, "study=disturbed", *more))
        compare("killed three times", results(root / "studies/disturbed"), expected)
        compare("killed three times, summary.csv", summary(root / "studies/disturbed"), table)
        for name, words in LAUNCHERS.items():
            finish(start(root, f"study={name}", *words, *more))
            compare(f"launcher {name}, two workers", results(root / f"studies/{name}"), expected)
            compare(f"launcher {name}, two workers, summary.csv", summary(root / f"studies/{name}"), table)


def start(root: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "haa", "train", *WORDS, *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=root, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate()
    assert process.returncode == 0, out + err


def results(folder: Path) -> dict[str, tuple[str, object]]:
    """metrics.json, byte for byte, and the values per sample of every finished run."""
    return {
        path.parent.name: (path.read_text(), pq.read_table(path.parent / "samples.parquet"))
        for path in folder.glob("*/metrics.json")
    }


def summary(folder: Path) -> str:
    """The report's table of a study, as it is written."""
    command = [sys.executable, "-m", "haa", "report", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "report" / "summary.csv").read_text()


def compare(name: str, found: object, expected: object) -> None:
    assert expected
    print(f"{name}: " + ("the same" if found == expected else "DIFFERENT"), flush=True)
    assert found == expected


if __name__ == "__main__":
    chosen = int(time.time())
    print(f"seed {chosen}")
    main(sys.argv[1:], chosen)
