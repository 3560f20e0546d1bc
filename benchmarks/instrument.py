"""The instrument against truth, on real runs: ``world=relevant`` has to come out as helps, ``irrelevant`` has not.

    python -m benchmarks.instrument OUT --repetitions 5 --seeds 8 --minutes 9

Every repetition is a study of its own: fresh data, fresh seeds; baseline, human and shuffled gaze. What is done is kept
in OUT and not done again, so that a long measurement can be made in pieces. ``--pilot`` runs seeds that no repetition
uses, to plan their number with ``haa study-plan OUT/relevant/pilot``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

WORLDS = ("relevant", "irrelevant")
Job = tuple[Path, list[str]]


def jobs(out: Path, repetitions: list[int], seeds: int, weight: float, extra: list[str]) -> Iterator[Job]:
    """Folder and overrides of every run; repetition -1 is the pilot."""
    for repetition in repetitions:
        name = "pilot" if repetition < 0 else str(repetition)
        for k in range(seeds):
            seed = 1000 * (repetition + 1) + k
            for world in WORLDS:
                for condition, given in (("baseline", 0.0), ("human", weight), ("shuffled", weight)):
                    folder = out / world / name / f"{condition}_{seed}"
                    own = ["human" if condition == "baseline" else condition, str(given), world]
                    words = [f"condition={own[0]}", f"align_weight={own[1]}", f"data.world={own[2]}", f"seed={seed}"]
                    words += ["task=vqa", f"data.seed={repetition + 1}", "callbacks.pictures=null"]
                    yield folder, [*words, f"hydra.run.dir={folder}", f"cache={out / 'cache'}", *extra]


def run(job: Job, deadline: float) -> float | None:
    """Train one model, unless it is done or the time is up; the seconds that it took."""
    folder, overrides = job
    if (folder / "metrics.json").is_file() or time.time() > deadline:
        return None
    start = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    from haa.cli import main as cli

    sys.argv = ["haa"]
    with (folder / "log.txt").open("w") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        cli.main(["train", *overrides])
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--weight", type=float, default=1.0)
    parser.add_argument("--pilot", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e9, help="start no run after so long")
    parser.add_argument("extra", nargs="*", help="overrides of every run, e.g. epochs=15")
    given = parser.parse_intermixed_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    repetitions = [-1] if given.pilot else list(range(given.repetitions))
    todo = list(jobs(given.out.resolve(), repetitions, given.seeds, given.weight, given.extra))
    deadline = time.time() + 60 * given.minutes
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        taken = [seconds for seconds in pool.map(run, todo, [deadline] * len(todo)) if seconds is not None]
    if taken:
        print(f"{len(taken)} runs, {sum(taken) / len(taken):.1f} s each")
    left = sum(not (folder / "metrics.json").is_file() for folder, _ in todo)
    if left:
        print(f"{left} of {len(todo)} runs are left: give the same command again")
        return
    answer(given.out, repetitions)


def answer(out: Path, repetitions: list[int]) -> None:
    """Every repetition's verdict, with the comparisons that it rests on."""
    from haa.reporting.arms import studies
    from haa.reporting.collect import collect
    from haa.reporting.verdict import claims

    words: dict[str, Counter[str]] = {world: Counter() for world in WORLDS}
    for world in WORLDS:
        for repetition in repetitions:
            name = "pilot" if repetition < 0 else str(repetition)
            (study,) = studies(collect([out / world / name]))
            claim = claims(study)[0]
            words[world][claim.word] += 1
            told = [c for c in (claim.baseline, *claim.controls) if c is not None]
            shown = "; ".join(
                f"to {c.other.condition} {c.difference.mean:+.3f} ({c.difference.low:+.3f} to {c.difference.high:+.3f})"
                if c.difference.low is not None and c.difference.high is not None
                else f"to {c.other.condition} {c.difference.mean:+.3f}"
                for c in told
            )
            print(f"{world:10} {name:>5}  {claim.word:36} {shown}")
    for world, counts in words.items():
        print(f"{world}: {dict(counts)}")


if __name__ == "__main__":
    main()
