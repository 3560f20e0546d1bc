"""What surrounds a run: its seeds, a quiet console, what stops it, loggers that are closed at its end."""

from __future__ import annotations

import errno
import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher
from pytorch_lightning.utilities.exceptions import SIGTERMException

from haa.errors import not_written
from haa.printing.progress import are_shown
from haa.run.callbacks import Signals
from haa.run.checkpoints import keep_whole
from haa.run.loggers import LastRow
from haa.run.stopping import Stopped
from haa.run_folder import RunFolder
from haa.tasks.aligned_module import AlignedModule


@contextmanager
def session(cfg: DictConfig) -> Iterator[None]:
    """Seed everything, leave the console to what the run says, and end the W&B run at the end of this one.

    Raises:
        InputError: If the disk refuses what is written, wherever that is.
    """
    _quieten()
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    folder = Path(cfg.output_dir).absolute()
    try:
        yield
    except OSError as error:
        place = Path(error.filename) if isinstance(error.filename, str) else folder
        if error.errno not in _DISK and not place.absolute().is_relative_to(folder):
            raise
        raise not_written(place, error) from error
    finally:
        # one W&B run per job: without this the next job of a sweep would go on in this one
        if "wandb" in sys.modules:
            sys.modules["wandb"].finish(exit_code=1 if sys.exc_info()[0] else 0)


def equip(trainer: pl.Trainer) -> None:
    """Give a Trainer what every run has: checkpoints that are whole and lose no row, and signals that stop it."""
    keep_whole(trainer)
    if trainer.progress_bar_callback is not None and not are_shown():
        trainer.progress_bar_callback.disable()
    trainer.callbacks[:0] = [Signals(), LastRow()]  # type: ignore[attr-defined]


@contextmanager
def resumable(trainer: pl.Trainer, folder: RunFolder) -> Iterator[None]:
    """Say of a run that is stopped how to go on with it, and stop its other processes."""
    try:
        try:
            yield
        except SIGTERMException:
            raise Stopped(signal.SIGTERM) from None
    except Stopped as stopped:
        launcher = trainer.strategy.launcher
        if isinstance(launcher, _SubprocessScriptLauncher):
            launcher.kill(getattr(signal, "SIGKILL", signal.SIGTERM))
        stopped.advice = (
            f"haa train resume={folder.path} goes on after the last epoch that was finished"
            if folder.resumable is not None
            else f"{folder.path} keeps nothing yet; the same command begins again"
        )
        raise


def log_config(trainer: pl.Trainer, module: AlignedModule) -> None:
    """Tell the loggers the resolved config; the csv file's folder has it already."""
    for logger in trainer.loggers:
        if not isinstance(logger, CSVLogger):
            logger.log_hyperparams(module.config)  # type: ignore[arg-type]


_DISK = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG)
"""What only a disk says that is written to."""


def _quieten() -> None:
    """Silence Lightning's notes on devices and on its own products."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    # nobody changes what a model returns in place
    warnings.filterwarnings("ignore", message=r"FSDP2-wrapped module \(\w+\) returned a view tensor.*")
    # scores are sums over all processes before they are logged
    warnings.filterwarnings("ignore", message=r"It is recommended to use `self.log\('(val|test)/.*sync_dist=True.*")
