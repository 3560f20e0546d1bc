"""Alignment in Hugging Face's Trainer: a Trainer with a source, an alignment and an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from haa.alignment import Alignment
from haa.alignment.any_batch import Named, named
from haa.alignment.last_pass import Evaluates, LastPass
from haa.alignment.loop import Aligner, Reader, gaze_of
from haa.alignment.precision import GAZE
from haa.errors import InputError, needs
from haa.gaze import pad
from haa.geometry.receptive_field import forget

needs("haa.AlignedTrainer", "haa[huggingface]", "transformers", "accelerate")
from transformers import Trainer  # noqa: E402  # the line above says what to install where it is not there

KEPT = (*GAZE, "has_human", "native_size", "subject", "native_subject", "id")
"""Keys of a sample that are haa's and no arguments of the model."""


class AlignedTrainer(Trainer):
    """Hugging Face's Trainer, which adds the alignment to the loss, and evaluates it.

    It takes all that a Trainer takes. To combine it with a Trainer of yours: ``class Both(AlignedTrainer, Yours)``.

    Samples have ``fixations`` ``(n, 2)`` (x, y in pixels of ``pixel_values``), of any number n, or ``density``
    ``(h, w)``; they pass the collator and ``remove_unused_columns``, and never reach the model. ``align_loss`` and
    ``align_weight`` are logged beside ``loss``. With ``evaluate=``, ``eval_attention_nss`` and the like are logged
    beside ``eval_loss``, and ``trainer.predict(test_dataset)``, or ``trainer.evaluate(test_dataset,
    metric_key_prefix="test")``, leaves a run folder that ``haa report`` reads.

    Args:
        *args: What a Trainer takes.
        source: Source of the map: one of `haa.attention`, or a function from the model to its last map.
        alignment: The loss, its weight and its schedule.
        batch: Function from the inputs with their gaze to a mapping with ``image`` and ``fixations`` or ``density``.
            None takes the model's main input, ``pixel_values`` for one, for the image.
        evaluate: `haa.Evaluation`; its ``score`` gets the model's output and the inputs. None evaluates nothing.
        **kwargs: What a Trainer takes.

    Raises:
        InputError: If transformers is not installed; if the Trainer runs `torch.nn.DataParallel`; if a batch has no
            image, the map no gradient, or a test that is to leave a run folder runs in several processes.
    """

    def __init__(
        self,
        *args: Any,
        source: Reader,
        alignment: Alignment,
        batch: Named | None = None,
        evaluate: Evaluates | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.source, self.alignment, self.evaluation = source, alignment, evaluate
        self._named_by = batch
        self.data_collator = _WithGaze(self.data_collator)
        self._aligner: Aligner | None = None
        self._last_pass: LastPass | None = None
        self._samples: Any = None
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._validations: dict[int, float | None] = {}
        if evaluate is not None:
            evaluate.refuse_finished()
        if self.args.n_gpu > 1:
            raise InputError(
                f"the Trainer copies the model to {self.args.n_gpu} GPUs (DataParallel), where no source watches it: "
                "start it with torchrun, or let it see one GPU (CUDA_VISIBLE_DEVICES=0)"
            )

    def train(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().train(*args, **kwargs)
        finally:
            if self._aligner is not None:
                self._aligner.detach()
            self._aligner = None

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, *args: Any, **kwargs: Any
    ) -> Any:
        """Return the loss with the alignment added; in evaluation, the loss."""
        if not model.training:
            return super().compute_loss(model, _without_gaze(inputs), return_outputs, *args, **kwargs)
        whole = self.accelerator.unwrap_model(model)
        if self._aligner is None:  # a Trainer makes or wraps its model as late as here
            self._aligner = Aligner(whole, self.source, self.alignment, self._named)
        given = dict(inputs)
        loss, output = super().compute_loss(model, _without_gaze(inputs), True, *args, **kwargs)
        total = self._aligner(loss, given, self.alignment.progress(self.state.global_step, self.state.max_steps))
        self._sums = {name: self._sums.get(name, 0) + value for name, value in self._aligner.log.items()}
        self._steps += 1
        # a loss that is a share of the accumulated batches' already is not divided by their number any more
        total = loss + (total - loss) / (self.current_gradient_accumulation_steps if self._scaled(kwargs) else 1)
        return (total, output) if return_outputs else total

    def prediction_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Return loss, predictions and labels, and score the attention."""
        given = self._prepare_inputs(dict(inputs))
        found = super().prediction_step(model, _without_gaze(inputs), *args, **kwargs)
        if self._last_pass is not None:
            with self.compute_loss_context_manager():
                output, maps, extent, replay = self._last_pass.look()
            self._samples.add(given, gaze_of(given, self._named), output, maps, extent, replay)
        return found

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> Any:
        """Run the Trainer's own, and score the attention in it."""
        inner, model = super().evaluation_loop, self.model
        assert model is not None
        told = (dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        if self.evaluation is None:
            return inner(*told)
        test = metric_key_prefix == "test"
        if test and self.args.world_size > 1:
            raise InputError(
                f"evaluate= scores each sample once, and this test runs in {self.args.world_size} processes, which "
                "repeat some: test in one"
            )
        if test:
            forget(model)
        self._samples = self.evaluation.samples(test)
        self._last_pass = LastPass(model, self.source, attach=self._aligner is None)
        try:
            found = inner(*told)
            if test:
                with torch.no_grad():
                    scores = self.evaluation.write(self._samples, self.alignment, self._validation())
            else:
                scores = {f"attention_{name}": value.item() for name, value in self._samples.attention().items()}
                self._validations[self.state.global_step] = self._samples.mean(self.evaluation.metric)
        finally:
            self._last_pass.leave()
            self._last_pass = self._samples = None
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in scores.items()}
        return found._replace(metrics={**(found.metrics or {}), **metrics})

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log, beside the training loss, the mean alignment loss since it was last logged."""
        if "loss" in logs and self._steps:
            logs |= {name: (total / self._steps).item() for name, total in self._sums.items()}
            self._sums, self._steps = {}, 0
        super().log(logs, *args, **kwargs)

    def _named(self, inputs: Any) -> Mapping[str, Any]:
        if self._named_by is not None:
            return self._named_by(inputs)
        image = getattr(self.accelerator.unwrap_model(self.model), "main_input_name", "pixel_values")
        found = {key: inputs[key] for key in KEPT if key in inputs}
        return {**found, "image": inputs[image]} if image in inputs else named(inputs)

    def _validation(self) -> float | None:
        """Return how the weights that are tested did on the validation split."""
        best = self.state.best_global_step if self.args.load_best_model_at_end else None
        return self._validations.get(self.state.global_step if best is None else best)

    def _scaled(self, kwargs: Mapping[str, Any]) -> bool:
        told = getattr(self, "loss_is_scaled_for_ga", None)
        counted = self.model_accepts_loss_kwargs and kwargs.get("num_items_in_batch") is not None
        return bool(counted or self.compute_loss_func is not None if told is None else told)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns: Any = list(dict.fromkeys([*(self._signature_columns or ()), *KEPT]))


class _WithGaze:
    """A collator that takes gaze past another one, which may know nothing of it."""

    def __init__(self, collator: Callable[[list[Any]], Any]) -> None:
        self.collator = collator

    def __call__(self, features: Sequence[Any]) -> Any:
        apart = [{key: value for key, value in dict(one).items() if key in KEPT} for one in features]
        batch = dict(self.collator([{k: v for k, v in dict(one).items() if k not in KEPT} for one in features]))
        for key in apart[0]:
            batch[key] = _collated(key, [one[key] for one in apart])
        return batch


def _collated(key: str, values: list[Any]) -> Any:
    if key in ("id", "native_size"):
        return [str(value) if key == "id" else tuple(value) for value in values]
    tensors = [torch.as_tensor(value) for value in values]
    if key.endswith("fixations"):
        return pad([points.float().reshape(-1, 2) for points in tensors])
    if key in ("density", "own_density", "has_human"):
        return torch.stack(tensors)
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)


def _without_gaze(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key not in KEPT}
