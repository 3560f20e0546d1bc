"""AlignedModule: the one LightningModule. A task fills in three methods."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

import haa
from haa.alignment import Alignment
from haa.attention import AttentionSource
from haa.attention.host import evaluating, read, watching
from haa.batch import Batch, Output, in_unit_range, stills
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.metrics import CC, NSS, AUCJudd, KLDivergence, Spearman
from haa.metrics.scoring import score
from haa.text import Vocabularies, pack

Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Scheduler = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]


class AlignedModule(pl.LightningModule, ABC):
    """A task whose model is pulled, by ``alignment``, to look where people look.

    ``loss = task_loss + weight * alignment``, the weight being what ``alignment`` says at this point of training
    (logged as ``train/align_weight``). With weight 0 the alignment is still measured, without a graph,
    so that a baseline logs the same columns. Every evaluation scores the attention against the true human gaze.

    Args:
        model: a plain module; what it takes and gives is between it and the task.
        alignment: None is `Alignment()`, the baseline.
        optimizer: makes an optimiser from the trainable parameters; AdamW by default.
        scheduler: makes a learning-rate scheduler from the optimiser and the number of steps; stepped every step.
        vocabularies: what `vocabularies` of the task built from the training split.
    """

    main_metrics: ClassVar[tuple[str, ...] | None] = None
    """Which of the task's metrics the progress bar shows; None is all."""
    attention_metrics: ClassVar[dict[str, Callable[[], Metric]]] = {
        "nss": NSS,
        "cc": CC,
        "kl": KLDivergence,
        "auc_judd": AUCJudd,
        "spearman": partial(Spearman, grid=(14, 14)),
    }
    """What the attention is scored by against the human gaze; Spearman as in VQA-HAT (Das et al., EMNLP 2016)."""

    def __init__(
        self,
        model: nn.Module,
        alignment: Alignment | None = None,
        optimizer: Optimizer = torch.optim.AdamW,
        scheduler: Scheduler | None = None,
        vocabularies: Vocabularies | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.alignment = Alignment() if alignment is None else alignment
        self.vocabularies: Vocabularies = vocabularies or {}
        self.config: dict[str, Any] | None = None
        """The resolved config that this module was built from; it travels in the checkpoint."""
        self.attention: AttentionSource | None = None
        """Where the map comes from that is aligned, scored and drawn; None is what the model returns. See `watch`."""
        self.oracle = False
        """Whether the human map is inserted as the attention itself, an upper bound. See `insert_human_maps`."""
        self.samples: list[dict[str, Any]] = []
        """One row per sample of the last test: its id and every metric that has a value per sample."""
        self._optimizer, self._scheduler = optimizer, scheduler
        self.scores = nn.ModuleDict({stage: self._make_scores(stage) for stage in ("val", "test")})

    @classmethod
    def build_vocabularies(cls, dataset: GazeDataset) -> Vocabularies:
        """What the task needs to know of the training split's texts; the model gets ``<name>_vocab=len(...)``."""
        return {}

    @abstractmethod
    def step(self, batch: Batch) -> Output:
        """One forward pass: the task loss, the prediction and where the model looked."""

    @abstractmethod
    def make_metrics(self) -> MetricCollection:
        """The task's metrics."""

    @abstractmethod
    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        """Let the task's metrics see one batch."""

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        """How probable the model finds, for these pictures, what it gave for another: what faithfulness is measured by.

        A task whose prediction could not be called an answer leaves it out, and is not measured.

        Args:
            batch: one sample b times, with pictures that differ.
            given: what `step` returned for that sample, alone, in evaluation mode.

        Returns:
            Values in [0, 1].
        """
        raise NotImplementedError(f"{type(self).__name__} gives no answer")

    def watch(self, source: AttentionSource | None) -> None:
        """Take the map of an attention source in place of the model's own; None goes back to the model's.

        Raises:
            InputError: if a layer that the source names is not in the model; the message has those that are.
        """
        if source is not None:
            with watching(source, self.model):
                pass
        self.attention = source

    def insert_human_maps(self) -> None:
        """From now on samples with gaze are looked at by the human map, in training and evaluation: an upper bound.

        Raises:
            InputError: if the model's ``forward`` takes no ``attention``, or an attention source is watched.
        """
        if "attention" not in inspect.signature(self.model.forward).parameters:
            raise InputError(
                f"condition=oracle inserts the human map as the attention, and {type(self.model).__name__}.forward "
                "takes none: give it an argument attention=None (b, p, q), or choose another model"
            )
        if self.attention is not None:
            raise InputError("condition=oracle inserts into the model's own attention: give attention=native")
        self.oracle = True

    def insertion(self, batch: Batch) -> dict[str, Tensor]:
        """What a task's `step` calls its model with besides: for the oracle ``attention``, the human maps.

        A map is at the image's size; it is all zero where a sample has no gaze. Empty for every other condition.
        """
        if not self.oracle:
            return {}
        pictures = stills(batch)
        human, has = self.alignment.human(pictures, (pictures["image"].shape[-2], pictures["image"].shape[-1]))
        shown = torch.where(has[:, None, None], human, 0.0)
        return {"attention": shown.unflatten(0, batch["clip"].shape[:2]) if "clip" in batch else shown}

    def look(self, batch: Batch) -> Output:
        """`step`, its attention being that of the source where there is one.

        In training the source reads the step's own forward pass, and with weight 0 it is left out: the baseline costs
        what it costs without one, and is measured in evaluation. There a source that needs a graph gets one, and
        nothing of it is kept.
        """
        if self.attention is None:
            return self.step(batch)
        if self.training:
            if self.alignment.weight == 0:
                return replace(self.step(batch), attention=None)
            with watching(self.attention, self.model) as source:
                output = self.step(batch)
                return replace(output, attention=_seen(source, output, batch))
        with evaluating(self.attention, self.model, batch) as (source, batch):
            output = self.step(batch)
            with torch.no_grad():
                attention = _seen(source, output, batch).detach()
        prediction = output.prediction.detach() if isinstance(output.prediction, Tensor) else output.prediction
        return replace(output, loss=output.loss.detach(), prediction=prediction, attention=attention, score=None)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        batch = in_unit_range(batch)
        output = self.look(batch)
        loss, log = output.loss, {"train/task_loss": output.loss.detach()}
        if output.attention is not None and self.oracle:
            # where somebody looked the map is the human one and has no gradient, elsewhere nothing is aligned
            log["train/align_loss"] = self.alignment(output.attention.detach(), batch).detach()
        elif output.attention is not None:
            progress = self.alignment.progress(self._trainer)
            loss, seen = self.alignment.join(loss, output.attention, batch, progress, self.named_parameters())
            log |= {f"train/{name}": value for name, value in seen.items()}
        elif self.alignment.weight > 0:
            raise InputError(
                f"align_weight={self.alignment.weight}, but {type(self.model).__name__} returns no attention: "
                "give align_weight=0"
            )
        self.log_dict(log, prog_bar=True, on_step=False, on_epoch=True, batch_size=len(batch["id"]))
        self.log("train/loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(batch["id"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, "test")

    def on_train_epoch_end(self) -> None:
        loss = self.trainer.callback_metrics.get("train/loss")
        if loss is not None and not torch.isfinite(loss):
            raise InputError(
                f"the training loss is {loss.item()} in epoch {self.current_epoch}: lower optimizer.lr or align_weight"
            )

    def on_test_epoch_start(self) -> None:
        self.samples = []

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def configure_optimizers(self) -> Any:
        optimizer = self._optimizer([p for p in self.parameters() if p.requires_grad])
        if self._scheduler is None:
            return optimizer
        scheduler = self._scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["haa"] = {"version": haa.__version__, "config": self.config, "vocabularies": pack(self.vocabularies)}

    def _make_scores(self, stage: str) -> nn.ModuleDict:
        task = self.make_metrics()
        task.prefix = f"{stage}/"
        attention = MetricCollection(
            {name: metric() for name, metric in self.attention_metrics.items()}, prefix=f"{stage}/attention_"
        )
        return nn.ModuleDict({"loss": MeanLoss(), "task": task, "attention": attention})

    def _score(self, batch: Batch, stage: str) -> None:
        scores: Any = self.scores[stage]
        batch = in_unit_range(batch)
        output = self.look(batch)
        scores["loss"].update(output.loss, len(batch["id"]) if output.count is None else output.count)
        self.update_metrics(scores["task"], output, batch)
        columns: dict[str, Tensor] = {}
        for name, metric in scores["task"].items(keep_base=True):
            columns |= _values(name, metric)
        if output.attention is not None and ("fixations" in batch or "density" in batch):
            seen = score(scores["attention"], output.attention.detach(), batch, self.alignment.sigma)
            columns |= {name.removeprefix(f"{stage}/"): values for name, values in seen.items()}
        if stage == "test":
            kept = {name: values.tolist() for name, values in columns.items()}
            self.samples += [
                {"id": name, **{key: values[i] for key, values in kept.items()}} for i, name in enumerate(batch["id"])
            ]

    def _log_scores(self, stage: str) -> None:
        scores: Any = self.scores[stage]
        self.log(f"{stage}/loss", scores["loss"].compute())
        for collection in (scores["task"], scores["attention"]):
            seen = any(metric.update_called for metric in collection.values())
            if seen:
                for name, value in collection.compute().items():
                    main = self.main_metrics is None or name.removeprefix(f"{stage}/") in self.main_metrics
                    self.log(name, value, prog_bar=stage == "val" and collection is scores["task"] and main)
                if stage == "test":
                    self._add_columns(collection)
            collection.reset()
        scores["loss"].reset()

    def _add_columns(self, collection: MetricCollection) -> None:
        """Values per sample that a metric knows only at the end, for the samples that this process scored."""
        for metric in collection.values():
            for name, values in getattr(metric, "per_image", {}).items():
                world, rank = self.trainer.world_size, self.trainer.global_rank
                start = sum(len(range(before, len(values), world)) for before in range(rank))
                for row, value in zip(self.samples, values[start:].tolist(), strict=False):
                    row[name] = value


class MeanLoss(Metric):
    """The mean of batches' losses, each weighted by the samples that it is a mean over, also across processes.

    torchmetrics' MeanMetric either waits for the host to look for NaN or, told not to, drops the weights.

    Example:
        >>> mean = MeanLoss()
        >>> mean.update(torch.tensor(1.0), 3)
        >>> mean.update(torch.tensor(5.0), torch.tensor(1))
        >>> mean.compute()
        tensor(2.)
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, loss: Tensor, count: Tensor | int) -> None:
        self.total += loss.detach() * count
        self.count += count

    def compute(self) -> Tensor:
        return self.total / self.count


def _seen(source: AttentionSource, output: Output, batch: Batch) -> Tensor:
    """The source's map; models of clips take frames for pictures, and theirs are put back into clips."""
    seen = read(source, output.score, output.words)
    return seen.unflatten(0, batch["clip"].shape[:2]) if "clip" in batch else seen


def _values(name: str, metric: Any) -> dict[str, Tensor]:
    """The values per sample of the last update, where the metric has such a thing (a corpus score has not)."""
    if several := getattr(metric, "per_sample", None):
        return several
    values = getattr(metric, "values", None)
    return {} if values is None else {name: values}
