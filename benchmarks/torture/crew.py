"""Forked workers, each of which may die, hang or fill the memory: the parent notices on which case, and goes on."""

from __future__ import annotations

import ctypes
import fnmatch
import itertools
import json
import mmap
import os
import resource
import shutil
import signal
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haa.errors import InputError, suggest

GOOD = ("refused", "same", "changed")
FAULTS = ("wrong", "raw", "executed", "memory", "hang", "death")
OUTCOMES = (*GOOD, *FAULTS)
LIMIT_S = 10.0
LIMIT_BYTES = 2 << 30
RENEW_BYTES = 300 << 20
"""A worker that has grown by this much is ended, so that the next case is measured from a low peak."""

ERROR, RENEWED = 77, 78
"""Exit statuses of a worker in which the suite itself fails, and of one that has grown."""

_BLOCK = struct.Struct(f"qddq{len(OUTCOMES)}q")
"""The case, since when (the clock and the processor's time), the next case, and how often each outcome was."""


@dataclass(frozen=True)
class Chunk:
    """Cases ``start`` to ``stop`` of a kind."""

    kind: str
    start: int
    stop: int


@dataclass(frozen=True)
class Plan:
    """What a part does: its cases in chunks, what runs them, and how long one may take.

    Args:
        chunks: What is to be done.
        prepare: Makes in a worker, from a kind and an empty folder, what runs its cases.
        limit_s: Seconds after which a case hangs.
    """

    chunks: Iterable[Chunk]
    prepare: Callable[[str, Path], Case]
    limit_s: float = LIMIT_S


@dataclass
class Tally:
    """What came out, by kind, and every fault by where it was raised."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    faults: dict[tuple[str, str, str], list[Any]] = field(default_factory=dict)
    """By kind, outcome and place: how often, the first case, what was said."""

    def add(self, kind: str, outcome: str, number: int = 1) -> None:
        self.counts.setdefault(kind, Counter())[outcome] += number

    def fault(self, kind: str, outcome: str, where: str, case: int, text: str) -> None:
        known = self.faults.setdefault((kind, outcome, where), [0, case, text])
        known[0] += 1

    @property
    def through(self) -> int:
        return sum(counts[outcome] for counts in self.counts.values() for outcome in FAULTS)


Case = Callable[[int], tuple[str, str, str]]
"""From a number to its outcome, where a fault was raised, and what was said."""


@dataclass
class _Worker:
    pid: int
    chunk: Chunk
    block: mmap.mmap
    notes: Path
    counted: Counter[str] = field(default_factory=Counter)

    def state(self) -> tuple[int, int, dict[str, int]]:
        case, _, _, following, *counts = _BLOCK.unpack(self.block[: _BLOCK.size])
        return case, following, dict(zip(OUTCOMES, counts, strict=True))

    def hangs(self, limit_s: float) -> bool:
        """Return whether the case has worked for too long; on a busy machine, waiting is not working."""
        _, since, worked, *_ = _BLOCK.unpack(self.block[: _BLOCK.size])
        waited = time.monotonic() - since
        if not since or waited < limit_s:
            return False
        ticks = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return waited > 6 * limit_s or sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") - worked > limit_s


def run(
    chunks: Iterator[Chunk],
    prepare: Callable[[str, Path], Case],
    place: Path,
    workers: int,
    tally: Tally,
    tick: Callable[[], None] = lambda: None,
    limit_s: float = LIMIT_S,
) -> None:
    """Work through the chunks, in ``workers`` processes.

    Args:
        chunks: What is to be done; taken as workers become free.
        prepare: Makes in a worker, from a kind and an empty folder, what runs its cases.
        place: Folder for the workers' own folders.
        workers: How many at a time.
        tally: What came out is added here.
        tick: Called now and then.
        limit_s: Seconds after which a case hangs.
    """
    crew: list[_Worker] = []
    serial = 0
    again: list[Chunk] = []
    while True:
        while len(crew) < workers and (chunk := again.pop() if again else next(chunks, None)) is not None:
            serial += 1
            crew.append(_start(chunk, prepare, place / f"w{serial}"))
        if not crew:
            return
        time.sleep(0.02)
        tick()
        for worker in list(crew):
            ended, status = os.waitpid(worker.pid, os.WNOHANG)
            case, following, counts = worker.state()
            hung = not ended and worker.hangs(limit_s)
            if hung:
                os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
            for outcome, number in counts.items():
                if more := number - worker.counted[outcome]:
                    tally.add(worker.chunk.kind, outcome, more)
                    worker.counted[outcome] = number
            if not (ended or hung):
                continue
            crew.remove(worker)
            rest = Chunk(worker.chunk.kind, following, worker.chunk.stop)
            if ended and os.WIFEXITED(status) and os.WEXITSTATUS(status) == ERROR:
                log = (worker.notes.parent / "log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{worker.chunk.kind}, case {case}:\n{log}")
            if hung or os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) not in (0, RENEWED):
                outcome = "hang" if hung else "death"
                how = f"more than {limit_s:.0f} s" if hung else f"status {os.waitstatus_to_exitcode(status)}"
                tally.add(worker.chunk.kind, outcome)
                tally.fault(worker.chunk.kind, outcome, how, case, how)
                rest = Chunk(worker.chunk.kind, case + 1, worker.chunk.stop)
            for line in worker.notes.read_text().splitlines() if worker.notes.exists() else ():
                tally.fault(worker.chunk.kind, *json.loads(line))
            shutil.rmtree(worker.notes.parent, ignore_errors=True)
            if rest.start < rest.stop:
                again.append(rest)


def in_time(chunks: Iterable[Chunk], until: float) -> Iterator[Chunk]:
    """Yield the chunks until a moment of `time.monotonic`."""
    return itertools.takewhile(lambda _: time.monotonic() < until, chunks)


def chosen(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the names that the words name; a ``*`` at the end of a word stands for any rest.

    Raises:
        InputError: If a word names nothing.
    """
    found = [name for name in names if any(fnmatch.fnmatchcase(name, word) for word in words)]
    unknown = [word for word in words if not any(fnmatch.fnmatchcase(name, word) for name in names)]
    if unknown:
        raise InputError(f"there is no kind {unknown[0]}: {suggest(unknown[0], names)}")
    return found


