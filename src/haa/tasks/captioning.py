"""Captioning: learn to write what people wrote, looking where they looked."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.batch import Batch, Output
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.geometry.to_device import to_device
from haa.metrics import CaptionScores
from haa.models.captioner import Captioner
from haa.models.show_attend_tell import doubly_stochastic
from haa.tasks.aligned_module import AlignedModule, Optimizer, Scheduler, Vocabularies
from haa.text import BOS, EOS, PAD, Vocabulary


@dataclass
class Captions:
    """Prediction of `Captioning`: in training the references that it was taught, else what the model wrote.

    Args:
        text: One sentence per image.
        tokens: Words of each sentence, `EOS` and padding behind them.
        attention: Where each word was read.
    """

    text: list[str]
    tokens: Int[Tensor, "b t"]
    attention: Float[Tensor, "b t i j"]


class Captioning(AlignedModule):
    """Writing of captions; the model is a `haa.models.captioner.Captioner`.

    It learns by cross-entropy per word, the references given word by word. The map to be aligned is the mean over a
    sentence's words: of the reference in training, of the model's own sentence in evaluation. An attribution
    (``attention=gradcam``) explains the log-probability of that sentence (Grad-CAM: Selvaraju et al., ICCV 2017).

    Args:
        model, alignment, optimizer, scheduler, vocabularies: See `haa.tasks.aligned_module.AlignedModule`.
        all_references: Whether every reference of an image is learned from at each step, instead of one that is drawn
            (with torch's own generator, so that a seed fixes it). Evaluation's loss is always over all.
        balance: Weight, in training, of the doubly stochastic regularisation of Xu et al. 2015 (eq. 14), there 1.
        beam: Number of sentences kept in the search when the model writes; 1 is greedy.
        max_length: Greatest number of words of a caption, in training too.
    """

    model: Captioner
    needs = ("image", "captions")

    def __init__(
        self,
        model: Captioner,
        alignment: Alignment | None = None,
        optimizer: Optimizer = torch.optim.AdamW,
        scheduler: Scheduler | None = None,
        vocabularies: Vocabularies | None = None,
        all_references: bool = False,
        balance: float = 0.0,
        beam: int = 1,
        max_length: int = 20,
    ) -> None:
        super().__init__(model, alignment, optimizer, scheduler, vocabularies)
        self.all_references, self.balance = all_references, balance
        self.beam, self.max_length = beam, max_length

    @classmethod
    def build_vocabularies(cls, dataset: GazeDataset) -> Vocabularies:
        return {"caption": Vocabulary.build(dataset.strings("captions"))}

    def predict(self, batch: Batch) -> Output:
        with self._without_graph():
            features = self._features(batch)
        return self._write(batch, features)

    def step(self, batch: Batch) -> Output:
        if self.training:
            return self._learn(batch)
        with self._without_graph():
            features = self._features(batch)
            lesson = self._teach(batch, features)
        return replace(self._write(batch, features), loss=lesson.loss, count=lesson.words)

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        """Return the geometric mean of the probabilities of the sentence's words."""
        tokens = given.prediction.tokens.expand(len(batch["id"]), -1)
        features = batch.get("features")
        logits, _ = self.model(batch["image"], _before(tokens), features=features, **self.insertion(batch))
        return (log_probability(logits, tokens) / (tokens != PAD).sum(1).clamp_min(1)).exp()

    def graph(self, batch: Batch) -> Output:
        raise InputError(
            "task=captioning writes word after word, as long as the sentence is, which is no one graph: give "
            "format=safetensors, which haa predict reads as well"
        )

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({"captions": CaptionScores(("bleu4", "rouge_l", "cider"))})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        metrics.update(output.prediction.text, batch["captions"])

    def _without_graph(self) -> AbstractContextManager[Any]:
        """Keep no graph in evaluation where a source watches: it watches one pass, that over the sentence written."""
        return torch.set_grad_enabled(torch.is_grad_enabled() and self.attention is None)

    def _features(self, batch: Batch) -> Tensor:
        """Return the backbone's features, from the batch where it has them."""
        features = batch.get("features")
        return self.model.backbone(batch["image"]) if features is None else features

    def _write(self, batch: Batch, features: Tensor) -> Output:
        """Return the model's own sentence for each image, without a loss."""
        with self._without_graph():
            tokens, maps = self.model.generate(
                None, features=features, beam=self.beam, max_length=self.max_length, **self.insertion(batch)
            )
        captions = Captions(self.vocabularies["caption"].decode(tokens), tokens, maps)
        output = Output(None, captions, mean_over_words(maps, tokens))
        if self.attention is None:
            return output
        logits, _ = self.model(batch["image"], _before(tokens), features=batch.get("features"))
        return replace(output, score=log_probability(logits, tokens), words=words_of(tokens))

    def _learn(self, batch: Batch) -> Output:
        """Return the output of a training step, whose sentences are the references."""
        features = batch.get("features")
        if self.all_references:
            if self.attention is not None:
                raise InputError(
                    "task.module.all_references=true reads several sentences from one image, and an attention source "
                    "one: give attention=native, or learn from a reference that is drawn"
                )
            features = self._features(batch)
        lesson = self._teach(batch, features)
        tokens = lesson.captions.tokens
        score = None if self.attention is None else log_probability(lesson.logits, tokens)
        return Output(lesson.loss, lesson.captions, lesson.attention, lesson.words, score, words_of(tokens))

    def _teach(self, batch: Batch, features: Tensor | None) -> _Lesson:
        """Read references word by word: one that is drawn for each image, or all of them.

        Features are needed where an image has several references.
        """
        captions = batch["captions"]
        if self.all_references or not self.training:
            counts = [len(references) for references in captions]
            text = [reference for references in captions for reference in references]
        else:
            counts = [1] * len(captions)
            text = [references[int(torch.randint(len(references), ()))] for references in captions]
        device = self.device if features is None else features.device
        owner = to_device(torch.arange(len(captions)).repeat_interleave(torch.tensor(counts)), device)
        vocabulary = self.vocabularies["caption"]
        assert isinstance(vocabulary, Vocabulary)
        tokens, _ = vocabulary.encode(text, bounds=True, max_length=self.max_length - 1)
        before, wanted = to_device(tokens[:, :-1], device), to_device(tokens[:, 1:], device)
        inserted = {key: maps[owner] for key, maps in self.insertion(batch).items()}
        image = batch["image"] if features is None else None
        logits, maps = self.model(image, before, features=None if features is None else features[owner], **inserted)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=PAD)
        if self.balance and self.training:  # evaluation's loss stays a mean over words
            loss = loss + self.balance * doubly_stochastic(maps, wanted != PAD).mean()
        means = mean_over_words(maps, wanted)
        share = to_device(torch.tensor(counts, dtype=means.dtype), means.device).reciprocal()[owner]
        attention = means.new_zeros(len(captions), *means.shape[1:]).index_add(0, owner, means * share[:, None, None])
        return _Lesson(loss, Captions(text, wanted, maps), attention, logits)


