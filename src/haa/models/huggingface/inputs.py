"""What a vision-language model is called with: pictures and texts, prepared as its own processor does."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from haa.attention.prompt import IGNORED, image_token_of
from haa.errors import InputError, reason
from haa.models.huggingface.loading import read_processor


class Inputs:
    """Preparation of pictures, prompts and texts for one model.

    Args:
        name: Where the processor is read: a name of the hub's, or a folder.
        model: The model.
        tiles: Whether a picture is also seen in tiles, where the model does so.

    Attributes:
        separate: Whether the text is a sequence of its own, not one that goes on behind the prompt.
        asked: Whether the model reads a prompt at all.
        keeps_logits: Whether the model can leave out the logits of tokens that are not asked for.
        pad: Token of padding.
        end: Token that ends a text.
    """

    def __init__(self, name: str, model: Any, tiles: bool = False) -> None:
        self.tiles = tiles
        processor = read_processor(name)
        if not hasattr(processor, "image_processor"):  # a tokenizer, beside which an image processor lies
            self.tokenizer, self.processor = processor, None
            self.image_processor = read_processor(name, "AutoImageProcessor")
        else:
            self.tokenizer, self.processor = processor.tokenizer, processor
            self.image_processor = processor.image_processor
        config = model.config
        text = config.decoder if hasattr(config, "decoder") else config.get_text_config(decoder=True)
        generation = getattr(model, "generation_config", None)
        self.keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.image_token = image_token_of(config)
        self.text_decoder = hasattr(model, "text_decoder")
        self.answers = hasattr(model, "text_encoder") and self.text_decoder
        self.separate = bool(config.is_encoder_decoder or self.answers)
        self.asked = not (hasattr(config, "encoder") and hasattr(config, "decoder"))
        ends_by = [getattr(text, "sep_token_id", None) if self.text_decoder else None]
        ends_by += [getattr(place, "eos_token_id", None) for place in (generation, text, self.tokenizer)]
        self.end: int = _first(ends_by)
        pads = [getattr(place, "pad_token_id", None) for place in (self.tokenizer, generation, text)]
        self.pad: int = _first([*pads, self.end])
        starts = [getattr(place, "decoder_start_token_id", None) for place in (generation, config)]
        starts = starts if self.separate and not self.answers else []
        self.begin: int = _first([*starts, *(getattr(p, "bos_token_id", None) for p in (text, generation)), self.end])

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text that is to be written, with its end."""
        return [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.end]

    def ask(self, image: Float[Tensor, "b 3 h w"], prompts: Sequence[str]) -> dict[str, Any]:
        """Return the arguments of ``generate``: pictures, and prompts padded on the left."""
        if not self.asked:
            if any(prompts):
                raise InputError("this model reads no question: take one that does, or task=captioning")
            return self._pictures(image)
        given = self._prompted(image, prompts)
        if self.text_decoder and not self.answers:  # its generate drops the last token, and begins with the first
            ids = given["input_ids"]
            given["input_ids"] = torch.cat([ids, ids.new_full((len(ids), 1), self.end)], 1)
            given.pop("attention_mask", None)
        return given

    def teach(
        self, image: Float[Tensor, "b 3 h w"], prompts: Sequence[str], texts: Sequence[str]
    ) -> tuple[dict[str, Any], Int[Tensor, "b t"]]:
        """Return the arguments of a pass over texts that are known, and the token that each position is to predict."""
        wanted = [torch.tensor(self.tokens(text), device=image.device) for text in texts]
        if self.separate:
            targets = _padded(wanted, IGNORED)
            before = [torch.cat([ids.new_tensor([self.begin]), ids[:-1]]) for ids in wanted]
            given = self.ask(image, prompts)
            mask = _padded([torch.ones_like(ids) for ids in before], 0)
            return {
                **given,
                "decoder_input_ids": _padded(before, self.pad),
                "decoder_attention_mask": mask,
            }, targets
        given = self._prompted(image, prompts)
        seen = given["attention_mask"].bool()
        asked = [ids[mask] for ids, mask in zip(given["input_ids"], seen, strict=True)]
        whole = [torch.cat([ids, text]) for ids, text in zip(asked, wanted, strict=True)]
        labels = [torch.cat([torch.full_like(ids, IGNORED), text]) for ids, text in zip(asked, wanted, strict=True)]
        targets = _padded([row[1:] for row in labels], IGNORED)
        # where the image has tokens, the words that look at it are found by labels, which are as long as the text
        end = None if self.image_token is not None else -1
        out = {**given, "input_ids": _padded([ids[:end] for ids in whole], self.pad)}
        out["attention_mask"] = _padded([torch.ones_like(ids[:end]) for ids in whole], 0)
        if end is None:
            out["labels"] = _padded(labels, IGNORED)
        if end is None and self.keeps_logits:  # of the words alone
            first = min(map(len, asked)) - 1
            out["logits_to_keep"] = out["input_ids"].shape[1] - first
            targets = targets[:, first:]
        for key in ("token_type_ids", "mm_token_type_ids"):
            if key in given:
                kinds = [row[mask] for row, mask in zip(given[key], seen, strict=True)]
                own = self._kind_of_text(given, key)
                longer = [
                    torch.cat([row, torch.full_like(text, own)])[:end] for row, text in zip(kinds, wanted, strict=True)
                ]
                out[key] = _padded(longer, 0)
        return out, targets

    def together(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return which prompts may be continued in one batch: all, where the model's padding on the left is right."""
        if not self.text_decoder or self.answers:
            return [list(range(len(prompts)))]
        groups: dict[int, list[int]] = {}
        for row, prompt in enumerate(prompts):
            groups.setdefault(len(self.tokens(prompt)), []).append(row)
        return list(groups.values())

    def read(self, written: Int[Tensor, "b t"], prompt: Tensor | None) -> list[str]:
        """Return the texts that ``generate`` gave, without the prompts where it repeats them."""
        if prompt is not None and not self.separate:
            repeated = prompt[:, :-1] if self.text_decoder else prompt
            if repeated.shape[1] <= written.shape[1] and torch.equal(written[:, : repeated.shape[1]], repeated):
                written = written[:, repeated.shape[1] :]
        return [text.strip() for text in self.tokenizer.batch_decode(written, skip_special_tokens=True)]

    def logits(self, model: Any, arguments: dict[str, Any]) -> Float[Tensor, "b t v"]:
        """Return the logits of a pass, also of a model that hands out the loss alone."""
        if not self.answers:
            found: Tensor = model(**arguments).logits
            return found[:, :-1] if "labels" in arguments else found
        seen: list[Tensor] = []
        hook = model.text_decoder.register_forward_hook(lambda module, args, output: seen.append(output.logits))
        try:
            model(**arguments)
        finally:
            hook.remove()
        return seen[-1]

    def _prompted(self, image: Tensor, prompts: Sequence[str]) -> dict[str, Any]:
        if self.image_token is None:
            return {**self._pictures(image), **self._words(image, prompts)}
        assert self.processor is not None
        self.tokenizer.padding_side = "left"
        texts = [self._in_template(prompt) for prompt in prompts]
        try:
            given = self.processor(
                images=[[picture] for picture in image], text=texts, return_tensors="pt", padding=True, **self._sizes()
            )
        except Exception as error:  # each processor has checks of its own
            raise InputError(
                f"{type(self.processor).__name__} takes no such pictures or texts: {reason(error)}"
            ) from error
        given.pop("labels", None)
        return {key: value.to(image.device) for key, value in given.items()}

    def _in_template(self, prompt: str) -> str:
        if getattr(self.processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": prompt}]
            assert self.processor is not None
            return self.processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True
            )
        token = getattr(self.processor, "image_token", None)
        token = token if isinstance(token, str) else getattr(token, "content", "")
        own = hasattr(self.processor, "num_query_tokens")  # it puts them there itself
        return prompt if own else f"{token}{prompt}"

    def _words(self, image: Tensor, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Return the tokens of prompts for a model whose image has no tokens among them."""
        rows = [[*self.tokenizer(prompt, add_special_tokens=False)["input_ids"]] for prompt in prompts]
        if self.answers:
            rows = [self.tokenizer(prompt)["input_ids"] for prompt in prompts]
        else:
            rows = [[self.begin, *row] for row in rows]
        ids = [torch.tensor(row, device=image.device) for row in rows]
        flip = lambda parts, fill: _padded([part.flip(0) for part in parts], fill).flip(1)  # noqa: E731
        side = flip if not self.answers else _padded
        return {"input_ids": side(ids, self.pad), "attention_mask": side([torch.ones_like(row) for row in ids], 0)}

    def _pictures(self, image: Tensor) -> dict[str, Any]:
        given = self.image_processor(images=list(image), return_tensors="pt", **self._sizes())
        return {"pixel_values": given["pixel_values"].to(image.device)}

    def _sizes(self) -> dict[str, Any]:
        """Return how the image processor is to treat pictures: no scaling to [0, 1] again, and no part cut off."""
        options: dict[str, Any] = {"do_rescale": False}
        crop = getattr(self.image_processor, "crop_size", None)
        if getattr(self.image_processor, "do_center_crop", False) and crop:
            options |= {"do_center_crop": False, "size": {"height": crop["height"], "width": crop["width"]}}
        if not self.tiles:
            splits = ("do_image_splitting", "crop_to_patches")
            options |= {key: False for key in splits if hasattr(self.image_processor, key)}
        return options

    @staticmethod
    def _kind_of_text(given: dict[str, Any], key: str) -> int:
        """Return which kind of token an answer is of: text, or, where no kind marks images, what follows a prefix."""
        return int(key == "token_type_ids" and not bool(given[key].any()))


def _padded(rows: Sequence[Tensor], fill: int) -> Tensor:
    return pad_sequence(list(rows), batch_first=True, padding_value=fill)


def _first(candidates: Sequence[Any]) -> int:
    for found in candidates:
        if isinstance(found, list | tuple) and found:
            found = found[0]
        if isinstance(found, int) and found >= 0:
            return found
    raise InputError("the model's configuration names no token that begins, ends or pads a text: it cannot be taught")
