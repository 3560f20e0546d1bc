"""A command of haa's in this process: composed by Hydra and done by the code that the command line runs."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from haa.cli.main import translated, work
from haa.cli.overrides import conf, stop
from haa.errors import InputError, suggest
from haa.printing.progress import bars
from haa.run.stopping import Stopped

_PROGRAM = str(Path(__file__).parents[1] / "__main__.py")


class Done(NamedTuple):
    """What a command did: the folder that it wrote to, whether that is a study's, and what its function returned."""

    folder: Path
    is_study: bool
    result: Any = None


def run_here(name: str, words: list[str], sweeps: bool, progress: bool) -> Done:
    """Compose the config of a command, and do it here.

    Args:
        name: The command, one of `haa.cli.main.COMPOSED`.
        words: Its words of the command line.
        sweeps: Whether the words sweep over lists.
        progress: Whether it prints what the command line prints.

    Raises:
        InputError: If the input is at fault, by the message that the command line prints.
        KeyboardInterrupt: If the user stops it; its message says how to go on.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException, MissingConfigException
    from hydra.types import RunMode
    from omegaconf.errors import OmegaConfBaseException

    with _errors(), _as_it_was(), _output(progress):
        overrides = translated(name, words)
        with initialize_config_dir(str(conf()), job_name=name, version_base="1.3"):
            hydra: Any = GlobalHydra.instance().hydra
            quiet: dict[str, Any] = {"config_name": name, "with_log_configuration": False}
            try:
                cfg = hydra.compose_config(overrides=overrides, run_mode=RunMode.MULTIRUN, **quiet)
                study = sweeps or cfg.hydra.mode == RunMode.MULTIRUN
                folder = str(cfg.hydra.sweep.dir) if study else ""
            except MissingConfigException as error:
                group, _, option = (error.missing_cfg_file or "").rpartition("/")
                raise InputError(f"{group}={option}: {suggest(option, error.options or [])}") from None
            except (HydraException, OmegaConfBaseException) as error:
                raise InputError(" ".join(str(error.__cause__ or error).split())) from None
            task = partial(_one_process, name)
            if study:
                return Done(_study(hydra, task, overrides, Path(folder), quiet), True)
            done = hydra.run(task_function=task, overrides=[*overrides, "hydra.mode=RUN"], **quiet)
            return Done(Path(done.hydra_cfg.hydra.run.dir).absolute(), False, done.return_value)


def _study(hydra: Any, task: Any, overrides: list[str], folder: Path, quiet: dict[str, Any]) -> Path:
    """Do the runs of a study; one that fails does not stop the others."""
    from haa.run_folder import quoted
    from haa.study import console

    place = f"hydra.sweep.dir={quoted(folder)}"  # which has the time of day in its name
    with bars(False):  # a run's go to its log, where a notebook's would not
        try:
            hydra.multirun(task_function=task, overrides=[*overrides, "hydra.mode=MULTIRUN", place], **quiet)
        except SystemExit as end:
            if end.code != 1:  # which says that a run failed, as the study does
                raise
        finally:
            console.stop_watching()
    return folder.absolute()


def _one_process(name: str, cfg: Any) -> Any:
    """Do the work of a command; refuse a config that asks for several processes, which a command line starts."""
    trainer = cfg.get("trainer") or {}
    for key, alone in {"devices": (1, "1"), "num_nodes": (1,), "strategy": ("auto",)}.items():
        if (value := trainer.get(key, alone[0])) not in alone:
            stop(f"trainer.{key}={value} needs several processes: begin them with haa {name} in a terminal")
    return work(name, _PROGRAM, cfg)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Raise what would end the command line as an exception that says the same."""
    try:
        yield
    except SystemExit as end:
        if not isinstance(end.code, str):
            raise RuntimeError(f"the command ended with status {end.code}") from end
        raise InputError(end.code.removeprefix("haa: ")) from None
    except Stopped as stopped:
        if stopped.number != signal.SIGINT:
            os.kill(os.getpid(), stopped.number)  # which is nobody's to hold up, now that the run has been told
        raise KeyboardInterrupt(stopped.advice) from None


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Leave the words of this program and its loggers as they were; give up the folders that were held."""
    from haa.cli.folders import release

    words = list(sys.argv)
    loggers = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    before = [(logger, logger.disabled) for logger in loggers]
    level, handlers = logging.root.level, list(logging.root.handlers)
    try:
        yield
    finally:
        release()
        sys.argv[:] = words
        logging.root.setLevel(level)
        logging.root.handlers[:] = handlers
        for logger, disabled in before:
            logger.disabled = disabled


@contextlib.contextmanager
def _output(progress: bool) -> Iterator[None]:
    """Print nothing where no progress is asked for; errors and warnings stay what they are."""
    if progress:
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()), bars(False):
        yield
