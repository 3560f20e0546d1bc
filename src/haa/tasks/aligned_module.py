"""AlignedModule: the one LightningModule. A task fills in three methods."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torchmetrics import Metric, MetricCollection

import haa
from haa.alignment import Alignment
from haa.alignment.precision import keep_gaze
from haa.attention import AttentionSource
from haa.attention.host import evaluating, placed, watching
from haa.batch import Batch, Output, human_maps, image_size, in_unit_range, ready, stills
from haa.data.dataset import SIGMA, GazeDataset
from haa.data.loading.datamodule import DataModule
from haa.errors import InputError
from haa.geometry.extent import WHOLE, Extent
from haa.geometry.receptive_field import extent_of, extents, following, forget, known, looks_at, plain, restore
from haa.metrics import CC, NSS, AUCJudd, KLDivergence, Spearman
from haa.metrics.mean_loss import MeanLoss
from haa.metrics.scoring import score
from haa.metrics.values import directions, values_per_sample
from haa.models.backbone.base import backbone_weights
from haa.run_folder import chosen
from haa.tasks.sharding import gathered
from haa.text import Vocabularies, pack

Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Scheduler = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]


class AlignedModule(pl.LightningModule, ABC):
    """A task whose model is pulled, by ``alignment``, to look where people look.

    ``loss = task_loss + weight * alignment``, the weight being what ``alignment`` says at this point of training
    (logged as ``train/align_weight``). With weight 0 the alignment is still measured, without a graph,
    so that a baseline logs the same columns. Every evaluation scores the attention against the true human gaze.

    A task implements `step`, `make_metrics` and `update_metrics`. Where it has texts it implements
    `build_vocabularies`, where it can predict without a target `predict`, and where it gives an answer `confidence`;
    one that is to be exported as a graph, and whose `predict` reads or returns other things than tensors, `graph`.

    Args:
        model: A plain module; what it takes and gives is between it and the task.
        alignment: The alignment loss; None is `Alignment()`, the baseline.
        optimizer: Makes an optimiser from the trainable parameters; AdamW by default.
        scheduler: Makes a learning-rate scheduler from the optimiser and the number of steps; stepped every step.
        vocabularies: What `build_vocabularies` of the task built from the training split.
    """

    main_metrics: ClassVar[tuple[str, ...] | None] = None
    """The task's metrics that the progress bar shows; None is all."""
    attention_metrics: ClassVar[dict[str, Callable[[], Metric]]] = {
        "nss": NSS,
        "cc": CC,
        "kl": KLDivergence,
        "auc_judd": AUCJudd,
        "spearman": partial(Spearman, grid=(14, 14)),
    }
    """Metrics of the attention against human gaze; Spearman as in VQA-HAT (Das et al., EMNLP 2016)."""
    predicts_gaze: ClassVar[bool] = False
    """Whether `predict` gives a log-density of fixations, which is then written, and used, as predicted gaze."""
    asks: ClassVar[bool] = False
    """Whether `predict` needs a question with each picture."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Keys that every sample has to have (``image``, ``mask`` ...), so that other data is refused in one line."""

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
        self.backbone_weights: str | None = backbone_weights(model)
        """What the backbone's weights were when training began; it travels in the checkpoint."""
        self._geometry: Any = None
        """Where cells were taken to look in the run that is taken up."""
        self.attention: AttentionSource | None = None
        """Where the map comes from that is aligned, scored and drawn; None is what the model returns. See `watch`."""
        self.stretched = False
        """Whether maps are taken to be stretched over the picture, wherever their cells look."""
        self.oracle = False
        """Whether the human map is inserted as the attention itself, an upper bound. See `insert_human_maps`."""
        self.score_sigma = SIGMA
        """Standard deviation of the human density that maps are scored against, a share of the stimulus' longer side.

        The data's (`haa.data.loading.datamodule.DataModule.human_sigma`), so that scores do not depend on
        ``alignment.sigma``, which blurs what the loss, and an inserted map, is made of.
        """
        self.align_loss_at_start: float | None = None
        """Unweighted alignment loss before the first step of training; it travels in the checkpoint."""
        self.gaze_by_digest: str | None = None
        """SHA-256 of the checkpoint that predicted the gaze it is trained with; it travels in the checkpoint."""
        self.samples: list[dict[str, Any]] = []
        """One row per sample of the last test: its id and every metric that has a value per sample."""
        self._optimizer, self._scheduler = optimizer, scheduler
        self.scores = nn.ModuleDict({stage: self._make_scores(stage) for stage in ("val", "test")})

    @classmethod
    def check_data(cls, dataset: GazeDataset) -> None:
        """Refuse data that the task can do nothing with: its first sample lacks something that the task `needs`.

        Raises:
            InputError: If it does; the message says what the samples have.
        """
        sample: dict[str, Any] = dataset[0] if cls.needs and len(dataset) else dict.fromkeys(cls.needs)
        if lacking := [key for key in cls.needs if key not in sample]:
            raise InputError(
                f"task={cls.__name__.lower()} needs {' and '.join(lacking)} of every sample, and those of "
                f"{type(dataset).__name__} have {', '.join(key for key in sample if key != 'id')}: give other data, or "
                "another task"
            )

    @classmethod
    def build_vocabularies(cls, dataset: GazeDataset) -> Vocabularies:
        """Return what the task needs to know of the training split's texts.

        The model is built with ``<name>_vocab=len(...)`` for each.
        """
        return {}

    @abstractmethod
    def step(self, batch: Batch) -> Output:
        """Return the task loss, the prediction and where the model looked, of one forward pass."""

    def predict(self, batch: Batch) -> Output:
        """Return the prediction and where the model looked, without a loss, for a batch that may have no target.

        In evaluation mode. A task whose `step` needs a target implements it, and `step` adds the loss.
        """
        return replace(self.step(batch), loss=None)

    def tensors(self, batch: Batch) -> dict[str, Tensor]:
        """Return the tensors of a batch that `graph` reads, by name: pictures or clips, and texts as numbers."""
        return {key: value for key, value in batch.items() if key in ("image", "clip")}  # type: ignore[misc]

    def graph(self, batch: Batch) -> Output:
        """Return what an exported graph gives of `tensors` alone: a prediction that is a tensor, and the attention.

        Raises:
            InputError: If the task's prediction cannot be one graph.
        """
        return self.predict(batch)

    @abstractmethod
    def make_metrics(self) -> MetricCollection:
        """Return the task's metrics."""

    @abstractmethod
    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> dict[str, Tensor] | None:
        """Let the task's metrics see one batch.

        Returns:
            The values per sample by name; None where they are those that the metrics say themselves
            (`haa.metrics.values.values_per_sample`).
        """

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        """Return the model's probability of the answer in ``given``, on each picture of ``batch``.

        Faithfulness is measured by it. A task whose prediction could not be called an answer leaves it out.

        Args:
            batch: One sample b times, with pictures that differ.
            given: What `predict` returned for that sample, alone, in evaluation mode.

        Returns:
            Values in [0, 1].
        """
        raise NotImplementedError(f"{type(self).__name__} gives no answer")

    def watch(self, source: AttentionSource | None) -> None:
        """Take the map of an attention source in place of the model's own; None goes back to the model's.

        Raises:
            InputError: If a layer that the source names is not in the model; the message has those that are.
        """
        if source is not None:
            with watching(source, self.model):
                pass
        self.attention = source

    def insert_human_maps(self) -> None:
        """Insert the human map as the attention of samples with gaze, in training and evaluation: an upper bound.

        Raises:
            InputError: If the model's ``forward`` takes no ``attention``, or an attention source is watched.
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
        """Return extra keyword arguments for the model: for the oracle ``attention``, the human maps.

        A map is at the image's size; it is all zero where a sample has no gaze. Empty for every other condition. The
        maps are blurred as the loss' target is, whatever data they are scored on: they are what an attention would be
        that follows its target perfectly.
        """
        if not self.oracle:
            return {}
        pictures = stills(batch)
        # divided among pixels of the rectangle that the cells cover, so that the model's own cells get their shares
        maps, _ = human_maps(pictures, image_size(pictures), self.alignment.sigma, self._own_extent(batch))
        maps = maps.to(self.dtype)  # type: ignore[arg-type]
        return {"attention": maps.unflatten(0, batch["clip"].shape[:2]) if "clip" in batch else maps}

    def look(self, batch: Batch, run: Callable[[Batch], Output] | None = None) -> Output:
        """Return what ``run`` gives, with the attention of the source where there is one.

        In training the source reads the step's own forward pass, and with weight 0 it is left out: the baseline costs
        what it costs without one, and is measured in evaluation. There a source that needs a graph gets one, and
        nothing of it is kept.

        Args:
            batch: Batch on the module's device.
            run: `step`, or `predict`; None is `step`.
        """
        run, batch = self.step if run is None else run, in_unit_range(batch, self.dtype)  # type: ignore[arg-type]
        if self.attention is None:
            return self._placed(run, batch)
        if self.training:
            if self.alignment.weight == 0:
                return replace(run(batch), attention=None)
            with watching(self.attention, self.model) as source:
                output = run(batch)
                attention, extent = _map_of(source, output, batch)
                return replace(output, attention=attention, extent=WHOLE if self.stretched else extent)
        with evaluating(self.attention, self.model, batch) as (source, batch):
            output = run(batch)
            with torch.no_grad():
                attention, extent = _map_of(source, output, batch)
                attention = attention.detach()
        loss = None if output.loss is None else output.loss.detach()
        prediction = output.prediction.detach() if isinstance(output.prediction, Tensor) else output.prediction
        extent = WHOLE if self.stretched else extent
        return replace(output, loss=loss, prediction=prediction, attention=attention, score=None, extent=extent)

    def _own_extent(self, batch: Batch) -> Extent:
        """Return where the cells of the model's own map lie, into which one is to be inserted."""
        if self.stretched:
            return WHOLE
        own = _own(batch)
        if own not in known(self.model):
            self.oracle = False
            try:
                with torch.random.fork_rng([]), self.evaluation():
                    self._placed(self.predict, batch)
            finally:
                self.oracle = True
        return known(self.model)[own]

    def _placed(self, run: Callable[[Batch], Output], batch: Batch) -> Output:
        """Return what ``run`` gives, with where the cells of the model's own map lie."""
        if self.stretched:
            return run(batch)
        lie, own = known(self.model), _own(batch)
        if own in lie:
            return replace(run(batch), extent=lie[own])
        picture = batch["clip"] if "clip" in batch else batch["image"]
        if "features" in batch and isinstance(backbone := getattr(self.model, "backbone", None), nn.Module):
            looks_at(batch["features"], extents(backbone, picture.reshape(-1, *picture.shape[-3:]))[0])  # of each frame
        with following(picture):
            output = run(batch)
        lie[own] = extent_of(output.attention) or WHOLE
        return replace(output, extent=lie[own])

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Hold the module in evaluation mode, without a graph, and restore the mode of each part at the end."""
        modes = [(part, part.training) for part in self.modules()]
        self.eval()
        try:
            with torch.no_grad(), gathered(self.model):
                yield
        finally:
            for part, training in modes:
                part.training = training

    def probe(self, batch: Batch) -> tuple[Batch, Output]:
        """Return a loader's batch as the model takes it, and what `predict` gives for it, in evaluation mode.

        This is how everything outside of training looks at samples: pictures, maps, faithfulness, predicted gaze.
        """
        batch = ready(batch, self.device)
        with self.evaluation():
            return batch, self.look(batch, self.predict)

    def setup(self, stage: str) -> None:
        keep_gaze(self.trainer)

    def configure_model(self) -> None:
        """Leave the model as it is: a strategy that divides its parameters asks for this hook, and does it itself."""

    def on_validation_start(self) -> None:
        self._gathered = gathered(self.model)
        self._gathered.__enter__()

    def on_validation_end(self) -> None:
        self._gathered.__exit__(None, None, None)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output = self.look(batch)
        assert output.loss is not None
        loss, log = output.loss, {"train/task_loss": output.loss.detach()}
        if output.count is not None:
            loss = loss * _share(output.count)
        if output.attention is not None and self.oracle:
            # where somebody looked the map is the human one and has no gradient, elsewhere nothing is aligned
            log["train/align_loss"] = self.alignment(output.attention.detach(), batch, output.extent).detach()
        elif output.attention is not None:
            progress = self._progress()
            loss, terms = self.alignment.join(
                loss, output.attention, batch, progress, self.named_parameters(), output.extent
            )
            log |= {f"train/{name}": value for name, value in terms.items()}
        elif self.alignment.weight > 0:
            raise InputError(
                f"align_weight={self.alignment.weight}, but {type(self.model).__name__} returns no attention: "
                "give align_weight=0"
            )
        once: Any = {"on_step": False, "on_epoch": True, "sync_dist": True, "batch_size": len(batch["id"])}
        self.log_dict(log, prog_bar=True, **once)
        self.log("train/loss", loss.detach(), **once)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, "test")

    def on_train_start(self) -> None:
        restore(self, self._geometry)
        if self.trainer.global_step == 0:
            data = getattr(self.trainer, "datamodule", None)
            self.align_loss_at_start = self.measure_align_loss(data) if isinstance(data, DataModule) else None

    def measure_align_loss(self, data: DataModule, samples: int = 64) -> float | None:
        """Return the mean unweighted alignment loss of some training samples, with the gaze of the data's condition.

        Before the first step this says how hard a condition's gaze would pull at one weight: the same samples, the same
        weights of the model and no augmentation, so that the arms of a study differ in their gaze alone. It is taken in
        evaluation mode, with the attention source where there is one, also where nothing is aligned. Nothing of it
        remains: neither random numbers nor the model's state change.

        Args:
            data: Data that the module is trained on.
            samples: Greatest number of samples, the same in every run on the same data.

        Returns:
            The mean over samples with gaze (of clips, frames); None for the oracle, whose map is not the model's, and
            where there is no attention, no gaze or no finite loss.
        """
        if self.oracle:
            return None
        total, count = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), self.evaluation():
            for raw in data.some("train", chosen(len(data.dataset("train")), samples), data.condition):
                batch = ready(raw, self.device)
                output = self.look(batch)
                if output.attention is None:
                    return None
                seen = human_maps(stills(batch), (1, 1), self.alignment.sigma)[1].sum()
                total += self.alignment(output.attention.detach(), batch, output.extent) * seen
                count += seen
        mean = (total / count).item()
        return mean if math.isfinite(mean) else None

    def on_train_epoch_end(self) -> None:
        loss = self.trainer.callback_metrics.get("train/loss")
        if loss is not None and not torch.isfinite(loss):
            raise InputError(
                f"the training loss is {loss.item()} in epoch {self.current_epoch}: lower optimizer.lr or align_weight"
            )

    def on_test_epoch_start(self) -> None:
        forget(self)
        self.samples = []

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def configure_optimizers(self) -> Any:
        parameters = [p for p in self.parameters() if p.requires_grad]
        optimizer = self._optimizer(parameters)
        eps = optimizer.defaults.get("eps")
        if eps and any(p.dtype == torch.float16 and not p.new_tensor(eps) for p in parameters):
            raise InputError(
                f"optimizer.eps={eps:g} is 0 in float16, in which trainer.precision keeps parameters, and the first "
                "step would make them NaN: give optimizer.eps=1e-4, or trainer.precision=16-mixed"
            )
        if self._scheduler is None:
            return optimizer
        scheduler = self._scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        vocabularies = pack(self.vocabularies)
        checkpoint["haa"] = {
            "version": haa.__version__,
            "config": self.config,
            "vocabularies": vocabularies,
            "align_loss_at_start": self.align_loss_at_start,
            "gaze_by_digest": self.gaze_by_digest,
            "backbone_weights": self.backbone_weights,
        }
        checkpoint["geometry"] = plain(self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.align_loss_at_start = checkpoint["haa"].get("align_loss_at_start")
        self.gaze_by_digest = checkpoint["haa"].get("gaze_by_digest")
        kept = checkpoint["haa"].get("backbone_weights")
        self.backbone_weights = kept if isinstance(kept, str) else None
        self._geometry = checkpoint.get("geometry")

    def make_attention_metrics(self) -> MetricCollection:
        """Return the metrics of the attention against human gaze."""
        return MetricCollection({name: metric() for name, metric in self.attention_metrics.items()})

    def directions(self) -> dict[str, bool | None]:
        """Return for every metric of an evaluation, by its name in metrics.json, whether more of it is better."""
        scores: Any = self.scores["test"]
        attention = {f"attention_{name}": better for name, better in directions(scores["attention"]).items()}
        return {**directions(scores["task"]), **attention, "loss": scores["loss"].higher_is_better}

    def _progress(self) -> float:
        if not self.alignment.scheduled:
            return 0.0
        return self.alignment.progress(self.trainer.global_step, self.trainer.estimated_stepping_batches)

    def _make_scores(self, stage: str) -> nn.ModuleDict:
        task = self.make_metrics()
        task.prefix = f"{stage}/"
        attention = self.make_attention_metrics()
        attention.prefix = f"{stage}/attention_"
        return nn.ModuleDict({"loss": MeanLoss(), "task": task, "attention": attention})

    def _score(self, batch: Batch, stage: str) -> None:
        scores: Any = self.scores[stage]
        output = self.look(batch)
        scores["loss"].update(output.loss, len(batch["id"]) if output.count is None else output.count)
        columns = self.update_metrics(scores["task"], output, batch)
        if columns is None:
            columns = values_per_sample(scores["task"])
        if output.attention is not None and ("fixations" in batch or "density" in batch):
            maps = output.attention.detach()
            columns = columns | score(scores["attention"], maps, batch, self.score_sigma, extent=output.extent)
        if stage == "test":
            rows = {name.removeprefix("test/"): values.tolist() for name, values in columns.items()}
            self.samples += [
                {"id": name, **{key: values[i] for key, values in rows.items()}} for i, name in enumerate(batch["id"])
            ]

    def _log_scores(self, stage: str) -> None:
        scores: Any = self.scores[stage]
        self.log(f"{stage}/loss", scores["loss"].compute())
        for collection in (scores["task"], scores["attention"]):
            if any(metric.update_called for metric in collection.values()):
                for name, value in collection.compute().items():
                    main = self.main_metrics is None or name.removeprefix(f"{stage}/") in self.main_metrics
                    self.log(name, value, prog_bar=stage == "val" and collection is scores["task"] and main)
                if stage == "test":
                    self._add_columns(collection)
            collection.reset()
        scores["loss"].reset()

    def _add_columns(self, collection: MetricCollection) -> None:
        """Add the values per sample that metrics know only at the end, for the samples that this process scored."""
        found = values_per_sample(collection, after="compute")
        if not found:
            return
        counts = torch.zeros(self.trainer.world_size, dtype=torch.long, device=self.device)
        counts[self.trainer.global_rank] = len(self.samples)
        if self.trainer.world_size > 1:
            distributed.all_reduce(counts)
        start = int(counts[: self.trainer.global_rank].sum())  # processes' samples follow each other
        for name, values in found.items():
            for row, value in zip(self.samples, values[start:].tolist(), strict=False):
                row[name] = value


def _share(count: Tensor) -> Tensor:
    """Return a factor for the loss of this process, a mean over ``count``, by which it counts among all processes.

    Gradients are averaged over processes, which then comes out as that of the mean over all processes' counts.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return torch.ones_like(count)
    total = count.clone()
    distributed.all_reduce(total)
    return count * distributed.get_world_size() / total.clamp_min(1)


def _own(batch: Batch) -> tuple[str, int, int]:
    """Return under which name it is known where a model's own map lies in pictures of this size."""
    picture = batch["clip"] if "clip" in batch else batch["image"]
    return "own map", picture.shape[-2], picture.shape[-1]


def _map_of(source: AttentionSource, output: Output, batch: Batch) -> tuple[Tensor, Extent]:
    """Return the source's map and its extent; models of clips take frames for pictures, and theirs are put back."""
    maps, extent = placed(source, output.score, output.words)
    return maps.unflatten(0, batch["clip"].shape[:2]) if "clip" in batch else maps, extent
