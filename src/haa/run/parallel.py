"""Several runs of a study at a time: processes that live as long as it does, each with its share of the threads."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra import version
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from haa.disk import make_folder, write_whole
from haa.errors import InputError
from haa.run.stopping import Stopped, stoppable
from haa.run_folder import RunFolder
from haa.study.runs import RunFailed

_PATIENCE = 60
"""Seconds that a run has to end when the study is stopped."""
_PRELOAD = ["haa.metrics.sooner", "haa.run.train"]
"""What is imported once for all processes, in this order."""


@dataclass(frozen=True)
class Sweep:
    """What a process has to know of a study, beside the config of a run.

    Args:
        task: Does a run; a function that can be sent to another process.
        context: Hydra's.
    """

    task: Callable[[DictConfig], Any]
    context: HydraContext

    def run(self, cfg: DictConfig) -> JobReturn:
        """Do a run, as Hydra's own launcher does it."""
        return run_job(
            hydra_context=self.context,
            task_function=self.task,
            config=cfg,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


def run_all(sweep: Sweep, jobs: Sequence[DictConfig], parallel: int) -> list[JobReturn]:
    """Do runs, so many at a time, and return what each gave, in order.

    A run whose process is killed is lost, and told of; the others go on. What stops this process stops the runs.

    Args:
        sweep: The study.
        jobs: Config of each run.
        parallel: How many processes there are.
    """
    waiting = deque(enumerate(jobs))
    done: dict[int, JobReturn] = {}
    workers: list[_Worker] = []
    try:
        while len(done) < len(jobs):
            while waiting and len(workers) < parallel:
                workers.append(_Worker(sweep, parallel))
            for worker in workers:
                if worker.job is None and waiting:
                    worker.take(waiting.popleft())
            by_pipe = {worker.pipe: worker for worker in workers if worker.job is not None}
            for pipe in wait(list(by_pipe)):
                worker = by_pipe[pipe]  # type: ignore[index]
                number, cfg = worker.job  # type: ignore[misc]
                done[number] = worker.result() or _lost(cfg, worker.status())
                worker.job = None
                if not worker.process.is_alive():
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.end()
    return [done[number] for number in range(len(jobs))]


def threads(parallel: int) -> int:
    """Return how many threads each of so many processes gets: its share of the cores, or what ``OMP_NUM_THREADS`` says.

    Example:
        >>> threads(10_000) >= 1
        True
    """
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if said.isdigit() and int(said):
        return int(said)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // parallel)


def _lost(cfg: DictConfig, status: int | None) -> JobReturn:
    """Return, and leave in a run's folder, that its process has ended before it had."""
    known = {-number: number.name for number in signal.Signals}
    name = known.get(status or 0, f"status {status}")
    why = ", as it is where memory runs out" if name == "SIGKILL" else ""
    message = f"the process of this run was ended by {name}{why}: give a smaller parallel=, or the command again"
    words: Any = OmegaConf.to_container(cfg.hydra.overrides.task, resolve=False)
    content = {"message": message, "traceback": "", "overrides": words}
    run = RunFolder(Path(str(cfg.hydra.sweep.dir)) / str(cfg.hydra.sweep.subdir))
    with contextlib.suppress(InputError):  # of a full disk
        make_folder(run.path)
        write_whole(run.error, json.dumps(content, indent=2) + "\n")
    done = JobReturn(overrides=words, status=JobStatus.FAILED)
    done.return_value = RunFailed(message)
    return done


class _Worker:
    """A process that does runs, one after the other."""

    def __init__(self, sweep: Sweep, parallel: int) -> None:
        self.job: tuple[int, DictConfig] | None = None
        share = threads(parallel)
        # forked from one that has imported everything and done nothing, where the system can
        can_fork = "forkserver" in multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context("forkserver" if can_fork else "spawn")
        if can_fork:
            context.set_forkserver_preload(_PRELOAD)
        self.pipe, theirs = context.Pipe()
        environment = {**os.environ, "OMP_NUM_THREADS": str(share)}
        arguments = (theirs, sweep, os.getcwd(), environment, share, parallel)
        self.process: BaseProcess = context.Process(target=_serve, args=arguments)
        with _starting(OMP_NUM_THREADS=str(share)):  # which libraries read where they are imported
            self.process.start()
        theirs.close()

    def take(self, job: tuple[int, DictConfig]) -> None:
        self.job = job
        with contextlib.suppress(OSError):  # it has ended, which is found when its result is read
            self.pipe.send(job[1])

    def result(self) -> JobReturn | None:
        """Return what its run gave; None where the process ended first."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return None

    def status(self) -> int | None:
        self.process.join(_PATIENCE)
        return self.process.exitcode

    def stop(self) -> None:
        if self.job is not None:
            self.process.terminate()
        self.pipe.close()

    def end(self) -> None:
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(pipe: Connection, sweep: Sweep, place: str, environment: dict[str, str], share: int, parallel: int) -> None:
    """Do the runs that come through a pipe until it is closed."""
    import torch

    from haa.memory.held import HELD, STUDY

    os.chdir(place)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(share)
    HELD.clear(STUDY // parallel)
    setup_globals()
    version.setbase("1.3")  # as `haa.cli.main` has it
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    try:
        with stoppable(end=False):
            while True:
                try:
                    cfg = pipe.recv()
                except EOFError:
                    return
                pipe.send(sweep.run(cfg))
    except Stopped as stopped:  # of which the first process tells
        sys.exit(stopped.status)


def _end_with(parent: Any) -> None:
    """Stop this process' run where the study is killed."""
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _starting(**values: str) -> Iterator[None]:
    """Hold variables of the environment, and hide the user's program, which a new process would run once more."""
    before = {name: os.environ.get(name) for name in values}
    program, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    os.environ.update(values)
    try:
        yield
    finally:
        sys.modules["__main__"] = program
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
