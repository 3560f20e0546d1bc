"""Where numbers go: a csv file in the run folder, and Weights & Biases with or without an account."""

from __future__ import annotations

import csv as csv_format
import os
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_info


def csv(folder: str) -> CSVLogger:
    """``metrics.csv`` in the run folder; a resumed run keeps the rows that it had written.

    Args:
        folder: the run folder.
    """
    path = Path(folder) / "metrics.csv"
    rows: list[dict[str, str]] = []
    if path.is_file() and path.stat().st_size:
        with path.open(newline="") as file:
            rows = list(csv_format.DictReader(file))
        path.unlink()  # Lightning deletes it with a warning otherwise
    logger = CSVLogger(save_dir=folder, name="", version="")
    if rows:
        logger.experiment.metrics = rows  # type: ignore[assignment]
        logger.experiment.metrics_keys = list(rows[0])
    return logger


def wandb(folder: str, project: str = "haa", offline: bool | None = None, tags: Sequence[str] = ()) -> WandbLogger:
    """A Weights & Biases run, imported only when asked for.

    Args:
        folder: the run folder; an offline run is kept there and can be uploaded later with ``wandb sync``.
        project: the W&B project.
        offline: None is offline exactly when no account is set up (no API key, no WANDB_MODE).
        tags: shown and searchable on the dashboard.
    """
    import wandb as service

    if offline is None:
        mode = os.environ.get("WANDB_MODE")
        offline = mode != "online" if mode else not service.login(prompt=False)
    if offline:
        rank_zero_info(f"W&B: offline, in {folder}/wandb; `wandb sync` uploads it (`wandb login` sets up an account)")
    # Lightning's own offline=True sets a mode that newer clients no longer know
    mode = "offline" if offline else "online"
    return WandbLogger(project=project, save_dir=folder, tags=list(tags), name=Path(folder).name, mode=mode)
