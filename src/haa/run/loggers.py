"""Loggers: a csv file in the run folder, TensorBoard, and Weights & Biases with or without an account."""

from __future__ import annotations

import csv as csv_format
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_info

from haa.conditions import Condition, Human
from haa.conditions.condition import Arm, arm
from haa.disk import write_whole
from haa.errors import needs, reading
from haa.study.runs import study_folder


class Curves(CSVLogger):
    """Lightning's csv logger, whose file is there whole or not at all, and has the rows that a run had written before.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(save_dir=folder, name="", version="")

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None:
            self._experiment = _Writer(self.log_dir)
        return self._experiment


class _Writer(ExperimentWriter):
    def _check_log_dir_exists(self) -> None:  # Lightning's deletes what is there
        path = Path(self.metrics_file_path)
        if path.is_file():
            with reading(path, "take it away; the run goes on without its earlier rows"), path.open(newline="") as file:
                self.metrics = [row for row in csv_format.DictReader(file) if None not in row]  # type: ignore[misc]
        self.written = len(self.metrics)

    def save(self) -> None:
        if len(self.metrics) == self.written:
            return
        names = sorted(set().union(*self.metrics))
        table = io.StringIO(newline="")
        writer = csv_format.DictWriter(table, fieldnames=names)
        writer.writeheader()
        writer.writerows(self.metrics)
        write_whole(Path(self.metrics_file_path), table.getvalue())
        self.written = len(self.metrics)


class LastRow(pl.Callback):
    """Keeps, in every checkpoint, the training scores of its epoch, which Lightning gives to the loggers afterwards.

    A run that is cut off between the two goes on with the next epoch; it first writes the row that it had lost.
    """

    def __init__(self) -> None:
        self.row: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"row": self.row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.row = dict(state_dict["row"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        scores = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
        step = trainer.fit_loop.epoch_loop._batches_that_stepped - 1  # Lightning's, of this row
        self.row = {**scores, "epoch": trainer.current_epoch, "step": step}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        curves = [logger for logger in trainer.loggers if isinstance(logger, Curves)]
        if not (self.row and curves and trainer.is_global_zero):
            return
        epoch = str(self.row["epoch"])
        rows = [row for row in curves[0].experiment.metrics if str(row.get("epoch")) == epoch]
        if any(row.get(name) for row in rows for name in self.row if name.startswith("train/")):
            return
        for logger in trainer.loggers:
            logger.log_metrics({name: value for name, value in self.row.items() if name != "step"}, self.row["step"])
            logger.save()


def csv(folder: str) -> CSVLogger:
    """Return a logger into ``metrics.csv`` in the run folder; a resumed run keeps the rows that it had written.

    Args:
        folder: The run's folder.
    """
    return Curves(folder)


def tensorboard(folder: str) -> TensorBoardLogger:
    """Return a logger into ``tensorboard/`` in the run folder.

    Args:
        folder: The run's folder.

    Raises:
        InputError: If TensorBoard is not installed.
    """
    needs("logger=tensorboard", "haa[tensorboard]", "tensorboard")
    return TensorBoardLogger(save_dir=folder, name="", version="tensorboard")


@dataclass(frozen=True)
class Identity:
    """What a run is, for its name, tags and group in Weights & Biases.

    Args:
        task: Name of the task.
        condition: Condition of the run, which says what its arm is called; None is human gaze.
        align_weight: Weight of the alignment; 0 is the baseline, unless the condition inserts its map.
        seed: Seed of the run.
        job_type: train or evaluate.
    """

    task: str = ""
    condition: Condition | None = None
    align_weight: float = 0
    seed: int = 0
    job_type: str = "train"

    @property
    def arm(self) -> Arm:
        """Part that the run plays in a comparison, and the name of its condition there."""
        return arm(Human() if self.condition is None else self.condition, self.align_weight)

    @property
    def arm_name(self) -> str:
        """Name of its arm: condition and weight."""
        return f"{self.arm.label} {self.align_weight:g}" if self.align_weight else self.arm.label

    @property
    def tags(self) -> list[str]:
        """Words by which it is found."""
        words = [self.task, self.arm.label, f"weight {self.align_weight:g}", f"seed {self.seed}"]
        return [word for word in words if word]


def wandb(
    folder: str,
    run: Identity,
    project: str = "haa",
    group: str | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
    offline: bool | None = None,
) -> WandbLogger:
    """Return a Weights & Biases logger; the package is imported only here.

    The run is named and tagged by condition, weight and seed, and grouped by study. A run that is taken up again
    (`haa.study.runs`) goes on in the W&B run that it had.

    Args:
        folder: The run's folder; an offline run is kept there and can be uploaded later with ``wandb sync``.
        run: What the run is.
        project: W&B project.
        group: Group of the run; None is the study's name, and no group outside a study.
        name: Name of the run; None makes one from condition, weight and seed, or from what the study varies.
        tags: More tags.
        offline: Whether nothing is uploaded; None is whether no account is set up (no API key, no WANDB_MODE).
    """
    import wandb as service

    if offline is None:
        mode = os.environ.get("WANDB_MODE")
        offline = mode != "online" if mode else not service.login(prompt=False)
    if offline:
        rank_zero_info(f"W&B: offline, in {folder}/wandb; `wandb sync` uploads it (`wandb login` sets up an account)")
    own_name = f"{run.arm_name} seed {run.seed}"
    if group is None and (study := study_folder()) is not None:
        group = str(study.relative_to("studies") if study.is_relative_to("studies") else study.name)
        own_name += _varied(Path(folder).name)
    logger = WandbLogger(
        project=project,
        save_dir=folder,
        group=group,
        name=name or own_name,
        tags=[*run.tags, *tags],
        job_type=run.job_type,
        config={"arm": run.arm_name, "role": run.arm.role},  # what the dashboard groups runs by
        id=_id(Path(folder)) if run.job_type == "train" else None,
        # Lightning's own offline=True sets a mode that newer clients no longer know
        mode="offline" if offline else "online",
    )
    logger._wandb_init.pop("anonymous", None)  # Lightning sets it to None, of which W&B warns that it has no effect
    return logger


def _varied(folder: str) -> str:
    """Return what a study varies beside condition, weight and seed, from the name of a run's folder."""
    words = [word for word in folder.split(",") if word.split("=")[0] not in ("condition", "align_weight", "seed")]
    return "".join(f" {word}" for word in words if "=" in word)


def _id(folder: Path) -> str | None:
    """Return the id of the W&B run that a folder has already: the last part of ``wandb/offline-run-DATE_TIME-ID``."""
    folders = sorted((folder / "wandb").glob("*run-*-*"), key=lambda path: path.stat().st_mtime)
    return folders[-1].name.rsplit("-", 1)[-1] if folders else None
