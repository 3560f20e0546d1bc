"""What surrounds a run: its seeds, a quiet console, loggers that learn its config and are closed at its end."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers import CSVLogger

from haa.tasks.aligned_module import AlignedModule


@contextmanager
def session(cfg: DictConfig) -> Iterator[None]:
    """Seed everything, leave the console to what the run says, and end the W&B run at the end of this one."""
    _quieten()
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    try:
        yield
    finally:
        # one W&B run per job: without this the next job of a sweep would go on in this one
        if "wandb" in sys.modules:
            sys.modules["wandb"].finish(exit_code=1 if sys.exc_info()[0] else 0)


def log_config(trainer: pl.Trainer, module: AlignedModule) -> None:
    """Tell the loggers the resolved config; the csv file's folder has it already."""
    for logger in trainer.loggers:
        if not isinstance(logger, CSVLogger):
            logger.log_hyperparams(module.config)  # type: ignore[arg-type]


def _quieten() -> None:
    """Silence Lightning's notes on devices and on its own products."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
