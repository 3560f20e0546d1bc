"""Record of a run in Weights & Biases beyond its curves: summaries, a picture, a table of samples, the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from haa.run_folder import RunFolder
from haa.tasks.aligned_module import AlignedModule


class WandbRecord(pl.Callback):
    """Curves over epochs, each with its best value as summary; at the end, the pictures and a table of test samples.

    The pictures are those that `haa.run.callbacks.Pictures` drew, and the table holds the first samples, so that the
    cost does not grow with the data. Does nothing where no W&B logger is.

    Args:
        folder: The run's folder.
        rows: Number of rows of the table of test samples; 0 leaves it out.
        checkpoint: Whether the best checkpoint is logged as an artifact.
    """

    def __init__(self, folder: str, rows: int = 100, checkpoint: bool = False) -> None:
        self.folder, self.rows, self.checkpoint = Path(folder), rows, checkpoint

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if (run := _run(trainer)) is None or not isinstance(pl_module, AlignedModule):
            return
        run.define_metric("epoch")
        for name, best in summaries(pl_module, "val"):
            run.define_metric(name, step_metric="epoch", summary=best)
        for name in ("task_loss", "align_loss", "loss", "align_weight"):
            run.define_metric(f"train/{name}", step_metric="epoch", summary="last")

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if (run := _run(trainer)) is None:
            return
        import wandb

        for picture in sorted(RunFolder(self.folder).pictures.glob("*.png")):
            run.log({f"pictures/{picture.stem}": wandb.Image(str(picture))})
        kept: Any = trainer.checkpoint_callback
        if self.checkpoint and kept is not None and kept.best_model_path:
            score = None if kept.best_model_score is None else float(kept.best_model_score)
            artifact = wandb.Artifact(f"model-{run.id}", type="model", metadata={kept.monitor or "score": score})
            artifact.add_file(kept.best_model_path)
            run.log_artifact(artifact, aliases=["best"])

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        rows = pl_module.samples[: self.rows] if isinstance(pl_module, AlignedModule) else []
        if (run := _run(trainer)) is None or not rows:
            return
        import wandb

        columns: list[Any] = list(rows[0])
        table = wandb.Table(columns=columns, data=[[row[column] for column in columns] for row in rows])
        run.log({"test/samples": table})


def summaries(module: AlignedModule, stage: str) -> Iterator[tuple[str, str]]:
    """Yield each metric with the value of its curve that counts: max, min, or last where neither is better."""
    for name, better in module.directions().items():
        yield f"{stage}/{name}", "last" if better is None else "max" if better else "min"


def _run(trainer: pl.Trainer) -> Any:
    loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
    return loggers[0].experiment if loggers and trainer.is_global_zero else None
