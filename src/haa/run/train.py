"""What `haa train` does: from a config to a trained module and a folder of results."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_args

import pytorch_lightning as pl
from omegaconf import DictConfig

from haa import build, checkpoint
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.disk import make_folder
from haa.errors import InputError
from haa.evaluation.faithfulness import check_faithfulness
from haa.evaluation.reference import cached_reference_rows
from haa.predict.cache import file_hash
from haa.predict.condition import Predicted
from haa.run import console, strategies
from haa.run.made import made_by, training
from haa.run.results import Scored, check_difference, open_folder, write_results
from haa.run.resume import check_resumed
from haa.run.session import equip, log_config, resumable, session
from haa.tasks.aligned_module import AlignedModule


def train(cfg: DictConfig) -> float | None:
    """Train, keep the best and the last checkpoint, and score the best on the test split.

    Args:
        cfg: Config composed from ``conf/train.yaml``.

    Returns:
        The best value of the monitored metric on the validation split, for sweepers; None where nothing was validated.

    Raises:
        InputError: If the config or the data cannot be used.
    """
    check_faithfulness(cfg.faithfulness)
    check_difference(cfg.get("difference"))
    cfg = build.checked(cfg, cfg.trust)
    check_resumed(cfg)
    with session(cfg):
        data, task = build.datamodule(cfg), build.task_class(cfg)
        task.check_data(data.dataset("train"))
        module = build.module(cfg, task.build_vocabularies(data.dataset("train")))
        module.score_sigma = data.human_sigma("train").share
        _check_gaze(cfg, data, module)
        if isinstance(data.condition, Predicted):
            module.gaze_by_digest = file_hash(data.condition.checkpoint)
        made = made_by(data, module, splits=get_args(Split) if cfg.test else ("train", "val"))
        if cfg.cache:
            make_folder(Path(cfg.cache))  # now, and not where a training has ended
        folder = open_folder(cfg, made)
        if isinstance(data.condition, Predicted):
            data.condition.fitted(data.dataset("train"))  # here, with a progress bar, and not in the loader's workers
        console.announce(cfg, data, folder.path, module)
        _cache_features(cfg, data, module)
        trainer = strategies.trainer(cfg)
        console.tell_processes(trainer, data)
        equip(trainer)
        log_config(trainer, module)
        with resumable(trainer, folder):
            trainer.fit(module, datamodule=data, ckpt_path=cfg.resume, weights_only=True)

            trained = training(trainer, data, cfg.task.monitor)
            if cfg.test:
                strategies.make_whole(trainer, module, cfg)
                _load_best(trainer, module)
                trainer.test(module, datamodule=data, verbose=False)
                references = _references(cfg, data, module) if trainer.is_global_zero else {}
                scored = Scored(trainer, module, data, "test")
                write_results(folder, scored, cfg.faithfulness, references, made, trained)
            return _best_value(trainer)


def _check_gaze(cfg: DictConfig, data: DataModule, module: AlignedModule) -> None:
    """Refuse to align with gaze that nobody recorded or predicts, and to learn to predict gaze where there is none."""
    missing, total = data.missing_gaze("train")
    if module.predicts_gaze and missing == total:
        raise InputError(f"none of the {total} training samples has gaze to learn to predict: give data with gaze")
    if cfg.align_weight > 0 and missing == total and not isinstance(data.condition, Predicted):
        raise InputError(
            f"align_weight={cfg.align_weight}, but none of the {total} training samples has gaze: "
            "give data with gaze, condition=predicted with a saliency checkpoint, or align_weight=0"
        )


def _cache_features(cfg: DictConfig, data: DataModule, module: AlignedModule) -> None:
    """Compute the features of a frozen backbone once, where the model can read them."""
    backbone: Any = getattr(module.model, "backbone", None)
    reads_features = "features" in inspect.signature(module.model.forward).parameters
    # a source watches the backbone run, which it does not where its features come from the cache
    if cfg.cache and reads_features and module.attention is None and getattr(backbone, "frozen", False):
        data.cache_features(backbone, cfg.cache, splits=("train", "val", "test") if cfg.test else ("train", "val"))


def _load_best(trainer: pl.Trainer, module: AlignedModule) -> None:
    kept: Any = trainer.checkpoint_callback
    if kept is not None and kept.best_model_path:
        module.load_state_dict(checkpoint.read(kept.best_model_path)["state_dict"])


def _best_value(trainer: pl.Trainer) -> float | None:
    kept: Any = trainer.checkpoint_callback
    best = None if kept is None else kept.best_model_score
    return None if best is None else float(best)


def _references(cfg: DictConfig, data: DataModule, module: AlignedModule) -> dict[str, dict[str, float]]:
    """Return the rows beside which the attention's scores are read, where there is gaze and a place to keep them."""
    if not cfg.cache or not all(data.some_gaze(split) for split in get_args(Split)):
        return {}
    if data.human_sigma("train").origin == "published maps":
        return {}  # there are no fixations to make a prior of
    rows = cached_reference_rows(
        cfg.cache, data.dataset("train"), data.dataset("test"), module.score_sigma, module.make_attention_metrics
    )
    return {name: {f"attention_{key}": value for key, value in row.items()} for name, row in rows.items()}
