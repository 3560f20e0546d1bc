"""Training and evaluation: what a command does, from a config to a folder of results."""

from __future__ import annotations

import inspect
import itertools
import json
import logging
import math
import statistics
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only
from torchmetrics import MetricCollection

from haa import build, checkpoint
from haa.conditions import Predicted
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError
from haa.evaluation.faithfulness import answers, faithfulness
from haa.evaluation.maps import gather
from haa.evaluation.reference import cached_reference_rows, reference_rows
from haa.run import console as run_console
from haa.run_folder import chosen
from haa.study import runs as study
from haa.tasks.aligned_module import AlignedModule
from haa.tasks.saliency import Saliency
from haa.text import Classes


def train(cfg: DictConfig) -> float | None:
    """Train, keep the best and the last checkpoint, and score the best on the test split.

    Args:
        cfg: ``conf/train.yaml``, composed.

    Returns:
        The best value of the monitored metric on the validation split, for sweepers; None where nothing was validated.

    Raises:
        InputError: if the config or the data cannot be used.
    """
    _quieten()
    _check_number(cfg.faithfulness)
    build.check(cfg, cfg.trust)
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    data = build.datamodule(cfg)
    vocabularies = build.task_class(cfg).build_vocabularies(data.dataset("train"))
    module = build.module(cfg, vocabularies)
    missing, total = data.missing_gaze("train")
    if isinstance(data.condition, Predicted):
        data.condition.fitted(data.dataset("train"))  # here, with a progress bar, and not in the loader's workers
    elif cfg.align_weight > 0 and missing == total:
        raise InputError(
            f"align_weight={cfg.align_weight}, but none of the {total} training samples has gaze: "
            "give data with gaze, condition=predicted with a saliency checkpoint, or align_weight=0"
        )
    folder = _folder(cfg)
    run_console.announce(cfg, data, folder, module)
    backbone: Any = getattr(module.model, "backbone", None)
    # a source watches the backbone run, which it does not where its features come from the cache
    takes = "features" in inspect.signature(module.model.forward).parameters
    if cfg.cache and takes and module.attention is None and getattr(backbone, "frozen", False):
        data.cache_features(backbone, cfg.cache, splits=("train", "val", "test") if cfg.test else ("train", "val"))
    trainer = build.trainer(cfg)
    try:
        _log_config(trainer, module)
        trainer.fit(module, datamodule=data, ckpt_path=cfg.resume, weights_only=True)
        kept: Any = trainer.checkpoint_callback
        best = None if kept is None else kept.best_model_score
        if cfg.test:
            if kept is not None and kept.best_model_path:
                module.load_state_dict(checkpoint.read(kept.best_model_path)["state_dict"])
            trainer.test(module, datamodule=data, verbose=False)
            references = _references(cfg, data, module) if trainer.is_global_zero else {}
            _write(folder, trainer, module, data, "test", cfg.faithfulness, references=references)
    finally:
        _finish()
    return None if best is None else float(best)


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Score a checkpoint: rebuild its module, read the data it was trained beside (or other), write the tables.

    Args:
        cfg: ``conf/evaluate.yaml``, composed.

    Returns:
        The metrics.

    Raises:
        InputError: if the checkpoint or the data cannot be used.
    """
    _quieten()
    _check_number(cfg.faithfulness)
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    if OmegaConf.is_missing(cfg, "checkpoint"):
        raise InputError("checkpoint is missing: give checkpoint=outputs/.../checkpoints/best.ckpt")
    module, trained = checkpoint.load(cfg.checkpoint, cfg.trust)
    if cfg.split not in get_args(Split):
        raise InputError(f"split={cfg.split}: there are {', '.join(get_args(Split))}")
    own = {key: cfg[key] for key in ("loader", "trainer", "output_dir", "faithfulness")}
    merged = OmegaConf.merge(trained, own)
    assert isinstance(merged, DictConfig)
    OmegaConf.set_struct(merged, False)
    if cfg.get("data"):
        merged.data = cfg.data if "_target_" in cfg.data else OmegaConf.merge(merged.data, cfg.data)
    merged.trainer, merged.logger = cfg.trainer, cfg.get("logger") or {}
    merged.callbacks = {"progress": _progress(), **(cfg.get("callbacks") or {})}
    build.check(merged, cfg.trust)
    data = build.datamodule(merged)
    if isinstance(classes := module.vocabularies.get("class"), Classes):
        classes.check(data.dataset(cfg.split))
    folder = _folder(merged)
    run_console.announce(merged, data, folder, module)
    trainer = build.trainer(merged)
    try:
        _log_config(trainer, module)
        trainer.test(module, dataloaders=data.evaluation(cfg.split), verbose=False)
        references: dict[str, dict[str, float]] = {}
        if cfg.reference and isinstance(module, Saliency) and trainer.is_global_zero:
            sigma = module.alignment.sigma
            references = reference_rows(data.dataset("train"), data.dataset(cfg.split), sigma, cfg.seed)
        source = {"checkpoint": str(cfg.checkpoint)}
        return _write(folder, trainer, module, data, cfg.split, cfg.faithfulness, source, references)
    finally:
        _finish()


def _check_number(samples: Any) -> None:
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 0:
        raise InputError(f"faithfulness={samples}: give a number of test samples, 0 for none")


def _log_config(trainer: pl.Trainer, module: AlignedModule) -> None:
    for logger in trainer.loggers:
        if not isinstance(logger, CSVLogger):  # whose folder has config.yaml
            logger.log_hyperparams(module.config)  # type: ignore[arg-type]


def _finish() -> None:
    """One W&B run per job: without this the next job of a sweep would go on in this one."""
    if "wandb" in sys.modules:
        sys.modules["wandb"].finish(exit_code=1 if sys.exc_info()[0] else 0)


def _quieten() -> None:
    """Leave the console to what a run has to say: Lightning's notes on devices and its own products are not that."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")


