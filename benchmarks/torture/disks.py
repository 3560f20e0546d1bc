"""Full disks, read-only ones, files in the way, limits of size: one line, and once there is room all goes on as before.

A disk is a file system in memory of its own size, which takes the rights of root; without them, a limit of a file's
size stands for it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from benchmarks.torture import command, crew, kills, server, stores
from benchmarks.torture.crew import Chunk, Plan
from benchmarks.torture.inputs import same

NEW_MOUNTS = 0x00020000
PRIVATE = 1 << 18 | 1 << 14

OWN = {
    "train": "run",
    "study": "study",
    "predict": "maps",
    "index": "index",
    "features": "features",
    "download": "root",
}
"""Folder that each kind of work makes."""


@contextmanager
def plan(seed: int, count: int, place: Path, kinds: Sequence[str]) -> Iterator[Plan]:
    """Plan to take the disk away ``count`` times, by each fault in turn; see `benchmarks.torture.inputs.plan`."""
    names = list(kinds) or list(kills.WORK)
    made = stores.materials(place, ["study/one"] if "predict" in names else [])
    with server.serving(made / "address"):
        for name in names:
            kills.undisturbed(name, place, made)
        each = max(1, round(count / len(names)))
        jobs = [Chunk(name, start, min(start + 2, each)) for start in range(0, each, 2) for name in names]
        yield Plan(jobs, lambda kind, folder: cases(seed, kind, folder, made), kills.LIMIT_S)


def named(words: Sequence[str]) -> list[str]:
    """Return the kinds of work that the words name."""
    return crew.chosen(words, list(kills.WORK))


def repeat(seed: int, kind: str, number: int, place: Path) -> int:
    """Take the disk away once, and show what is said."""
    made = stores.materials(place, ["study/one"] if kind == "predict" else [])
    with server.serving(made / "address"):
        kills.undisturbed(kind, place, made)
        (place / "own").mkdir()
        outcome, where, text = cases(seed, kind, place / "own", made, show=True)(number)
    print(outcome, where, text)
    return int(outcome in crew.FAULTS)


def cases(seed: int, name: str, place: Path, made: Path, show: bool = False) -> crew.Case:
    """Return what takes the disk away once from a kind of work."""
    work = kills.WORK[name]
    own = _own_mounts()
    faults = ["full", "read only", "in the way", "limit", "full", "no room for temporary files"]
    faults = faults if own else ["limit", "in the way"]
    expected = kills.expected(name, made)

    def run_case(number: int) -> tuple[str, str, str]:
        draw = Random(f"{seed} disk {name} {number}")
        fault = faults[number % len(faults)]
        disk, temporary = place / "disk", place / "temporary"
        env, limit = {}, 0
        with _Disk(disk, own), _Disk(temporary, own) as tmp:
            if fault == "full":
                _mount(disk, f"remount,size={draw.randrange(4096, expected.size)}")
            elif fault == "read only":
                _mount(disk, "remount,ro")
            elif fault == "in the way":
                (disk / OWN[name]).write_text("")
            elif fault == "limit":
                limit = draw.randrange(100, expected.largest)
            else:
                _mount(tmp, "remount,size=4096")
                (tmp / "full").write_bytes(bytes(4096))
                env["TMPDIR"] = str(tmp)
            child = command.start(_limited(work.begin, disk, made, limit), place / "out", place, env)
            status = child.wait(kills.LIMIT_S / 2)
            said = child.said()
            if show:
                print(fault, f"status {status}", said[-3000:], sep="\n")
            if status < 0:
                return "death", f"{fault}: signal {-status}", said[-300:]
            if "Traceback (most recent call last)" in said or "HYDRA_FULL_ERROR" in said:
                return "raw", f"{fault}: {_last_error(said)}", said[-400:]
            if fault in ("full", "read only"):
                _mount(disk, "remount,rw,size=1g")
            elif fault == "in the way":
                (disk / OWN[name]).is_file() and (disk / OWN[name]).unlink()
            again = command.start(lambda: work.go_on(disk, made)(), place / "again", place)
            later = again.wait(kills.LIMIT_S / 2)
            if show:
                print(f"again: status {later}", again.said()[-3000:], sep="\n")
            if later and not (work.done(disk) and "finished" in again.said()):
                return "raw", f"{fault}: it cannot go on", again.said()[-400:]
            if not same(work.result(disk, made), expected.result):
                return "wrong", f"{fault}: other results", said[-300:]
        return ("refused" if status else "same"), "", ""

    return run_case


def _limited(
    begin: Callable[[Path, Path], Callable[[], None]], disk: Path, made: Path, limit: int
) -> Callable[[], None]:
    def work() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        command.told(lambda: begin(disk, made)())

    return work


def _last_error(said: str) -> str:
    lines = [line for line in said.splitlines() if "Error" in line and not line.startswith(" ")]
    return (lines or [""])[-1][:120]


def _own_mounts() -> bool:
    """Give this process mounts of its own, which end with it; False where it may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    return os.geteuid() == 0 and libc.unshare(NEW_MOUNTS) == 0 and libc.mount(b"none", b"/", None, PRIVATE, None) == 0


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


class _Disk:
    """A folder that is a disk, as long as the context lasts."""

    def __init__(self, folder: Path, mounted: bool) -> None:
        self.folder, self.mounted = folder, mounted

    def __enter__(self) -> Path:
        self.folder.mkdir()
        if self.mounted:
            _mount(self.folder, "size=1g")
        return self.folder

    def __exit__(self, *error: object) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
        shutil.rmtree(self.folder)
