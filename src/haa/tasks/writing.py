"""Captions and answers as text that a pretrained vision-language model writes."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.attention.prompt import IGNORED
from haa.batch import Batch, Output
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.metrics import CaptionScores, VQAAccuracy
from haa.models.huggingface import Writer, Written
from haa.tasks.aligned_module import AlignedModule, Optimizer, Scheduler, Vocabularies
from haa.text import Answers


class Writing(AlignedModule):
    """Base of the tasks in which a `haa.models.huggingface.Writer` writes about a picture.

    It learns by cross-entropy per token, the text given token by token. The map to be aligned is the mean over the
    positions that predict the text's tokens: of the text that is learned, in training, of what the model itself wrote,
    in evaluation. An attribution explains the log-probability of the same text.

    Args:
        model, alignment, optimizer, scheduler, vocabularies: See `haa.tasks.aligned_module.AlignedModule`.
        prompt: What the model is asked, see `prompts`.
        beam: Number of texts kept in the search when the model writes; 1 is greedy.
        max_length: Greatest number of tokens that it writes.
    """

    model: Writer

    def __init__(
        self,
        model: Writer,
        alignment: Alignment | None = None,
        optimizer: Optimizer = torch.optim.AdamW,
        scheduler: Scheduler | None = None,
        vocabularies: Vocabularies | None = None,
        prompt: str | None = None,
        beam: int = 1,
        max_length: int = 20,
    ) -> None:
        super().__init__(model, alignment, optimizer, scheduler, vocabularies)
        self.prompt, self.beam, self.max_length = prompt, beam, max_length

    @abstractmethod
    def prompts(self, batch: Batch) -> list[str]:
        """Return what the model is asked about each picture."""

    @abstractmethod
    def texts(self, batch: Batch) -> list[str]:
        """Return the text that is learned for each picture."""

    def choices(self) -> Sequence[str] | None:
        """Return the texts of which one is to be written; None leaves it open."""
        return None

    def predict(self, batch: Batch) -> Output:
        with torch.no_grad():
            texts = self.model.write(batch["image"], self.prompts(batch), self.beam, self.max_length, self.choices())
        return self._output(self._taught(batch, texts), texts)

    def step(self, batch: Batch) -> Output:
        if self.training:
            texts = self.texts(batch)
            written = self._taught(batch, texts)
            return replace(self._output(written, texts), loss=_loss(written), count=written.words.sum())
        with torch.no_grad():
            lesson = self._taught(batch, self.texts(batch))
        return replace(self.predict(batch), loss=_loss(lesson), count=lesson.words.sum())

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        """Return the geometric mean of the probabilities of the text's tokens."""
        written = self._taught(batch, list(given.prediction) * len(batch["id"]))
        return (written.log_probability() / written.words.sum(1).clamp_min(1)).exp()

    def graph(self, batch: Batch) -> Output:
        raise InputError(
            "model=huggingface writes token after token, as long as the text is, which is no one graph: give "
            "format=safetensors, which holds what was trained"
        )

    def _taught(self, batch: Batch, texts: Sequence[str]) -> Written:
        written: Written = self.model(batch["image"], self.prompts(batch), texts)
        return written

    def _output(self, written: Written, texts: list[str]) -> Output:
        words = self.model.looking(written)
        attention = None
        if self.attention is None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.alignment.weight > 0):
                attention = self.model.look(words)
        return Output(None, texts, attention, score=written.log_probability(), words=words)


class Captions(Writing):
    """Captioning by a vision-language model; a reference is drawn for each step, and the first one is validated on.

    Args:
        model, alignment, optimizer, scheduler, vocabularies, prompt, beam, max_length: See `Writing`. The prompt is the
            same for all pictures; None is a request to describe them, where the model reads requests.
    """

    needs = ("image", "captions")

    def prompts(self, batch: Batch) -> list[str]:
        prompt = self.model.request if self.prompt is None else self.prompt
        return [prompt] * len(batch["id"])

    def texts(self, batch: Batch) -> list[str]:
        if not self.training:
            return [references[0] for references in batch["captions"]]
        return [references[int(torch.randint(len(references), ()))] for references in batch["captions"]]

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({"captions": CaptionScores(("bleu4", "rouge_l", "cider"))})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        metrics.update(output.prediction, batch["captions"])


class Questions(Writing):
    """Visual question answering by a vision-language model, which writes its answer; the most frequent one is learned.

    Args:
        model, alignment, optimizer, scheduler, vocabularies, beam, max_length: See `Writing`.
        prompt: What the model is asked, with ``{question}`` in the place of the question; None is the question alone.
        closed: Whether it writes one of the training split's most frequent answers, and nothing else.
    """

    asks = True
    needs = ("image", "question", "answers")

    def __init__(
        self,
        model: Writer,
        alignment: Alignment | None = None,
        optimizer: Optimizer = torch.optim.AdamW,
        scheduler: Scheduler | None = None,
        vocabularies: Vocabularies | None = None,
        prompt: str | None = None,
        beam: int = 1,
        max_length: int = 20,
        closed: bool = False,
    ) -> None:
        super().__init__(model, alignment, optimizer, scheduler, vocabularies, prompt, beam, max_length)
        self.closed = closed

    @classmethod
    def build_vocabularies(cls, dataset: GazeDataset) -> Vocabularies:
        return {"answer": Answers.build(dataset.strings("answers"))}

    def prompts(self, batch: Batch) -> list[str]:
        prompt = "{question}" if self.prompt is None else self.prompt
        return [prompt.replace("{question}", question) for question in batch["question"]]

    def texts(self, batch: Batch) -> list[str]:
        counts = [Counter(answers) for answers in batch["answers"]]
        return [min(count, key=lambda answer: (-count[answer], answer)) for count in counts]

    def choices(self) -> Sequence[str] | None:
        answers: Any = self.vocabularies["answer"]
        return answers.decode(torch.arange(len(answers))) if self.closed else None

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({"accuracy": VQAAccuracy()})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        metrics.update(output.prediction, batch["answers"])


def _loss(written: Written) -> Float[Tensor, ""]:
    return F.cross_entropy(written.logits.flatten(0, 1).float(), written.targets.flatten(), ignore_index=IGNORED)