def _progress() -> dict[str, str]:
    return {"_target_": "pytorch_lightning.callbacks.RichProgressBar"}


def _folder(cfg: DictConfig) -> Path:
    folder = Path(cfg.output_dir)
    _save_config(cfg, folder)
    return folder


@rank_zero_only
def _save_config(cfg: DictConfig, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    study.write(folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))


def _write(
    folder: Path,
    trainer: pl.Trainer,
    module: AlignedModule,
    data: DataModule,
    split: Split,
    measured: int,
    source: dict[str, str] | None = None,
    references: dict[str, dict[str, float]] | None = None,
) -> dict[str, float]:
    metrics = {name.removeprefix("test/"): float(value) for name, value in sorted(trainer.callback_metrics.items())}
    metrics = {name: value for name, value in metrics.items() if "/" not in name}
    rows = _gather(module.samples)
    if trainer.is_global_zero:
        module.to(trainer.strategy.root_device)  # which a Trainer leaves when it is done
        columns = [name for name in (rows[0] if rows else {}) if name != "id"]
        valid = {name: sum(math.isfinite(row[name]) for row in rows) for name in columns}
        undefined = {name: len(rows) - n for name, n in valid.items()}
        found = faithfulness(module, data, split, chosen(len(rows), measured)) if measured else {}
        if found:
            means = _add_to(rows, found)
            columns += means
            metrics |= means
            valid |= dict.fromkeys(means, len(found))
            for logger in trainer.loggers:
                if not isinstance(logger, CSVLogger):
                    logger.log_metrics({f"test/{name}": value for name, value in means.items()})
        summary = {
            "split": split,
            "samples": len(rows),
            "undefined": undefined,
            "faithfulness": len(found),
            "attention": run_console.attention(module.config),
            "oracle": module.oracle,
            "gaze": "predicted" if isinstance(data.condition, Predicted) else "own",
            **({"gaze_by": str(data.condition.checkpoint)} if isinstance(data.condition, Predicted) else {}),
            "simulated_gaze": data.dataset(split).simulated,
            "metrics": {name: value if math.isfinite(value) else None for name, value in sorted(metrics.items())},
            **({"references": references} if references else {}),
            **(source or {}),
        }
        table = {key: [row[key] for row in rows] for key in ["id", *columns]}
        pq.write_table(pa.table(table, schema=_schema(columns)), folder / "samples.parquet")
        if (maps := gather(module, data, split)) is not None:
            maps.save(folder / "maps.npz")
        # last, and whole or not at all: a run that has it is finished
        study.write(folder / "metrics.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")
        why = ""
        if measured and not found:
            why = "the model has no attention" if answers(module) else f"{type(module).__name__} gives no answer"
        run_console.show(summary, valid, data, why)
    return metrics


def _add_to(rows: list[dict[str, Any]], found: dict[int, dict[str, float]]) -> dict[str, float]:
    """Give some rows, by their place, more values, and the others NaN; their means."""
    names = next(iter(found.values()))
    for place, row in enumerate(rows):
        row.update(found.get(place, dict.fromkeys(names, math.nan)))
    return {name: statistics.fmean(values[name] for values in found.values()) for name in names}


def _references(cfg: DictConfig, data: DataModule, module: AlignedModule) -> dict[str, dict[str, float]]:
    """What the attention's scores are to be read beside, where there is gaze to make it of and a place to keep it."""
    if not cfg.cache or not all(data.some_gaze(split) for split in get_args(Split)):
        return {}
    kinds = module.attention_metrics

    def metrics() -> MetricCollection:
        return MetricCollection({name: kind() for name, kind in kinds.items()})

    rows = cached_reference_rows(
        cfg.cache, data.dataset("train"), data.dataset("test"), module.alignment.sigma, metrics
    )
    return {name: {f"attention_{key}": value for key, value in row.items()} for name, row in rows.items()}


def _schema(columns: list[str]) -> pa.Schema:
    return pa.schema([("id", pa.string()), *((name, pa.float64()) for name in columns)])


def _gather(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all processes in the dataset's order: process r scored samples r, r + world, ..."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return rows
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, rows)
    return [row for turn in itertools.zip_longest(*parts) for row in turn if row is not None]
