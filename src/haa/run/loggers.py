"""Where numbers go: a csv file in the run folder, and Weights & Biases with or without an account."""

from __future__ import annotations

import csv as csv_format
import os
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_info

from haa.study.runs import study_folder


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


def wandb(
    folder: str,
    project: str = "haa",
    task: str = "",
    condition: str = "",
    align_weight: float = 0,
    seed: int = 0,
    job_type: str = "train",
    group: str | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
    offline: bool | None = None,
) -> WandbLogger:
    """A Weights & Biases run, imported only when asked for.

    It is named and tagged by condition, weight and seed, and grouped by study. A run that is taken up again
    (`haa.study.runs`) goes on in the W&B run that it had.

    Args:
        folder: the run folder; an offline run is kept there and can be uploaded later with ``wandb sync``.
        project: the W&B project.
        task: its name.
        condition: the dotted path of the condition's class.
        align_weight: 0 is the baseline, whatever the condition.
        seed: of the run.
        job_type: train or evaluate.
        group: None is the study's name, and no group outside a study.
        name: None makes one from condition, weight and seed, or from what the study varies.
        tags: more tags.
        offline: None is offline exactly when no account is set up (no API key, no WANDB_MODE).
    """
    import wandb as service

    if offline is None:
        mode = os.environ.get("WANDB_MODE")
        offline = mode != "online" if mode else not service.login(prompt=False)
    if offline:
        rank_zero_info(f"W&B: offline, in {folder}/wandb; `wandb sync` uploads it (`wandb login` sets up an account)")
    whose = condition.rsplit(".", 1)[-1].lower() if align_weight else "baseline"
    arm = f"{whose} {align_weight:g}" if align_weight else whose
    if group is None and (study := study_folder()) is not None:
        group = str(study.relative_to("studies") if study.is_relative_to("studies") else study.name)
        name = name or f"{arm} seed {seed}" + _varied(Path(folder).name)
    return WandbLogger(
        project=project,
        save_dir=folder,
        group=group,
        name=name or f"{arm} seed {seed}",
        tags=[word for word in (task, whose, f"weight {align_weight:g}", f"seed {seed}", *tags) if word],
        job_type=job_type,
        config={"arm": arm},  # what the dashboard groups runs by
        id=_id(Path(folder)) if job_type == "train" else None,
        # Lightning's own offline=True sets a mode that newer clients no longer know
        mode="offline" if offline else "online",
    )


def _varied(folder: str) -> str:
    """What a study varies beside condition, weight and seed, from the name of a run's folder."""
    words = [word for word in folder.split(",") if word.split("=")[0] not in ("condition", "align_weight", "seed")]
    return "".join(f" {word}" for word in words if "=" in word)


def _id(folder: Path) -> str | None:
    """The id of the W&B run that this run folder has already: the last part of ``wandb/offline-run-DATE_TIME-ID``."""
    folders = sorted((folder / "wandb").glob("*run-*-*"), key=lambda path: path.stat().st_mtime)
    return folders[-1].name.rsplit("-", 1)[-1] if folders else None
