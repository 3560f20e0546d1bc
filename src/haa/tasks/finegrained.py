"""Fine-grained classification: classes that differ in a small part of the image."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import MetricCollection

from haa.batch import Batch, Output
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.metrics.classification import ClassAccuracy, TopAccuracy
from haa.tasks.aligned_module import AlignedModule, Vocabularies
from haa.text import Classes


class FineGrained(AlignedModule):
    """Classifies images; the model is ``(image, features) -> (logits, attention)``.

    ``top1`` and ``top5`` are the share of images whose class is the first guess, or among the first five (only where
    there are more than five classes); ``class_accuracy`` is the mean of the classes' own, over those that occur.

    Args:
        model, alignment, optimizer, scheduler, vocabularies: see `haa.tasks.aligned_module.AlignedModule`.
    """

    @classmethod
    def build_vocabularies(cls, dataset: GazeDataset) -> Vocabularies:
        return {"class": Classes.of(dataset)}

    def step(self, batch: Batch) -> Output:
        cached = {"features": batch["features"]} if "features" in batch else {}
        logits, attention = self.model(batch["image"], **cached, **self.insertion(batch))
        return classified(logits, attention, batch, self.training)

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        return of_the_class_given(self.step(batch), given)

    def make_metrics(self) -> MetricCollection:
        n = len(self.vocabularies["class"])
        metrics = {"top1": TopAccuracy(n), **({"top5": TopAccuracy(n, 5)} if n > 5 else {})}
        # no groups: metrics that agree on the first batch are not the same metric
        return MetricCollection({**metrics, "class_accuracy": ClassAccuracy(n)}, compute_groups=False)

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        metrics.update(preds=output.prediction, target=batch["label"])


def classified(
    logits: Float[Tensor, "b n"], attention: Float[Tensor, "b *t i j"], batch: Batch, training: bool
) -> Output:
    """Cross-entropy to the label; the score that an attribution explains is that of the class, right or chosen.

    Raises:
        InputError: if the samples have no label.
    """
    if "label" not in batch:
        raise InputError(
            "this task learns classes, and its samples have no label: give data=shapes, or data with labels"
        )
    label: Int[Tensor, " b"] = batch["label"]
    logits = logits.float()
    chosen = label if training else logits.argmax(1)
    score = logits.log_softmax(1).gather(1, chosen[:, None])[:, 0]
    return Output(F.cross_entropy(logits, label), logits, attention, score=score)


def of_the_class_given(output: Output, given: Output) -> Float[Tensor, " b"]:
    """The probability of the class that one sample was given."""
    return output.prediction.softmax(1)[:, given.prediction[0].argmax()]
