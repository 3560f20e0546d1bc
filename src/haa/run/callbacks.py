"""Callbacks of a run: what stops it, a seed per epoch, and pictures of where people and the machine looked."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from haa.batch import human_maps, image_size, middle
from haa.disk import make_folder, write_whole
from haa.geometry.extent import over_picture
from haa.run.stopping import check_stopped, hold_signals
from haa.tasks.aligned_module import AlignedModule

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Signals(pl.Callback):
    """Lets a signal stop a run at once, or after the batch at the latest; the Trainer has taken the signals by then."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        hold_signals()

    on_test_start = on_train_start

    def on_train_batch_end(self, *rest: Any) -> None:
        check_stopped()

    def on_validation_batch_end(self, *rest: Any) -> None:
        check_stopped()

    def on_test_batch_end(self, *rest: Any) -> None:
        check_stopped()


class EpochSeed(pl.Callback):
    """Seeds every epoch by (seed, epoch, process), so that a resumed run draws what the undisturbed one would have.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        torch.manual_seed((self.seed * 100_003 + trainer.current_epoch) * 1_009 + trainer.global_rank)


class EarlyStopping(pl.callbacks.EarlyStopping):
    """Lightning's early stopping, which stays stopped: a run that stopped and was then cut off trains no further."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class Pictures(pl.Callback):
    """Pictures of a few validation samples at the end of training: image, both maps and their difference.

    Of a clip it is the middle frame. A captioner's words follow, each with where it was read. TensorBoard gets the
    pictures too.

    Args:
        folder: Folder of ``val.png`` and ``val_words.png``.
        samples: Number of rows: the first samples of the validation split, so that runs can be compared.
    """

    def __init__(self, folder: str, samples: int = 6) -> None:
        self.folder, self.samples = Path(folder), samples

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(pl_module, AlignedModule):
            return
        from haa.pictures.draw import side_by_side, word_strips  # here: what draws takes longer to import than to draw

        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        drawn: Any = defaultdict(list)  # lists, because pictures may differ in size
        pictures: Any = defaultdict(list)
        words: list[list[str]] = []
        maps_of_words: list[Tensor] = []
        for raw in data.some("val", range(min(self.samples, len(data.dataset("val"))))):
            batch, output = pl_module.probe(raw)
            if output.attention is None:
                return
            part, machine = middle(batch, output.attention)
            assert machine is not None
            machine = over_picture(machine, image_size(part), output.extent)
            human, has_human = human_maps(part, image_size(part), pl_module.score_sigma)
            for key, value in part.items():
                pictures[key] += value
            for key, value in {"human": human, "has_human": has_human, "machine": machine}.items():
                drawn[key] += value
            maps, text = (getattr(output.prediction, name, None) for name in ("attention", "text"))
            if maps is not None and text is not None:
                words += [sentence.split() for sentence in text]
                maps_of_words += list(over_picture(maps, image_size(part), output.extent))
        if not trainer.is_global_zero:  # which took part, because the model may be divided among processes
            return
        whose = "inserted map" if pl_module.oracle else "machine map"
        figure = side_by_side(
            pictures, **drawn, rows=self.samples, simulated=data.dataset("val").simulated, whose=whose
        )
        self._keep(trainer, "val", figure)
        if words:
            self._keep(trainer, "val_words", word_strips(pictures, words, maps_of_words, rows=self.samples))

    def _keep(self, trainer: pl.Trainer, name: str, figure: Figure) -> None:
        make_folder(self.folder)
        path = self.folder / f"{name}.png"
        write_whole(path, lambda file: figure.savefig(file, format="png", dpi=110))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_figure(f"pictures/{name}", figure, trainer.global_step)
