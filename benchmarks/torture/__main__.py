"""Command line of the suite: which parts, how much of each, and the figures at its end."""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from benchmarks.torture import command, crew
from benchmarks.torture.crew import Tally

PARTS = ("attacks", "kills", "disks", "evaluate", "inputs")
COUNTS = {"inputs": 1_000_000, "attacks": 260, "kills": 108, "disks": 60, "evaluate": 0}
"""How much of each part a full run does; 0 is all there is."""

SMALL = {
    "inputs": (600, ["png*", "jpeg", "tiff", "json", "table", "pickle", "archive*", "reader folder"]),
    "attacks": (12, ["config", "checkpoint", "archive"]),
    "kills": (2, ["index", "download"]),
}
"""What the tests do of it: how many cases, and which kinds."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run parts of the suite; return 1 where anything got through."""
    options = _parser().parse_args(argv)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"seed {seed}", highlight=False)
    command.warm()
    place = Path(tempfile.mkdtemp(prefix="haa-torture-", dir=options.place))
    through = 0
    try:
        parts = [options.part] if options.part else SMALL if options.small else PARTS
        for part in parts:
            (place / part).mkdir()
            began = time.monotonic()
            until = began + 60 * options.minutes if options.minutes else float("inf")
            count, kinds = SMALL[part] if options.small else (options.count or COUNTS[part], options.kind)
            if options.case is not None:
                return _one(part, seed, options.kind[0], options.case, place / part)
            # no thread, and no streams of its own: workers are forked while it is shown, and would wait for its locks
            with Progress(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as bar:
                task = bar.add_task(part, total=count or None)
                tick = partial(_advance, bar, task)
                tally = _run(part, seed, count, place / part, options.workers, kinds, until, tick)
            show(console, part, tally, time.monotonic() - began)
            through += tally.through
    finally:
        shutil.rmtree(place, ignore_errors=True)
    console.print(f"seed {seed}: " + (f"{through} got through" if through else "nothing got through"), highlight=False)
    return 1 if through else 0


def _advance(bar: Progress, task: TaskID, tally: Tally) -> None:
    completed = sum(counts.total() for counts in tally.counts.values())
    if completed - bar.tasks[0].completed >= (bar.tasks[0].total or 0) / 1000:  # a line is drawn in milliseconds
        bar.update(task, completed=completed, refresh=True)


def show(console: Console, part: str, tally: Tally, seconds: float) -> None:
    """Print how often each outcome was, by kind, and every fault once."""
    seen = [outcome for outcome in crew.OUTCOMES if any(counts[outcome] for counts in tally.counts.values())]
    seen = list(dict.fromkeys([*seen, *crew.FAULTS]))
    table = Table(title=f"{part}, {seconds:.0f} s", title_justify="left")
    table.add_column(part)
    for name in ("cases", *seen):
        table.add_column(name, justify="right")
    total = Tally()
    for kind, counts in sorted(tally.counts.items()):
        table.add_row(kind, *(f"{number:,}" for number in (sum(counts.values()), *(counts[name] for name in seen))))
        for name in seen:
            total.add("all", name, counts[name])
    table.add_section()
    every = total.counts.get("all", {})
    table.add_row("all", f"{sum(every.values()):,}", *(f"{every.get(name, 0):,}" for name in seen))
    console.print(table)
    for (kind, outcome, where), (number, case, text) in sorted(tally.faults.items()):
        line = f"{outcome}: {number} x {kind} (first: --kind '{kind}' --case {case}) {where}: {text}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _run(
    part: str,
    seed: int,
    count: int,
    place: Path,
    workers: int,
    kinds: list[str],
    until: float,
    tick: Callable[[Tally], None],
) -> Tally:
    module, tally = _module(part), Tally()
    with module.plan(seed, count, place, module.named(kinds)) as planned:
        chunks = crew.in_time(planned.chunks, until)
        crew.run(chunks, planned.prepare, place, workers, tally, lambda: tick(tally), limit_s=planned.limit_s)
    return tally


def _one(part: str, seed: int, kind: str, case: int, place: Path) -> int:
    return _module(part).repeat(seed, kind, case, place)


def _module(part: str) -> Any:
    return importlib.import_module(f"benchmarks.torture.{'equal' if part == 'evaluate' else part}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.torture",
        description="Puts faults into everything that haa reads, and kills into everything that it does. Prints what "
        "came of it; the exit status is 1 where anything got through. See docs/torture.md.",
    )
    parser.add_argument("part", nargs="?", choices=PARTS, help="one part; all where none is given")
    parser.add_argument("--seed", type=int, help="of every draw; a new one each time, which is printed")
    parser.add_argument("--count", type=int, help=f"number of cases; default: {COUNTS}")
    parser.add_argument("--minutes", type=float, help="begin no further cases after this time, in each part")
    parser.add_argument("--small", action="store_true", help="what the tests do of it, in seconds")
    parser.add_argument("--kind", nargs="+", default=[], help="kinds of cases; a * at the end stands for any rest")
    parser.add_argument("--case", type=int, help="this case of the seed and the kind alone, with what goes wrong")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes; default: one a core")
    parser.add_argument("--place", help="folder for what is written; default: memory (/dev/shm) where there is one")
    parser.set_defaults(place="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
