"""Action recognition: what happens in a clip."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torchmetrics import MetricCollection

from haa.batch import Batch, Output
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.metrics import ClassAccuracy, TopAccuracy, VideoAccuracy
from haa.tasks.aligned_module import AlignedModule, Vocabularies
from haa.tasks.finegrained import classified, probability_of_given, with_loss
from haa.text import Classes


class Action(AlignedModule):
    """Classification of clips; the model is ``clip -> (logits, attention (b, t, i, j))``, a map for every frame.

    ``clip_accuracy`` is the share of clips whose class is right, ``class_accuracy`` the mean of the classes' own over
    those that occur, and ``video_accuracy`` the share of videos whose class is right by the mean of their clips'
    probabilities (`haa.metrics.VideoAccuracy`).

    Args:
        model, alignment, optimizer, scheduler, vocabularies: See `haa.tasks.aligned_module.AlignedModule`.
    """

    needs = ("clip", "label")

    @classmethod
    def build_vocabularies(cls, dataset: GazeDataset) -> Vocabularies:
        if dataset.multilabel:
            raise InputError(
                "task=action learns one class of each clip, and this data has several: give task=finegrained"
            )
        return {"class": Classes.of(dataset)}

    def predict(self, batch: Batch) -> Output:
        if "clip" not in batch:
            raise InputError("task=action looks at clips, and this data has none: give data=shapes, or data with clips")
        logits, attention = self.model(batch["clip"], **self.insertion(batch))
        return classified(logits, attention)

    def step(self, batch: Batch) -> Output:
        return with_loss(self.predict(batch), batch, self.training)

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        return probability_of_given(self.predict(batch), given)

    def make_metrics(self) -> MetricCollection:
        n = len(self.vocabularies["class"])
        clip, classes, video = TopAccuracy(n), ClassAccuracy(n), VideoAccuracy()
        # no groups: metrics that agree on the first batch are not the same metric
        return MetricCollection(
            {"clip_accuracy": clip, "class_accuracy": classes, "video_accuracy": video}, compute_groups=False
        )

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        videos = batch.get("video", batch["id"])
        metrics.update(preds=output.prediction, target=batch["label"], video=videos)
