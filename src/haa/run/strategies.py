"""How the processes of a run share its work, ``trainer.strategy``; what of it cannot be is refused before training."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.strategies import ModelParallelStrategy

from haa import build, checkpoint
from haa.alignment.schedule import GradientNorm
from haa.errors import InputError, suggest
from haa.roles import locate
from haa.tasks.aligned_module import AlignedModule
from haa.tasks.sharding import shard, whole_state

WORDS = ("auto", "ddp", "ddp_find_unused_parameters_true", "fsdp")
"""What ``trainer.strategy`` may say; a class of Lightning's is named by ``trainer.strategy._target_``."""


class FullySharded(ModelParallelStrategy):
    """PyTorch's FSDP2: parameters, gradients and the optimizer's state are divided among the processes of a training.

    Checkpoints are whole, one file, as those of every other run. Evaluation and what follows training run on whole
    parameters.
    """

    def __init__(self) -> None:
        super().__init__(save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        self._data_parallel_size, self._tensor_parallel_size = self.num_nodes * self.num_processes, 1
        super().setup_environment()

    def setup(self, trainer: pl.Trainer) -> None:
        if trainer.training:
            shard(trainer.lightning_module.model, self.device_mesh["data_parallel"])  # type: ignore[arg-type]
        super().setup(trainer)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        content = checkpoint.to_resume(checkpoint_path)
        super().load_checkpoint(checkpoint_path, weights_only=True)
        return content


def trainer(cfg: DictConfig) -> pl.Trainer:
    """Return the Trainer of a config, with the strategy that ``trainer.strategy`` names.

    Raises:
        InputError: If there is no such strategy here, or something in the config does not go with it.
    """
    return build.trainer(cfg, **_strategy(cfg))


def make_whole(trainer: pl.Trainer, module: AlignedModule, cfg: DictConfig) -> None:
    """Give a module whose parameters a training has divided a model that has them all, in every process."""
    if isinstance(trainer.strategy, FullySharded):
        state = whole_state(module.model)
        module.model = build.module(cfg, module.vocabularies).model
        module.model.load_state_dict(state)


def _strategy(cfg: DictConfig) -> dict[str, Any]:
    word = cfg.trainer.get("strategy", "auto")
    if not isinstance(word, str) or word == "auto":
        return {}
    if word.startswith("deepspeed"):
        raise InputError(
            f"trainer.strategy={word}: DeepSpeed keeps its checkpoints as pickles, which haa does not load: give "
            "trainer.strategy=fsdp, which divides the same among processes"
        )
    if word.startswith("ddp_") and word not in WORDS:
        raise InputError(f"trainer.strategy={word} ends its processes before the scores are written: give ddp")
    if word not in WORDS:
        raise InputError(f"trainer.strategy={word}: {suggest(word, WORDS)}")
    if word != "fsdp":
        return {}
    _check_sharded(cfg)
    return {"strategy": FullySharded(), "inference_mode": False}  # whose tensors no later step could change


def _check_sharded(cfg: DictConfig) -> None:
    """Refuse what reads or calls parts of a model by itself: it would find a process' share of the parameters."""

    def refuse(key: str, why: str) -> None:
        raise InputError(f"{key} {why}, which trainer.strategy=fsdp cannot: change it, or give trainer.strategy=ddp")

    schedule = cfg.alignment.get("schedule")
    if schedule is not None and locate(schedule["_target_"]) is GradientNorm:
        refuse("alignment.schedule", "asks for the gradient of each loss")
    if cfg.get("attention") and locate(cfg.attention["_target_"]).needs_graph:
        refuse("attention", "asks for a gradient within the step")
    if cfg.task.module.get("all_references"):
        refuse("task.module.all_references=true", "runs the backbone apart from its model")
    precision = str(cfg.trainer.get("precision") or 32)
    if precision not in ("32", "32-true", "bf16-mixed", "bf16-true"):
        refuse(f"trainer.precision={precision}", "scales its gradients")