@dataclass
class _Lesson:
    """What reading references word by word gives.

    Args:
        loss: Mean cross-entropy over words.
        captions: The references that were read, each with its maps.
        attention: Map of each image, the mean over words and references.
        logits: Logits of each next word.
    """

    loss: Float[Tensor, ""]
    captions: Captions
    attention: Float[Tensor, "b i j"]
    logits: Float[Tensor, "n t v"]

    @property
    def words(self) -> Int[Tensor, ""]:
        """Number of words that the loss is a mean over."""
        return (self.captions.tokens != PAD).sum()


def mean_over_words(maps: Float[Tensor, "b t i j"], tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b i j"]:
    """Return the mean map of a sentence's words, `EOS` and padding left out; of its end, where it has no word.

    Example:
        >>> maps = torch.tensor([[1.0, 3.0, 9.0], [4.0, 5.0, 6.0]]).view(2, 3, 1, 1)
        >>> mean_over_words(maps, torch.tensor([[5, 6, EOS], [EOS, 0, 0]])).flatten()
        tensor([2., 4.])
    """
    words = words_of(tokens).to(maps.dtype)
    return torch.einsum("bt,btij->bij", words / words.sum(1, keepdim=True), maps)


def words_of(tokens: Int[Tensor, "b t"]) -> Bool[Tensor, "b t"]:
    """Return which tokens are words, `EOS` and padding left out; the first, where there is no word.

    Example:
        >>> words_of(torch.tensor([[5, 6, EOS], [EOS, 0, 0]])).int()
        tensor([[1, 1, 0],
                [1, 0, 0]], dtype=torch.int32)
    """
    words = (tokens != PAD) & (tokens != EOS)
    first = torch.arange(tokens.shape[1], device=tokens.device) == 0
    return torch.where(words.any(1, keepdim=True), words, first)


def log_probability(logits: Float[Tensor, "b t v"], tokens: Int[Tensor, "b t"]) -> Float[Tensor, " b"]:
    """Return the log-probability of each sentence, its end included and padding not.

    Example:
        >>> log_probability(torch.zeros(1, 3, 4), torch.tensor([[3, 3, PAD]])) / torch.tensor(4.0).log()
        tensor([-2.])
    """
    gains = logits.float().log_softmax(2).gather(2, tokens[:, :, None])[:, :, 0]
    return torch.where(tokens != PAD, gains, 0.0).sum(1)


def _before(tokens: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
    """Return the word before each one of a sentence."""
    return torch.cat([torch.full_like(tokens[:, :1], BOS), tokens[:, :-1]], 1)
