"""What `haa evaluate` does: from a checkpoint to a folder of results."""

from __future__ import annotations

from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf

from haa import build, checkpoint
from haa.data.dataset import Split
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError
from haa.evaluation.faithfulness import check_faithfulness
from haa.evaluation.reference import reference_rows
from haa.run import console, strategies
from haa.run.made import made_by, training_of, with_training
from haa.run.results import Scored, open_folder, write_results
from haa.run.session import equip, log_config, session
from haa.tasks.aligned_module import AlignedModule
from haa.text import Classes


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Score a checkpoint: rebuild its module, read the data it was trained beside (or other data), write the results.

    Args:
        cfg: Config composed from ``conf/evaluate.yaml``.

    Returns:
        The metrics.

    Raises:
        InputError: If the checkpoint or the data cannot be used.
    """
    check_faithfulness(cfg.faithfulness)
    if OmegaConf.is_missing(cfg, "checkpoint"):
        raise InputError("checkpoint is missing: give checkpoint=outputs/.../checkpoints/best.ckpt")
    with session(cfg):
        module, trained = checkpoint.load(cfg.checkpoint, cfg.trust)
        if cfg.split not in get_args(Split):
            raise InputError(f"split={cfg.split}: there are {', '.join(get_args(Split))}")
        merged = _merged(trained, cfg)
        merged = build.checked(merged, cfg.trust)
        data = build.datamodule(merged)
        module.check_data(data.dataset(cfg.split))
        if isinstance(classes := module.vocabularies.get("class"), Classes):
            classes.check(data.dataset(cfg.split))
        module.score_sigma = data.human_sigma(cfg.split).share
        made = made_by(data, module, splits=[cfg.split])
        folder = open_folder(with_training(merged, trained), made)
        console.announce(merged, data, folder.path, module)
        trainer = strategies.trainer(merged)
        equip(trainer)
        log_config(trainer, module)

        trainer.test(module, dataloaders=data.evaluation(cfg.split), verbose=False)

        references = _references(cfg, data, module) if trainer.is_global_zero else {}
        scored = Scored(trainer, module, data, cfg.split)
        path = str(cfg.checkpoint)
        return write_results(folder, scored, cfg.faithfulness, references, made, training_of(path), path)


def _merged(trained: DictConfig, cfg: DictConfig) -> DictConfig:
    """Return the config that a checkpoint was trained with, and what this command says of data, loader and output."""
    merged = trained.copy()
    OmegaConf.set_struct(merged, False)
    merged.loader = OmegaConf.merge(trained.loader, cfg.loader)
    if cfg.get("data"):
        merged.data = cfg.data if "_target_" in cfg.data else OmegaConf.merge(trained.data, cfg.data)
    progress = {"_target_": "pytorch_lightning.callbacks.RichProgressBar"}
    own: dict[str, Any] = {
        "trainer": cfg.trainer,
        "output_dir": cfg.output_dir,
        "faithfulness": cfg.faithfulness,
        "logger": cfg.get("logger") or {},
        "callbacks": {"progress": progress, **(cfg.get("callbacks") or {})},
    }
    for key, value in own.items():
        merged[key] = value
    return merged


def _references(cfg: DictConfig, data: DataModule, module: AlignedModule) -> dict[str, dict[str, float]]:
    """Return the rows beside which a saliency model's scores are read."""
    if not cfg.reference or not module.predicts_gaze or data.human_sigma("train").origin == "published maps":
        return {}
    return reference_rows(data.dataset("train"), data.dataset(cfg.split), module.score_sigma, cfg.seed)
