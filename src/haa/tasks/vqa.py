"""Visual question answering as a choice among the training split's most frequent answers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.batch import Batch, Output
from haa.data.dataset import GazeDataset
from haa.geometry.to_device import to_device
from haa.metrics import VQAAccuracy
from haa.tasks.aligned_module import AlignedModule, Optimizer, Scheduler, Vocabularies
from haa.text import PAD, Answers, Vocabulary


class VQA(AlignedModule):
    """Answers to questions; the model is ``(image, question, mask, features) -> (answer logits, attention)``.

    ``accuracy`` is the official VQA accuracy, ``min(1, 0.3 * count)`` where ten people answered; for data with a single
    answer per question it is whether the two agree once normalised (`haa.metrics.VQAAccuracy`).

    Args:
        model, alignment, optimizer, scheduler, vocabularies: See `haa.tasks.aligned_module.AlignedModule`.
        multilabel: Form of the loss. False learns by cross-entropy against the answers' soft targets, normalised to
            sum to 1. True learns by binary cross-entropy of every answer for itself, summed over answers (Teney et al.,
            "Tips and Tricks for Visual Question Answering", CVPR 2018, section 4.2), for which ten answers are best.
    """

    asks = True
    needs = ("image", "question", "answers")

    def __init__(
        self,
        model: nn.Module,
        alignment: Alignment | None = None,
        optimizer: Optimizer = torch.optim.AdamW,
        scheduler: Scheduler | None = None,
        vocabularies: Vocabularies | None = None,
        multilabel: bool = False,
    ) -> None:
        super().__init__(model, alignment, optimizer, scheduler, vocabularies)
        self.multilabel = multilabel

    @classmethod
    def build_vocabularies(cls, dataset: GazeDataset) -> Vocabularies:
        return {
            "question": Vocabulary.build(dataset.strings("question")),
            "answer": Answers.build(dataset.strings("answers")),
        }

    def predict(self, batch: Batch) -> Output:
        logits, attention, words = self._answer(batch)
        answer = logits.argmax(1)
        return Output(None, answer, attention, score=_logit_of(logits, answer), words=words)

    def step(self, batch: Batch) -> Output:
        answers = self.vocabularies["answer"]
        assert isinstance(answers, Answers)
        logits, attention, words = self._answer(batch)
        targets = to_device(answers.targets(batch["answers"]), logits.device)
        loss = (binary_cross_entropy if self.multilabel else cross_entropy)(logits, targets)
        known = targets.sum(1) > 0
        answer = logits.argmax(1)
        # in training the right answer is explained, where the list has it
        explained = torch.where(known, targets.argmax(1), answer) if self.training else answer
        count = None if self.multilabel else known.sum()
        return Output(loss, answer, attention, count, _logit_of(logits, explained), words)

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        logits, _, _ = self._answer(batch)
        logits = logits.float()
        values = logits.sigmoid() if self.multilabel else logits.softmax(1)
        return values[:, given.prediction[0]]

    def tensors(self, batch: Batch) -> dict[str, Tensor]:
        """Return the pictures, and the questions' words as numbers of the vocabulary, 0 where there is none."""
        questions = self.vocabularies["question"]
        assert isinstance(questions, Vocabulary)
        return {**super().tensors(batch), "tokens": to_device(questions.encode(batch["question"])[0], self.device)}

    def graph(self, batch: Batch) -> Output:
        """Return the logits of all answers as the prediction."""
        logits, attention, words = self._answer(batch)
        return Output(None, logits, attention, words=words)

    def _answer(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the answers' logits, where the model looked, and which queries of a cross-attention are words."""
        image = batch["image"]
        tokens = (batch["tokens"] if "tokens" in batch else self.tensors(batch)["tokens"]).to(image.device)
        mask = tokens != PAD
        logits, attention = self.model(image, tokens, mask, features=batch.get("features"), **self.insertion(batch))
        return logits, attention, torch.cat([mask.new_ones(mask.shape[0], 1), mask], 1)

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({"accuracy": VQAAccuracy()})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        answers = self.vocabularies["answer"].decode(output.prediction)
        metrics.update(answers, batch["answers"])


def cross_entropy(logits: Float[Tensor, "b n"], targets: Float[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Return the cross-entropy to the targets, normalised to sum to 1: its mean over the samples that have a target.

    Example:
        >>> cross_entropy(torch.zeros(2, 4), torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]])).exp()
        tensor(4.)
    """
    total = targets.sum(1)
    values = -(targets * F.log_softmax(logits.float(), 1)).sum(1) / total.clamp_min(1e-6)
    return values.sum() / (total > 0).sum().clamp_min(1)


def binary_cross_entropy(logits: Float[Tensor, "b n"], targets: Float[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Return the binary cross-entropy to each answer's target, summed over answers, mean over samples.

    Example:
        >>> (binary_cross_entropy(torch.zeros(2, 4), torch.full((2, 4), 0.5)) / 4).exp()
        tensor(2.)
    """
    return F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="sum") / len(logits)


def _logit_of(logits: Float[Tensor, "b n"], answer: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
    return logits.gather(1, answer[:, None])[:, 0]
