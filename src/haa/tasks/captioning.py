"""Captioning: learn to write what people wrote, looking where they looked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import MetricCollection

from haa.alignment import Alignment
from haa.batch import Batch, Output
from haa.data.dataset import GazeDataset
from haa.metrics import CaptionScores
from haa.models.captioner import Captioner
from haa.models.show_attend_tell import doubly_stochastic
from haa.module import AlignedModule, Optimizer, Scheduler, Vocabularies
from haa.text import EOS, PAD, Vocabulary


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
    sentence's words: of the reference in training, of the model's own sentence in evaluation.

    Args:
        model, alignment, optimizer, scheduler, vocabularies: see `haa.module.AlignedModule`.
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
        features = batch.get("features")
        if features is None:
            features = self.model.backbone(batch["image"])
        loss, taught, attention = self._teach(features, batch["captions"])
        words = (taught.tokens != PAD).sum()
        if self.training:
            return Output(loss, taught, attention, count=words)
        tokens, maps = self.model.generate(None, features=features, beam=self.beam, max_length=self.max_length)
        text = self.vocabularies["caption"].decode(tokens)
        return Output(loss, Captions(text, tokens, maps), mean_over_words(maps, tokens), count=words)

    def make_metrics(self) -> MetricCollection:
        return MetricCollection({"captions": CaptionScores(("bleu4", "rouge_l", "cider"))})

    def update_metrics(self, metrics: MetricCollection, output: Output, batch: Batch) -> None:
        metrics.update(output.prediction.text, batch["captions"])

    def _teach(self, features: Tensor, captions: list[list[str]]) -> tuple[Tensor, Captions, Tensor]:
        """The loss, the references that it was computed on, and each image's map, mean over words and references."""
        if self.all_references or not self.training:
            counts = [len(references) for references in captions]
            text = [reference for references in captions for reference in references]
        else:
            counts = [1] * len(captions)
            text = [references[int(torch.randint(len(references), ()))] for references in captions]
        owner = torch.arange(len(captions)).repeat_interleave(torch.tensor(counts)).to(features.device)
        words = self.vocabularies["caption"]
        assert isinstance(words, Vocabulary)
        tokens, _ = words.encode(text, bounds=True, max_length=self.max_length - 1)
        given, wanted = tokens[:, :-1].to(features.device), tokens[:, 1:].to(features.device)
        logits, maps = self.model(None, given, features=features[owner])
        loss = F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=PAD)
        if self.balance and self.training:  # evaluation's loss stays a mean over words
            loss = loss + self.balance * doubly_stochastic(maps, wanted != PAD).mean()
        means = mean_over_words(maps, wanted)
        share = torch.tensor(counts, device=means.device, dtype=means.dtype).reciprocal()[owner]
        attention = means.new_zeros(len(captions), *means.shape[1:]).index_add(0, owner, means * share[:, None, None])
        return loss, Captions(text, wanted, maps), attention


def mean_over_words(maps: Float[Tensor, "b t i j"], tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b i j"]:
    """The mean map of a sentence's words, `EOS` and padding left out; of its end, where it has no word.

    Example:
        >>> maps = torch.tensor([[1.0, 3.0, 9.0], [4.0, 5.0, 6.0]]).view(2, 3, 1, 1)
        >>> mean_over_words(maps, torch.tensor([[5, 6, EOS], [EOS, 0, 0]])).flatten()
        tensor([2., 4.])
    """
    words = ((tokens != PAD) & (tokens != EOS)).to(maps.dtype)
    first = torch.zeros_like(words)
    first[:, 0] = 1
    words = torch.where(words.sum(1, keepdim=True) > 0, words, first)
    return torch.einsum("bt,btij->bij", words / words.sum(1, keepdim=True), maps)
