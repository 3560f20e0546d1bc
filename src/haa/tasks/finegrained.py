"""Fine-grained classification: classes that differ in a small part of the image."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import MetricCollection

from haa.batch import Batch, Output
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.metrics.classification import ClassAccuracy, TopAccuracy
from haa.tasks import multilabel
from haa.tasks.aligned_module import AlignedModule, Vocabularies
from haa.text import Classes, Labels


class FineGrained(AlignedModule):
    """Classification of images; the model is ``(image, features) -> (logits, attention)``.

    ``top1`` and ``top5`` are the share of images whose class is the first guess, or among the first five (only where
    there are more than five classes); ``class_accuracy`` is the mean of the classes' own, over those that occur.

    Where an image may have several of the classes (`haa.text.Labels`), `haa.tasks.multilabel` says what is learned and
    scored. The best checkpoint is chosen by ``top1`` there, too, which has a value per image.

    Args:
        model, alignment, optimizer, scheduler, vocabularies: See `haa.tasks.aligned_module.AlignedModule`.
    """

    main_metrics = ("top1", "top5", "class_accuracy", "auroc", "mean_ap")
    needs = ("image",)

    @classmethod
    def build_vocabularies(cls, dataset: GazeDataset) -> Vocabularies:
        return {"class": Classes.of(dataset)}

    def predict(self, batch: Batch) -> Output:
        cached = {"features": batch["features"]} if "features" in batch else {}
        logits, attention = self.model(batch["image"], **cached, **self.insertion(batch))
        return multilabel.labelled(logits, attention) if self.multilabel else classified(logits, attention)

    def step(self, batch: Batch) -> Output:
        add_loss = multilabel.with_loss if self.multilabel else with_loss
        return add_loss(self.predict(batch), batch, self.training)

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        probability = multilabel.probability_of_given if self.multilabel else probability_of_given
        return probability(self.predict(batch), given)

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several of the classes."""
        return isinstance(self.vocabularies["class"], Labels)

    def make_metrics(self) -> MetricCollection:
        if self.multilabel:
            return multilabel.metrics()
        n = len(self.vocabularies["class"])
        metrics = {"top1": TopAccuracy(n), **({"top5": TopAccuracy(n, 5)} if n > 5 else {})}
        # no groups: metrics that agree on the first batch are not the same metric
        return MetricCollection({**metrics, "class_accuracy": ClassAccuracy(n)}, compute_groups=False)

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        metrics.update(preds=output.prediction, target=batch["labels" if self.multilabel else "label"])


def classified(logits: Float[Tensor, "b n"], attention: Float[Tensor, "b *t i j"] | None) -> Output:
    """Return a classifier's output without a loss; an attribution explains the class that was chosen."""
    logits = logits.float()
    return Output(None, logits, attention, score=_log_probability(logits, logits.argmax(1)))


def with_loss(output: Output, batch: Batch, training: bool) -> Output:
    """Return a classifier's output with the cross-entropy to the label; in training the right class is explained.

    Raises:
        InputError: If the samples have no label.
    """
    if "label" not in batch:
        raise InputError(
            "this task learns classes, and its samples have no label: give data=shapes, or data with labels"
        )
    label: Int[Tensor, " b"] = batch["label"]
    score = _log_probability(output.prediction, label) if training else output.score
    return replace(output, loss=F.cross_entropy(output.prediction, label), score=score)


def probability_of_given(output: Output, given: Output) -> Float[Tensor, " b"]:
    """Return the probability of the class that one sample was given."""
    return output.prediction.softmax(1)[:, given.prediction[0].argmax()]


def _log_probability(logits: Float[Tensor, "b n"], chosen: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    return logits.log_softmax(1).gather(1, chosen[:, None])[:, 0]
