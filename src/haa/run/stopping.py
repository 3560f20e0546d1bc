"""What stops a run from outside, a queue or a user: nothing that was kept is lost, and the exit status says so."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TextIO

_PATIENCE = 5
"""Seconds after which a second signal ends the program at once; before, it is the first one, sent to a group, too."""


class Stopped(BaseException):
    """A signal stopped the program. No handler of errors takes it for one.

    Args:
        number: The signal.
        advice: What to do next.
    """

    def __init__(self, number: int, advice: str = "") -> None:
        super().__init__(number, advice)
        self.number, self.advice = number, advice

    @property
    def status(self) -> int:
        """Exit status, by a shell's convention.

        Example:
            >>> Stopped(signal.SIGTERM).status
            143
        """
        return 128 + self.number


def signals() -> list[signal.Signals]:
    """Return the signals that stop a run, as far as this system has them."""
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def rank() -> int:
    """Return which of the processes of a distributed run this one is, as its environment says before it has begun."""
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdigit()), 0)


@contextmanager
def stoppable(end: bool = True) -> Iterator[None]:
    """Raise `Stopped` where a signal arrives that would end the program, and end it with one line and its status.

    A signal that somebody else handles, such as a launcher of jobs, is theirs; one that is ignored stays ignored.

    Args:
        end: Whether to end the program; otherwise `Stopped` is left to who waits for this one.
    """
    free = (signal.SIG_DFL, signal.default_int_handler)
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in signals()} if main else {}
    ours = [number for number, handler in before.items() if handler in free]
    handler = _Handler()
    for number in ours:
        signal.signal(number, handler)
        _held[number] = handler
    try:
        yield
    except Stopped as stopped:
        if not (ours and end):  # within another of these, or somebody else's process
            raise
        _end(stopped)
    finally:
        for number in ours:
            signal.signal(number, before[number])
            del _held[number]


@contextmanager
def printing() -> Iterator[None]:
    """End quietly, by a shell's convention, where nobody reads what is printed any more: ``haa --help | head``."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not _unread(sys.stdout):  # another pipe, such as a worker's
            raise
        # or the rest of what was printed would be written, and fail, when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def hold_signals() -> None:
    """Take back the signals that a Trainer has taken: its handler waits for other processes, which may wait for it."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in _held.items():
            signal.signal(number, handler)


def check_stopped() -> None:
    """Raise `Stopped` again where a signal came and what it raised was lost, as it is within a destructor."""
    for number, handler in _held.items():
        if handler.since is not None:
            raise Stopped(handler.number or number)


class _Handler:
    """Handler of signals: the first raises `Stopped`, one that comes later than its echo ends the program at once."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.number = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.since is None:
            self.since, self.number = time.monotonic(), number
            raise Stopped(number)
        if time.monotonic() - self.since > _PATIENCE:
            os._exit(128 + number)


_held: dict[int, _Handler] = {}


def _unread(stream: TextIO) -> bool:
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    try:
        poll.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # it is no file
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _end(stopped: Stopped) -> NoReturn:
    """Say by what the program was stopped and how to go on, and end it."""
    if rank() == 0:
        name = signal.Signals(stopped.number).name
        advice = f": {stopped.advice}" if stopped.advice else ""
        print(f"haa: stopped by {name}{advice}", file=sys.stderr, flush=True)
        if name == "SIGUSR1":
            _requeue()
    sys.exit(stopped.status)


def _requeue() -> None:
    """Queue a SLURM job again that was told by the signal for it that its time is up."""
    job = os.environ.get("SLURM_JOB_ID", "")
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ.get('SLURM_ARRAY_TASK_ID', '')}"
    if job and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        try:
            subprocess.run(["scontrol", "requeue", job], check=False)
        except OSError as error:
            print(f"haa: scontrol requeue {job} failed ({error.strerror}): submit the job again", file=sys.stderr)
