"""What made a run: its arm and its data, as its folder says from the beginning; and how its model was trained."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

import haa
from haa import checkpoint
from haa.conditions.condition import arm
from haa.data.dataset import GazeDataset, Split
from haa.data.loading.datamodule import DataModule
from haa.predict.condition import Predicted
from haa.run_folder import class_name
from haa.tasks.aligned_module import AlignedModule

PACKAGES = ("torch", "pytorch_lightning", "torchmetrics", "timm", "numpy")
"""Packages whose version a run keeps, for a paper's paragraph of methods."""
TRAINING = ("trainer", "callbacks", "loader")
"""Groups of a config that say how a model was trained; an evaluation has its own, and keeps these beside them."""


def made_by(data: DataModule, module: AlignedModule, splits: Sequence[Split]) -> dict[str, Any]:
    """Return what a run is, before it begins: which part it plays in a comparison, whose gaze it has, on which data.

    Args:
        data: What it trains on, or is scored on.
        module: What it trains, or scores.
        splits: The splits that it reads; the last one is scored.

    Returns:
        The content of made.json, which metrics.json repeats. ``data`` has for each split its number of samples and its
        `haa.data.dataset.Identity`, whose digests are null where nothing is known.
    """
    config, condition = module.config, data.condition
    assert config is not None
    role, label = arm(condition, float(config["align_weight"]))  # type: ignore[arg-type]
    share, origin = data.human_sigma(splits[-1])
    return {
        "haa": haa.__version__,
        "role": role,
        "label": label,
        "exchanges_gaze": condition.exchanges,  # type: ignore[union-attr]
        "inserts_map": module.oracle,
        "matched": bool(getattr(condition, "matched", False)),
        "attention": class_name(config["attention"]) if config.get("attention") else "native",
        "backbone_weights": module.backbone_weights,
        **_whose_gaze(condition, module),
        "simulated_gaze": data.dataset(splits[-1]).simulated,
        "sigma": None if origin == "published maps" else share,
        "sigma_from": origin,
        "people": people(data.dataset(splits[-1])),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "data": {split: {"samples": len(data.dataset(split)), **data.dataset(split).identity()} for split in splits},
    }


def people(dataset: GazeDataset) -> list[int] | None:
    """Return the least and the largest number of people who looked at a stimulus; None where nothing tells them apart.

    Stimuli at which nobody looked are left out. Samples of one stimulus count once.

    Args:
        dataset: Split to count in; no picture is read.
    """
    counts = []
    for index in dataset.stimuli()[0]:
        gaze = dataset.gaze(index)
        if gaze is not None and len(gaze.points):
            if gaze.subject is None:
                return None
            counts.append(len(gaze.subject.unique()))
    return [min(counts), max(counts)] if counts else None


def training(trainer: pl.Trainer, data: DataModule, monitor: str) -> dict[str, Any]:
    """Return how a Trainer has trained, and how the weights that will be scored did on the validation split.

    These are the best checkpoint's, of the metric that it was chosen by; without one, the last epoch's.

    Args:
        trainer: The Trainer, after ``fit``.
        data: What it trained on.
        monitor: The task's metric, such as ``val/accuracy``.
    """
    kept: Any = trainer.checkpoint_callback
    best = None if kept is None else kept.best_model_score
    name, value = (monitor, trainer.callback_metrics.get(monitor)) if best is None else (kept.monitor, best)
    whole, _ = data.batch_sizes(trainer.world_size)
    return {
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "samples_a_step": whole * trainer.accumulate_grad_batches,
        **_validation(name, value),
    }


def training_of(path: str | Path) -> dict[str, Any]:
    """Return of a checkpoint what `training` returns of a Trainer, and the version of haa that wrote it.

    Args:
        path: A .ckpt file. Only the best one says how it did on the validation split: ``last.ckpt`` knows the best
            one's score and not its own.

    Raises:
        InputError: If it cannot be read.
    """
    content = checkpoint.read(path)
    best: dict[str, Any] = {}
    for state in content.get("callbacks", {}).values():
        if state.get("monitor") and Path(state.get("best_model_path", "")).name == Path(path).name:
            best = state
    return {
        "trained_by": content["haa"]["version"],
        "epochs": content["epoch"] + 1,
        "steps": content["global_step"],
        **_validation(best.get("monitor"), best.get("best_model_score")),
    }


def with_training(config: DictConfig, trained: DictConfig) -> DictConfig:
    """Return an evaluation's config that keeps, as ``trained``, how its model was trained; nothing reads it back."""
    kept = config.copy()
    kept.trained = {key: trained[key] for key in TRAINING if key in trained}
    return kept


def _whose_gaze(condition: object, module: AlignedModule) -> dict[str, Any]:
    if not isinstance(condition, Predicted):
        return {"gaze": "own"}
    return {"gaze": "predicted", "gaze_by": str(condition.checkpoint), "gaze_by_digest": module.gaze_by_digest}


def _validation(metric: str | None, value: Any) -> dict[str, Any]:
    finite = value is not None and math.isfinite(float(value))
    return {"validation": float(value) if finite else None, "validation_metric": metric if value is not None else None}
