"""Models of the Hugging Face hub's that write about a picture: vision-language models and captioners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from haa.attention import CrossAttention, TokenAttention
from haa.attention.prompt import IGNORED
from haa.errors import InputError
from haa.geometry.extent import WHOLE
from haa.geometry.receptive_field import looks_at
from haa.models.huggingface.adapted import Adapted, Lora
from haa.models.huggingface.inputs import Inputs
from haa.models.huggingface.loading import build, library, quantization, quiet, read_config


@dataclass
class Written:
    """What a model gives for texts that are read word by word.

    Args:
        logits: Logits of each next token.
        targets: The tokens that are to come; `IGNORED` where there is none.
    """

    logits: Float[Tensor, "b t v"]
    targets: Int[Tensor, "b t"]

    @property
    def words(self) -> Bool[Tensor, "b t"]:
        """Which of the positions predict a token of the text."""
        return self.targets != IGNORED

    def log_probability(self) -> Float[Tensor, " b"]:
        """Return the log-probability of each text, its end included."""
        gains = self.logits.float().log_softmax(2).gather(2, self.targets.clamp_min(0)[:, :, None])[:, :, 0]
        return torch.where(self.words, gains, 0.0).sum(1)


class Writer(Adapted):
    """Vision-language model of transformers' that goes on from a picture and a prompt, or answers a question.

    What it can do is found from how it is built, not from a list of names:

    - the text goes on behind the prompt, in which the image's tokens stand (LLaVA, Qwen2-VL, PaliGemma, SmolVLM ...) or
      which attends to the image (BLIP's captioner), or follows it (GIT);
    - the text is a sequence of its own (encoder-decoders, BLIP's question answering).

    Args:
        name: Name of the hub's, or a folder with the model and its processor.
        pretrained: Read the weights; else they are random.
        frozen: Fix all weights; of use with ``lora`` alone.
        lora: Adapters; the rest is fixed.
        gradient_checkpointing: Compute activations again in the backward pass, for less memory.
        quantize: ``8bit`` or ``4bit``: the fixed weights in fewer bits, by bitsandbytes.
        tiles: Whether a picture is also seen in tiles, where the model does so (SmolVLM, InternVL), for small print.
        answer_vocab: Number of answers in the training split, which an open vocabulary does not need.

    Raises:
        InputError: If the model cannot be read, or writes nothing about pictures.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool = True,
        frozen: bool = False,
        lora: Lora | None = None,
        gradient_checkpointing: bool = False,
        quantize: str | None = None,
        tiles: bool = False,
        answer_vocab: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        config, lora = read_config(name), lora or Lora()
        kind = _kind(name, config)
        fixed = bool(frozen or lora.rank)
        if quantize and not fixed:
            raise InputError(f"model.quantize={quantize}: such weights are not trained, give lora.rank=8, say")
        self.body, new = build(name, kind, config, pretrained, not fixed, **quantization(quantize))
        self.trained = f"as {name} holds them" if pretrained else None
        self.choose(new, pretrained, frozen, lora)
        self.inputs = Inputs(name, self.body, tiles)
        self.source = self._own_source()
        self.body.loss_function = _no_loss  # labels are given to say which words answer
        if gradient_checkpointing:
            self.checkpoint_activations()

    def forward(self, image: Float[Tensor, "b 3 h w"], prompts: Sequence[str], texts: Sequence[str]) -> Written:
        """Return what the model would have written in the place of each token of a text.

        Args:
            image: RGB in [0, 1].
            prompts: A question or request for each image; empty for none.
            texts: What is to be written.
        """
        arguments, targets = self.inputs.teach(image, prompts, texts)
        if self.inputs.answers:
            self._question = arguments["attention_mask"].bool()
        logits: Tensor = self.inputs.logits(self.body, arguments)
        return Written(logits[:, -targets.shape[1] :], targets)

    @property
    def request(self) -> str:
        """What a picture's description is asked for with; empty where the model describes it without."""
        return "Describe the picture in one sentence." if self.inputs.image_token is not None else ""

    def looking(self, written: Written) -> Bool[Tensor, "b t"] | None:
        """Return which queries of the attention to the image count: those that predict the text, or the question's.

        None where the source knows it from the labels.
        """
        if self.inputs.image_token is not None:
            return None
        return self._question if self.inputs.answers else written.words

    def look(self, words: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b i j"] | None:
        """Return where the last pass looked, for the queries that count; None where the model has no map of its own."""
        if isinstance(self.source, TokenAttention):  # it has put tiles and parts together on the whole picture
            return self.own_map(lambda: looks_at(self.source.read(), WHOLE))
        return self.own_map(lambda: self.source.read(words))

    def _own_source(self) -> CrossAttention | TokenAttention | None:
        """Return what watches the model's own attention from text to image; None where there is none."""
        source: CrossAttention | TokenAttention = TokenAttention()
        if self.inputs.image_token is None:
            source = CrossAttention("text_encoder.*crossattention" if self.inputs.answers else None)
        try:
            source.attach(self.body)
        except InputError:
            return None
        return source

    @torch.no_grad()
    def write(
        self,
        image: Float[Tensor, "b 3 h w"],
        prompts: Sequence[str],
        beam: int = 1,
        max_length: int = 20,
        choices: Sequence[str] | None = None,
    ) -> list[str]:
        """Return what the model writes about each image.

        Args:
            image: RGB in [0, 1].
            prompts: A question or request for each image; empty for none.
            beam: Number of texts kept in the search; 1 is greedy.
            max_length: Largest number of tokens.
            choices: Texts of which one is to be written; None leaves it open.
        """
        found: list[str] = [""] * len(image)
        # BLIP says itself which token pads
        extra: dict[str, Any] = {} if self.inputs.text_decoder else {"pad_token_id": self.inputs.pad}
        if choices is not None:
            extra["logits_processor"] = [OneOf([self.inputs.tokens(text) for text in choices])]
        for rows in self.inputs.together(prompts):
            picked = image[torch.tensor(rows, device=image.device)]
            given = self.inputs.ask(picked, [prompts[row] for row in rows])
            with quiet():
                written = self.body.generate(
                    **given, num_beams=beam, do_sample=False, max_new_tokens=max_length, **extra
                )
            for row, text in zip(rows, self.inputs.read(written, given.get("input_ids")), strict=True):
                found[row] = text
        return found


class OneOf:
    """Logits processor of transformers' that lets only one of some token sequences be written.

    Args:
        choices: The sequences, each with its end.

    Example:
        >>> only, scores = OneOf([[5, 6, 1], [5, 7, 1]]), torch.zeros(1, 9)
        >>> only(torch.tensor([[3, 3]]), scores).isfinite().nonzero()[:, 1]
        tensor([5])
        >>> only(torch.tensor([[3, 3, 5]]), scores).isfinite().nonzero()[:, 1]
        tensor([6, 7])
    """

    def __init__(self, choices: Sequence[Sequence[int]]) -> None:
        self.next: dict[tuple[int, ...], set[int]] = {}
        for tokens in choices:
            for k, token in enumerate(tokens):
                self.next.setdefault(tuple(tokens[:k]), set()).add(token)
        self.end = {tokens[-1] for tokens in choices}
        self.start: int | None = None

    def __call__(self, input_ids: Int[Tensor, "n t"], scores: Float[Tensor, "n v"]) -> Float[Tensor, "n v"]:
        """Return the scores, those of tokens that lead to none of the sequences being minus infinity."""
        if self.start is None or input_ids.shape[1] < self.start:
            self.start = input_ids.shape[1]
        out = torch.full_like(scores, -torch.inf)
        for row, written in enumerate(input_ids[:, self.start :].tolist()):
            allowed = sorted(self.next.get(tuple(written), self.end))
            out[row, allowed] = scores[row, allowed]
        return out


def _no_loss(*args: Any, **kwargs: Any) -> None:
    """Return nothing: the loss is made of the logits."""


def _kind(name: str, config: Any) -> Any:
    """Return the class that a model is built of: the one that its configuration names, if it writes about pictures."""
    transformers = library()
    for architecture in config.architectures or ():
        kind = getattr(transformers, architecture, None)
        writes = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel) and hasattr(kind, "generate")
        if writes and any(getattr(config, part, None) is not None for part in ("vision_config", "encoder")):
            return kind
    kinds = transformers.AutoModelForImageTextToText
    if type(config) in kinds._model_mapping:
        return kinds
    raise InputError(
        f"model.name={name} is a {config.model_type}, which writes nothing about pictures: give a captioner or a "
        "vision-language model"
    )
