"""Alignment as a Lightning callback, for a LightningModule that knows nothing of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.compile import to_uncompiled
from torch import Tensor, nn

from haa.alignment import Alignment
from haa.alignment.any_batch import Named
from haa.alignment.last_pass import Evaluates, LastPass
from haa.alignment.loop import Aligner, Reader, gaze_of, is_source
from haa.alignment.precision import keep_gaze
from haa.errors import InputError
from haa.geometry.receptive_field import forget, plain, restore


class AlignmentCallback(pl.Callback):
    """Callback that adds the alignment to the loss that a module's ``training_step`` returns, and evaluates it.

    It wraps the step itself, so gradient accumulation, mixed precision, clipping and DDP treat the sum as they would
    have treated the loss. The module, its checkpoints and its optimisers stay what they are. ``train/align_loss`` and
    ``train/align_weight`` are logged.

    With ``evaluate=`` the attention in the module's own validation and test steps is scored against the gaze of their
    batches, everybody's own, and logged as haa's tasks do (``val/attention_nss`` ...). ``trainer.test`` leaves a run
    folder that ``haa report`` reads. The steps stay as they are: what the model gave in them is what is scored.

    Args:
        source: Source of the map: one of `haa.attention`, or a function from the module to its last map.
        alignment: The loss, its weight and its schedule.
        model: Dotted name of the part of the module that the source watches: the part that is called with the image and
            returns the prediction. None takes the only part that has parameters, or else the module itself.
        batch: Function from the module's batch to a mapping with ``image`` and ``fixations`` or ``density``. None takes
            the batch as it is.
        evaluate: `haa.Evaluation`; its ``score`` gets what the part ``model`` returned, and the module's batch. None
            evaluates nothing. The validation of the weights that are tested is taken from their checkpoint.

    Raises:
        InputError: If, at the start of training, the module optimises by hand (``training_step`` returns no loss then),
            is compiled whole (its model may be, see docs/compile.md), has no part named ``model``, or no layer that the
            source names. If, in training, a batch has no image, or the map has no gradient. If an evaluation has
            several loaders or does not call the part ``model``; or a test runs in several processes, which would score
            some samples twice.

    Example:
        >>> from haa.attention import GradCAM
        >>> callback = AlignmentCallback(GradCAM("layer4"), Alignment(weight=0.5))
        >>> trainer = pl.Trainer(callbacks=[callback], logger=False, enable_checkpointing=False, accelerator="cpu")
    """

    def __init__(
        self,
        source: Reader,
        alignment: Alignment,
        model: str | None = None,
        batch: Named | None = None,
        evaluate: Evaluates | None = None,
    ) -> None:
        self.source, self.alignment, self.model, self.batch = source, alignment, model, batch
        self.evaluate = evaluate
        self._last_pass: LastPass | None = None
        self._samples: Any = None
        self._validation: float | None = None
        self._aligner: Aligner | None = None
        self._wrapped: tuple[Any, Any] | None = None
        self._cast_again: Callable[[], None] = _nothing

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self.evaluate is not None:
            self.evaluate.refuse_finished()
        if stage != "fit":
            self._cast_again = _nothing if self.evaluate is None else keep_gaze(trainer, self.batch)
            return
        if not pl_module.automatic_optimization:
            raise InputError(
                f"{type(pl_module).__name__} optimises by hand (automatic_optimization=False), so its loss never "
                "leaves training_step: add haa.align's term to it there"
            )
        _refuse_compiled(pl_module)
        self._cast_again = keep_gaze(trainer, self.batch)
        wrapped = pl_module.training_step

        # a function, not an object with __call__: Lightning reads the code and the signature of a step
        @functools.wraps(wrapped)
        def training_step(*args: Any, **kwargs: Any) -> Any:
            output = wrapped(*args, **kwargs)
            if self._aligner is None or output is None:  # None skips the batch
                return output
            return self._add(pl_module, output, args[0] if args else next(iter(kwargs.values())))

        # callbacks may leave in any order, see _undo: a wrapper knows which attribute of the module it replaced (None
        # where the step was the class's) and whether its callback has left
        training_step.before = vars(pl_module).get("training_step")  # type: ignore[attr-defined]
        training_step.over = False  # type: ignore[attr-defined]
        # DDP calls training_step by its name on the module itself, and so calls the wrapper
        self._wrapped = pl_module, training_step
        pl_module.training_step = training_step  # type: ignore[method-assign]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # a module may make its layers in setup or configure_model, which come after this callback's setup
        _refuse_compiled(pl_module)
        self._aligner = Aligner(_part(pl_module, self.model), self._reader(pl_module), self.alignment, self.batch)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._begin(trainer, pl_module, test=False)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.evaluate is None:
            return
        if trainer.world_size > 1:
            raise InputError(
                f"evaluate= scores each sample once, and this test runs in {trainer.world_size} processes, which "
                "repeat some: test with Trainer(devices=1, num_nodes=1)"
            )
        forget(pl_module)  # a model is scored by where its own weights look
        self._begin(trainer, pl_module, test=True)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        with trainer.precision_plugin.val_step_context():
            self._score(batch, dataloader_idx)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        with trainer.precision_plugin.test_step_context():
            self._score(batch, dataloader_idx)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.evaluate is not None and self._samples is not None:
            self._validation = self._samples.mean(self.evaluate.metric)
            pl_module.log_dict({f"val/attention_{name}": x for name, x in self._samples.attention().items()})
        self._end()

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.evaluate is not None and self._samples is not None:
            with trainer.precision_plugin.test_step_context():
                means = self.evaluate.write(self._samples, self.alignment, self._validation)
            pl_module.log_dict({f"test/{name}": x for name, x in means.items() if name.startswith("attention_")})
        self._end()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["haa_geometry"] = plain(pl_module)
        checkpoint["haa_validation"] = self._validation

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        restore(pl_module, checkpoint.get("haa_geometry", {}))
        self._validation = checkpoint.get("haa_validation")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._undo()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._undo()

    def _add(self, pl_module: pl.LightningModule, output: Any, batch: Any) -> Any:
        assert self._aligner is not None
        loss: Tensor = output["loss"] if isinstance(output, Mapping) else output
        trainer, progress = pl_module.trainer, 0.0
        if self.alignment.scheduled:
            progress = self.alignment.progress(trainer.global_step, trainer.estimated_stepping_batches)
        total = self._aligner(loss, batch, progress)
        logged_values = {f"train/{name}": value for name, value in self._aligner.log.items()}
        size = len(gaze_of(batch, self.batch)["image"])
        pl_module.log_dict(logged_values, on_step=False, on_epoch=True, batch_size=size)
        return {**output, "loss": total} if isinstance(output, Mapping) else total

    def _reader(self, pl_module: pl.LightningModule) -> Reader:
        source: Any = self.source
        # a function gets the whole module, even where a source would watch a part of it
        return source if is_source(source) else lambda _: source(pl_module)

    def _begin(self, trainer: pl.Trainer, pl_module: pl.LightningModule, test: bool) -> None:
        if self.evaluate is None or getattr(trainer, "fast_dev_run", False):
            return
        _refuse_compiled(pl_module)
        reader = self._reader(pl_module)
        self._last_pass = LastPass(_part(pl_module, self.model), reader, attach=self._aligner is None)
        self._samples = self.evaluate.samples(test)

    def _score(self, batch: Any, loader: int) -> None:
        if self._samples is None or self._last_pass is None:
            return
        if loader > 0:
            raise InputError("evaluate= scores the samples of one loader, and there are several: give one")
        output, maps, extent, replay = self._last_pass.look()
        self._samples.add(batch, gaze_of(batch, self.batch), output, maps, extent, replay)

    def _end(self) -> None:
        if self._last_pass is not None:
            self._last_pass.leave()
        self._last_pass = self._samples = None

    def _undo(self) -> None:
        self._end()
        self._cast_again()
        self._cast_again = _nothing
        if self._aligner is not None:
            self._aligner.detach()
            self._aligner = None
        if self._wrapped is None:
            return
        pl_module, wrapper = self._wrapped
        self._wrapped = None
        wrapper.over = True
        # a wrapper below that of another callback cannot be removed yet: the last callback to leave removes it too
        outermost = vars(pl_module).get("training_step")
        while getattr(outermost, "over", False):
            outermost = outermost.before
            del pl_module.training_step
            if outermost is not None:
                pl_module.training_step = outermost


def _nothing() -> None:
    """Do nothing; a module's function, so that the callback can be pickled."""


def _part(pl_module: pl.LightningModule, name: str | None) -> nn.Module:
    if name is None:
        parts = [child for child in pl_module.children() if any(True for _ in child.parameters())]
        return parts[0] if len(parts) == 1 else pl_module
    try:
        return pl_module.get_submodule(name)
    except AttributeError:
        parts_there = ", ".join(child for child, _ in pl_module.named_children())
        raise InputError(f"model={name} is no part of {type(pl_module).__name__}: there are {parts_there}") from None


def _refuse_compiled(pl_module: pl.LightningModule) -> None:
    # Lightning unwraps torch.compile(pl_module), and says that it did by what it can take back
    try:
        to_uncompiled(pl_module)
    except ValueError:
        return
    name = type(pl_module).__name__
    raise InputError(
        f"{name} is compiled whole, with steps that haa adds to: compile its model alone, "
        f"self.model = torch.compile(self.model) in {name}.__init__"
    )
