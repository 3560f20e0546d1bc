"""Checkpoints on the disk: whole or not there, and nothing is run that is in them."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io import TorchCheckpointIO

from haa import checkpoint
from haa.disk import make_folder, write_whole
from haa.errors import InputError, reading
from haa.models.weights import not_finite


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: the one before stays until the new one is on the disk.

    Lightning's own goes through the folder of temporary files, from which a file may be moved by copying it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            InputError: If its weights are not finite, or the disk refuses it; the file that was there stays.
        """
        path = Path(path)
        if (name := not_finite(checkpoint.get("state_dict", {}))) is not None:
            cure = "train again with a lower learning rate, lr=..., or a smaller align_weight"
            epoch = checkpoint.get("epoch")
            raise InputError(f"the training diverged in epoch {epoch}: {name} has NaN or infinite values: {cure}")
        make_folder(path.parent)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole(path, lambda file: file.write(content.getbuffer()))

    def load_checkpoint(self, path: str | Path, *rest: Any, **options: Any) -> dict[str, Any]:
        """Return what `haa.checkpoint.to_resume` does."""
        return checkpoint.to_resume(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint; a folder is none of these, and stays."""
        if not Path(path).is_dir():
            Path(path).unlink(missing_ok=True)


def keep_whole(trainer: pl.Trainer) -> None:
    """Let a Trainer write its checkpoints whole, unless its strategy or its user has a way of its own.

    What of a checkpoint does not fit the optimizer, when it is restored, is the file's fault and said so.
    """
    with contextlib.suppress(NotImplementedError):  # sharded strategies write folders
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = WholeCheckpoints()
    load = trainer.strategy.load_optimizer_state_dict

    def restore(checkpoint: Any) -> None:
        with reading(f"checkpoint={trainer.ckpt_path}", "its optimizer's state does not fit: train anew"):
            load(checkpoint)

    trainer.strategy.load_optimizer_state_dict = restore  # type: ignore[method-assign]
