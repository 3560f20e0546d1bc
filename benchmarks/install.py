"""What an installation of haa weighs and how long it takes to load: haa-core against haa with all that it needs.

    python -m benchmarks.install [PYTHON_OF_HAA_CORE]

Sizes are those of the files in pip's records, of every distribution that is needed. Times are processor time of new
processes, the median of five, in turn. With the interpreter of an environment that has haa-core alone, its import is
timed there; else both are timed here, where torchmetrics also loads what it finds.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TORCH = ("torch", "triton", "nvidia-", "cuda-")
"""How the names of torch and its CUDA libraries begin."""


def needed(lines: list[str]) -> dict[str, metadata.Distribution]:
    """Return the distributions that requirements need, with what these need in turn."""
    found: dict[str, metadata.Distribution] = {}
    seen, left = set(), [Requirement(line) for line in lines]
    while left:
        asked = left.pop()
        name = asked.name.lower().replace("_", "-").replace(".", "-")
        if (name, *sorted(asked.extras)) in seen:
            continue
        seen.add((name, *sorted(asked.extras)))
        found[name] = metadata.distribution(asked.name)
        for each in map(Requirement, found[name].requires or ()):
            extras = ("", *asked.extras)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
                left.append(each)
    return found


def size(distribution: metadata.Distribution) -> int:
    """Return the bytes of a distribution's files."""
    paths = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    return sum(path.lstat().st_size for path in paths if path.exists())


def seconds(python: str, code: str) -> float:
    """Return the processor time of a new process that runs some code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(core_python: str = sys.executable) -> None:
    """Print sizes and times."""
    lines_of = {
        name: tomllib.loads((ROOT / file).read_text())["project"]["dependencies"]
        for name, file in (("haa-core", "core/pyproject.toml"), ("haa", "pyproject.toml"))
    }
    for name, lines in lines_of.items():
        sizes = {each: size(distribution) / 2**20 for each, distribution in needed(lines).items()}
        torch = {each for each in sizes if each.startswith(TORCH)} - {"torchmetrics", "torchvision"}
        own = sum(mib for each, mib in sizes.items() if each not in torch)
        print(
            f"{name}: {len(sizes)} packages, {own:.0f} MiB beside {sum(sizes.values()) - own:.0f} MiB of torch and CUDA"
        )
    jobs = {
        "haa-core: from haa.metrics import NSS": (core_python, "from haa.metrics import NSS"),
        "haa: from haa.metrics import NSS": (sys.executable, "from haa.metrics import NSS"),
        "haa: what haa train loads": (sys.executable, "import haa.metrics.sooner, haa.run.train"),
        "haa: import haa.cli.main": (sys.executable, "import haa.cli.main"),
    }
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(6):  # the first writes what is compiled, and is not counted
        for name, (python, code) in jobs.items():
            took = seconds(python, code)
            times[name] += [took] if turn else []
    for name, values in times.items():
        print(f"{name}: {statistics.median(values):.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