def attempt(work: Callable[[], str]) -> tuple[str, str, str]:
    """Return the outcome of a piece of work, where a fault was raised, and what was said.

    ``work`` returns the outcome itself where it accepts what it was given.
    """
    try:
        return work(), "", ""
    except BaseException as error:
        if _out_of_memory(error):
            return "memory", place_of(error), _said(error)
        if isinstance(error, InputError):
            lines = str(error).count("\n")
            return ("raw", "more than one line: " + place_of(error), str(error)[:300]) if lines else ("refused", "", "")
        if isinstance(error, SystemExit) and isinstance(error.code, str) and "\n" not in error.code:
            return "refused", "", ""
        return "raw", f"{type(error).__name__} {place_of(error)}", _said(error)


def place_of(error: BaseException) -> str:
    """Return the last place in haa through which an exception came, as file:line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/haa/" in frame.filename] or frames
    return f"{own[-1].filename.split('/src/')[-1]}:{own[-1].lineno}" if own else "?"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:250]}"


def _out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        # one with a number is FFmpeg's, which refuses itself more than 2 GiB at once, and takes none
        if (isinstance(error, MemoryError) and not hasattr(error, "errno")) or "can't allocate memory" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _start(chunk: Chunk, prepare: Callable[[str, Path], Case], folder: Path) -> _Worker:
    block = mmap.mmap(-1, _BLOCK.size)
    block[: _BLOCK.size] = _BLOCK.pack(-1, 0.0, 0.0, chunk.start, *[0] * len(OUTCOMES))
    folder.mkdir()
    notes = folder / "faults"
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        status = ERROR
        try:
            status = _work(chunk, prepare, folder, notes, block)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    return _Worker(pid, chunk, block, notes)


def _work(chunk: Chunk, prepare: Callable[[str, Path], Case], folder: Path, notes: Path, block: mmap.mmap) -> int:
    die_with_parent()
    log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    (folder / "own").mkdir()
    run_case = prepare(chunk.kind, folder / "own")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (size + LIMIT_BYTES + (2 << 30),) * 2)
    first = peak()
    counts = [0] * len(OUTCOMES)
    for number in range(chunk.start, chunk.stop):
        block[: _BLOCK.size] = _BLOCK.pack(number, time.monotonic(), time.process_time(), number, *counts)
        before = peak()
        outcome, where, text = run_case(number)
        grown = peak() - before
        if grown > LIMIT_BYTES:
            outcome, where, text = "memory", f"{grown >> 20} MB", f"{grown >> 20} MB more; {outcome} {text}"
        counts[OUTCOMES.index(outcome)] += 1
        if outcome in FAULTS:
            with notes.open("a") as file:
                file.write(json.dumps([outcome, where, number, text]) + "\n")
        if number % 64 == 0:
            os.truncate(log, 0)
        if peak() - first > RENEW_BYTES:
            block[: _BLOCK.size] = _BLOCK.pack(number, 0.0, 0.0, number + 1, *counts)
            return RENEWED
    block[: _BLOCK.size] = _BLOCK.pack(chunk.stop, 0.0, 0.0, chunk.stop, *counts)
    return 0


def die_with_parent() -> None:
    """Let this process be killed when its parent ends, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
