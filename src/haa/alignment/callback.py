"""AlignmentCallback: human attention for a LightningModule that has never heard of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
from torch import Tensor, nn
from torch._dynamo import OptimizedModule

from haa.alignment import Alignment
from haa.alignment.loop import Aligner, Reader, check_batch, is_source
from haa.batch import Batch
from haa.errors import InputError


class AlignmentCallback(pl.Callback):
    """Adds the alignment to the loss that a module's ``training_step`` returns.

    The step itself is wrapped, so the sum goes wherever the loss would have gone: gradient accumulation, mixed
    precision, clipping and DDP treat it as they would have treated the loss. The module, its checkpoints and its
    optimisers stay what they are. ``train/align_loss`` and ``train/align_weight`` are logged.

    Args:
        source: where the map comes from: one of `haa.attention`, or a function from the module to its last map.
        alignment: the loss, its weight and its schedule.
        model: dotted name of the part of the module that the source watches, the one that is called with the image and
            returns the prediction. None is the module's only part that has parameters, or else the module itself.
        batch: makes of the module's batch a mapping with ``image`` and ``fixations`` or ``density``; None where it is
            one.

    Raises:
        InputError: at the start of training, if the module optimises by hand (its loss never passes by), is compiled
            (what is watched would be compiled away), has no part named ``model``, or no layer that the source names;
            in training, if a batch has no image, or the map has no gradient.

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
        batch: Callable[[Any], Batch] | None = None,
    ) -> None:
        self.source, self.alignment, self.model, self.batch = source, alignment, model, batch
        self._aligner: Aligner | None = None
        self._wrapped: tuple[Any, Any] | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        if not pl_module.automatic_optimization:
            raise InputError(
                f"{type(pl_module).__name__} optimises by hand (automatic_optimization=False), so its loss never "
                "leaves training_step: add haa.align's term to it there"
            )
        _refuse_compiled(pl_module)
        inner = pl_module.training_step

        @functools.wraps(inner)
        def training_step(*args: Any, **kwargs: Any) -> Any:
            output = inner(*args, **kwargs)
            if self._aligner is None or output is None:  # None skips the batch
                return output
            return self._add(pl_module, output, args[0] if args else next(iter(kwargs.values())))

        # DDP calls training_step by its name on the module itself, so that it sees this one too
        training_step.before = pl_module.__dict__.get("training_step")  # type: ignore[attr-defined]
        self._wrapped = pl_module, training_step
        pl_module.training_step = training_step  # type: ignore[method-assign]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # a module may make its layers in setup or configure_model, which come after this callback's setup
        _refuse_compiled(pl_module)
        watched = _part(pl_module, self.model)
        source: Any = self.source
        # a function is given the module, whatever part of it a source would watch
        reader = source if is_source(source) else lambda _: source(pl_module)
        self._aligner = Aligner(watched, reader, self.alignment)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._undo()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._undo()

    def _add(self, pl_module: pl.LightningModule, output: Any, batch: Any) -> Any:
        assert self._aligner is not None
        batch = batch if self.batch is None else self.batch(batch)
        check_batch(batch)
        loss: Tensor = output["loss"] if isinstance(output, Mapping) else output
        total = self._aligner(loss, batch, self.alignment.progress(pl_module.trainer))
        log = {f"train/{name}": value for name, value in self._aligner.log.items()}
        pl_module.log_dict(log, on_step=False, on_epoch=True, batch_size=len(batch["image"]))
        return {**output, "loss": total} if isinstance(output, Mapping) else total

    def _undo(self) -> None:
        if self._aligner is not None:
            self._aligner.detach()
            self._aligner = None
        if self._wrapped is None:
            return
        pl_module, mine = self._wrapped
        self._wrapped = None
        mine.over = True
        # another callback may have wrapped this one since: then the last to leave takes all that are over away
        step = pl_module.__dict__.get("training_step")
        while getattr(step, "over", False):
            step = step.before
            del pl_module.training_step
            if step is not None:
                pl_module.training_step = step


def _part(pl_module: pl.LightningModule, name: str | None) -> nn.Module:
    if name is None:
        parts = [child for child in pl_module.children() if any(True for _ in child.parameters())]
        return parts[0] if len(parts) == 1 else pl_module
    try:
        return pl_module.get_submodule(name)
    except AttributeError:
        there = ", ".join(child for child, _ in pl_module.named_children())
        raise InputError(f"model={name} is no part of {type(pl_module).__name__}: there are {there}") from None


def _refuse_compiled(pl_module: pl.LightningModule) -> None:
    compiled = [name for name, module in pl_module.named_modules() if _is_compiled(module)]
    if getattr(pl_module, "_compiler_ctx", None) is not None or compiled:
        part = compiled[0] if compiled and compiled[0] else type(pl_module).__name__
        raise InputError(f"{part} is compiled, and hooks do not see into what is compiled: train without torch.compile")


def _is_compiled(module: nn.Module) -> bool:
    return isinstance(module, OptimizedModule) or getattr(module, "_compiled_call_impl", None) is not None
