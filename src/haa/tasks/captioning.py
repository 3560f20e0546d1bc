"""Captioning: learn to write what people wrote, looking where they looked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.batch import Batch, Output
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.metrics import CaptionScores
from haa.models.captioner import Captioner
from haa.models.show_attend_tell import doubly_stochastic
from haa.tasks.aligned_module import AlignedModule, Optimizer, Scheduler, Vocabularies
from haa.text import BOS, EOS, PAD, Vocabulary


@dataclass
class Captions:
    """What `Captioning` predicts: in training the references that it was taught, else what the model wrote.

    Args:
        text: a sentence per image.
        tokens: its words, `EOS` and padding behind them.
        attention: where each word was read.
    """

    text: list[str]
    tokens: Int[Tensor, "b t"]
    attention: Float[Tensor, "b t i j"]


class Captioning(AlignedModule):
    """Writes captions; the model is a `haa.models.captioner.Captioner`.

    It learns by cross-entropy per word, the references given word by word. The map to be aligned is the mean over a
    sentence's words: of the reference in training, of the model's own sentence in evaluation. An attribution
    (``attention=gradcam``) explains the log-probability of that sentence (Grad-CAM: Selvaraju et al., ICCV 2017).

    Args:
        model, alignment, optimizer, scheduler, vocabularies: see `haa.tasks.aligned_module.AlignedModule`.
        all_references: learn from every reference of an image at each step, instead of from one that is drawn (with
            torch's own generator, so that a seed fixes it). Evaluation's loss is always over all.
        balance: weight, in training, of the doubly stochastic regularisation of Xu et al. 2015 (eq. 14), there 1.
        beam: sentences kept in the search when the model writes; 1 is greedy.
        max_length: words of a caption at most, in training too.
    """

    model: Captioner

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

    def step(self, batch: Batch) -> Output:
        if self.training:
            return self._learn(batch)
        # a source watches one pass, that over the model's own sentence
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.attention is None):
            features = batch.get("features")
            if features is None:
                features = self.model.backbone(batch["image"])
            loss, taught, _, _ = self._teach(None, features, batch)
            count = (taught.tokens != PAD).sum()
            tokens, maps = self.model.generate(
                None, features=features, beam=self.beam, max_length=self.max_length, **self.insertion(batch)
            )
        output = Output(
            loss,
            Captions(self.vocabularies["caption"].decode(tokens), tokens, maps),
            mean_over_words(maps, tokens),
            count,
        )
        if self.attention is None:
            return output
        logits, _ = self.model(batch["image"], _before(tokens), features=batch.get("features"))
        return replace(output, score=log_probability(logits, tokens), words=words_of(tokens))

    def confidence(self, batch: Batch, given: Output) -> Float[Tensor, " b"]:
        """The geometric mean of the probabilities of the sentence's words."""
        tokens = given.prediction.tokens.expand(len(batch["id"]), -1)
        features = batch.get("features")
        logits, _ = self.model(batch["image"], _before(tokens), features=features, **self.insertion(batch))
        return (log_probability(logits, tokens) / (tokens != PAD).sum(1).clamp_min(1)).exp()

    def _learn(self, batch: Batch) -> Output:
        image, features = batch["image"], batch.get("features")
        if self.all_references:
            if self.attention is not None:
                raise InputError(
                    "task.module.all_references=true reads several sentences from one image, and an attention source "
                    "one: give attention=native, or learn from a reference that is drawn"
                )
            features = self.model.backbone(image) if features is None else features
        loss, taught, attention, logits = self._teach(image, features, batch)
        return Output(
            loss,
            taught,
            attention,
            (taught.tokens != PAD).sum(),
            None if self.attention is None else log_probability(logits, taught.tokens),
            words_of(taught.tokens),
        )

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({"captions": CaptionScores(("bleu4", "rouge_l", "cider"))})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        metrics.update(output.prediction.text, batch["captions"])

    def _teach(
        self, image: Tensor | None, features: Tensor | None, batch: Batch
    ) -> tuple[Tensor, Captions, Tensor, Tensor]:
        """The loss, the references that it was computed on, each image's map (mean over words and references), logits.

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
        owner = torch.arange(len(captions)).repeat_interleave(torch.tensor(counts)).to(device)
        words = self.vocabularies["caption"]
        assert isinstance(words, Vocabulary)
        tokens, _ = words.encode(text, bounds=True, max_length=self.max_length - 1)
        given, wanted = tokens[:, :-1].to(device), tokens[:, 1:].to(device)
        inserted = {key: maps[owner] for key, maps in self.insertion(batch).items()}
        logits, maps = self.model(image, given, features=None if features is None else features[owner], **inserted)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=PAD)
        if self.balance and self.training:  # evaluation's loss stays a mean over words
            loss = loss + self.balance * doubly_stochastic(maps, wanted != PAD).mean()
        means = mean_over_words(maps, wanted)
        share = torch.tensor(counts, device=means.device, dtype=means.dtype).reciprocal()[owner]
        attention = means.new_zeros(len(captions), *means.shape[1:]).index_add(0, owner, means * share[:, None, None])
        return loss, Captions(text, wanted, maps), attention, logits


def mean_over_words(maps: Float[Tensor, "b t i j"], tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b i j"]:
    """The mean map of a sentence's words, `EOS` and padding left out; of its end, where it has no word.

    Example:
        >>> maps = torch.tensor([[1.0, 3.0, 9.0], [4.0, 5.0, 6.0]]).view(2, 3, 1, 1)
        >>> mean_over_words(maps, torch.tensor([[5, 6, EOS], [EOS, 0, 0]])).flatten()
        tensor([2., 4.])
    """
    words = words_of(tokens).to(maps.dtype)
    return torch.einsum("bt,btij->bij", words / words.sum(1, keepdim=True), maps)


def words_of(tokens: Int[Tensor, "b t"]) -> Bool[Tensor, "b t"]:
    """Which tokens are words, `EOS` and padding left out; the first, where there is no word.

    Example:
        >>> words_of(torch.tensor([[5, 6, EOS], [EOS, 0, 0]])).int()
        tensor([[1, 1, 0],
                [1, 0, 0]], dtype=torch.int32)
    """
    words = (tokens != PAD) & (tokens != EOS)
    first = torch.arange(tokens.shape[1], device=tokens.device) == 0
    return torch.where(words.any(1, keepdim=True), words, first)


def log_probability(logits: Float[Tensor, "b t v"], tokens: Int[Tensor, "b t"]) -> Float[Tensor, " b"]:
    """The log-probability of each sentence, its end included and padding not.

    Example:
        >>> log_probability(torch.zeros(1, 3, 4), torch.tensor([[3, 3, PAD]])) / torch.tensor(4.0).log()
        tensor([-2.])
    """
    gains = logits.float().log_softmax(2).gather(2, tokens[:, :, None])[:, :, 0]
    return torch.where(tokens != PAD, gains, 0.0).sum(1)


def _before(tokens: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
    """The word before each one of a sentence."""
    return torch.cat([torch.full_like(tokens[:, :1], BOS), tokens[:, :-1]], 1)
