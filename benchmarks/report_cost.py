"""What `haa report` costs over many runs: time and memory of the command, for 500 runs of 1,000 test samples.

    python -m benchmarks.report_cost [--runs 500] [--samples 1000]

The runs are simulated (tests/reporting/simulated.py), ten conditions with equally many seeds, and lie on disk as
`haa train` would have written them.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tests.reporting.simulated import study_runs, write

ARMS = {(w, c): 0.1 * (c == "human") for w in (0.1, 0.5, 2.0) for c in ("human", "shuffled", "center")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--samples", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        seeds = given.runs // (len(ARMS) + 1)
        runs = study_runs(np.random.default_rng(0), ARMS, seeds, given.samples)
        folder = write(runs, Path(place) / "runs")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{len(runs)} runs of {given.samples} samples, {size / 1e6:.0f} MB on disk")
        start = time.perf_counter()
        command = [sys.executable, "-m", "haa", "report", str(folder), f"output={place}/report"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{time.perf_counter() - start:.1f} s, of which {used.ru_utime + used.ru_stime:.1f} s of one processor; "
            f"{used.ru_maxrss / 1024:.0f} MB at most; "
            f"page of {(Path(place) / 'report' / 'index.html').stat().st_size / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
