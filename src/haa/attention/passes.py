"""Forward passes of a vision-language model: one, or those of a generation that adds a token at a time."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from haa.attention.layers import attention_layers
from haa.attention.prompt import Prompt, Query, end_tokens, image_token_of, prompt_of, special_tokens
from haa.errors import InputError

_TOKENS = ("input_ids", "attention_mask", "labels")
_OF_IMAGES = ("grid_thw", "image_sizes", "patch_attention_mask")


@dataclass
class Pass:
    """Forward pass, with the tokens that the model was called with, on the host.

    Attributes:
        recorded: Whether it is one of several that belong together.
        with_graph: Whether it began with gradients.
        arguments: Tokens, their mask and labels, by name.
        cache: Cache of keys that it was called with, which is not kept alive; None without one.
        cached: Keys in the cache when it ended.
    """

    recorded: bool
    with_graph: bool
    arguments: dict[str, Any] = field(default_factory=dict)
    cache: weakref.ref[Any] | None = None
    cached: weakref.ref[Tensor] | None = None
    queries: tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]] | None = None

    @property
    def length(self) -> int:
        """Number of tokens of a sample."""
        return 0 if "input_ids" not in self.arguments else int(self.arguments["input_ids"].shape[1])

    def note(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Keep what a model, or a part of it, is called with; what is known already stays."""
        for value in (*args, *kwargs.values()):
            if hasattr(value, "get_seq_length"):
                self.cache = weakref.ref(value)
        self.arguments = _on_host(module, args, kwargs, _TOKENS) | self.arguments

    def leave(self) -> None:
        """Note what the cache holds."""
        keys = self._first_keys()
        self.cached = None if keys is None else weakref.ref(keys)

    @property
    def is_undisturbed(self) -> bool:
        """Whether the cache still holds what it held when the pass ended; beams exchange its rows."""
        return self.cached is None or self._first_keys() is self.cached()

    def _first_keys(self) -> Tensor | None:
        cache = None if self.cache is None else self.cache()
        kept = (getattr(layer, "keys", None) for layer in getattr(cache, "layers", ()))
        return next((keys for keys in kept if isinstance(keys, Tensor)), None)


class Passes:
    """Passes that belong together, and the words of each that are read.

    Args:
        query: Words that look.
        image_token: Id of the image tokens.
        special: Ids that are no words of a question, besides those that the configs name.
        configs: Configs of the model that name its tokens, that of its generation first.
    """

    def __init__(self, query: Query, image_token: int, special: frozenset[int], configs: Sequence[Any] = ()) -> None:
        self.query, self.image_token, self.special, self.configs = query, image_token, special, configs
        self.all: list[Pass] = []
        self.of_images: dict[str, Any] = {}
        """What the vision tower was called with; in generation, before the first pass."""
        self._problem: InputError | None = None

    def anew(self) -> Passes:
        """Return the same without a pass."""
        return Passes(self.query, self.image_token, self.special, self.configs)

    def look(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Keep what a vision tower is called with; of several calls (images, then videos) the first."""
        self.of_images = _on_host(module, args, kwargs, _OF_IMAGES) | self.of_images

    def begin(self, recorded: bool) -> None:
        """Begin a pass; what was called wrongly is said when it is read, and does not stop the model."""
        if self.all and not self.all[-1].is_undisturbed:
            self._problem = InputError(
                "the cache of keys was changed between two passes (beams, assisted decoding?), so that its rows are no "
                "longer the batch's: generate with num_beams=1"
            )
        self.all.append(Pass(recorded, torch.is_grad_enabled()))

    @cached_property
    def prompt(self) -> Prompt:
        """Prompt that the first of them was called with.

        Raises:
            InputError: If it has none.
        """
        return prompt_of(self.all[0].arguments, self.image_token, self.special | special_tokens(*self.configs))

    @cached_property
    def ends(self) -> Int[Tensor, " e"]:
        """Ids that end an answer."""
        return torch.tensor(sorted(end_tokens(*self.configs)), dtype=torch.long)

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each pass."""
        return [one.length for one in self.all]

    def queries(self, number: int) -> tuple[Int[Tensor, "b t"], Bool[Tensor, "b t"]]:
        """Return which tokens of a pass are read, and which of these count: samples have different numbers of them.

        Raises:
            InputError: If a sample has none, or the passes are not those of one generation.
        """
        one = self.all[number]
        if one.queries is None:
            if self._problem is not None:
                raise self._problem
            one.queries = self._of_step(number) if number else self._of_prompt()
        return one.queries

    def _of_prompt(self) -> tuple[Tensor, Tensor]:
        prompt = self.prompt
        if self.query == "answer" and self.all[0].recorded and prompt.labels is None:
            if not prompt.real[:, -1].all() or prompt.of_image[:, -1].any():
                raise InputError("generation goes on from the last token: pad on the left, and end with words")
            last = torch.full((len(prompt.ids), 1), prompt.ids.shape[1] - 1)
            return last, torch.ones_like(last, dtype=torch.bool)
        chosen = prompt.queries(self.query)
        most = int(chosen.sum(1).max())
        # those that are chosen come first, in order
        places = (~chosen).long().argsort(dim=1, stable=True)[:, :most]
        return places, chosen.gather(1, places)

    def _of_step(self, number: int) -> tuple[Tensor, Tensor]:
        ids = self.all[number].arguments.get("input_ids")
        if ids is None or ids.shape[1] != 1 or len(ids) != len(self.prompt.ids):
            raise InputError(
                f"pass {number + 1} within recording() has {'no' if ids is None else ids.shape[1]} tokens a sample: "
                "haa reads one generation, a token at a time, with a cache of keys (use_cache=True)"
            )
        if self.query != "answer" or self.prompt.labels is not None:
            none = torch.zeros(len(ids), 0, dtype=torch.long)
            return none, none.bool()
        written = torch.cat([one.arguments["input_ids"] for one in self.all[1 : number + 1]], 1)
        return torch.zeros_like(ids), ~torch.isin(written, self.ends).any(1, keepdim=True)


def passes_of(model: nn.Module, query: Query, image_token: int | None, special: frozenset[int]) -> Passes:
    """Return a model's passes, of which there are none yet.

    Raises:
        InputError: If neither the model's config nor the caller names its image token.
    """
    parts = language_models(model)
    config = next((part.config for part in parts.values()), None)
    token = image_token_of(config) if image_token is None else image_token
    if token is None:
        raise InputError(
            f"{type(model).__name__} has no config with image_token_id or image_token_index, by which image tokens are "
            "found: give image_token, or take SelfAttention or CrossAttention"
        )
    generation = [part.generation_config for part in parts.values() if hasattr(part, "generation_config")]
    return Passes(query, token, special, [*generation, config])


def language_models(model: nn.Module) -> dict[str, nn.Module]:
    """Return the parts of a model that take tokens and whose config names an image's, by name, from the outside in."""
    return {
        name: part
        for name, part in model.named_modules()
        if image_token_of(getattr(part, "config", None)) is not None
        and "input_ids" in inspect.signature(part.forward).parameters
    }


def vision_towers(model: nn.Module) -> list[nn.Module]:
    """Return the parts of a model that are told how its images' patches lie."""
    names = {name: set(inspect.signature(part.forward).parameters) for name, part in model.named_modules()}
    return [model.get_submodule(name) for name, parameters in names.items() if parameters & set(_OF_IMAGES)]


def language_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the attention layers of the part that embeds a model's words, by name.

    Raises:
        InputError: If no part says that it does.
    """
    for name, part in [*language_models(model).items(), ("", model)]:
        embedding = getattr(part, "get_input_embeddings", lambda: None)()
        inner = next((n for n, module in part.named_modules() if module is embedding), None)
        if inner is not None:
            home = ".".join(filter(None, (name, inner.rpartition(".")[0])))
            layers = attention_layers(model.get_submodule(home))
            return {".".join(filter(None, (home, layer))): module for layer, module in layers.items()}
    raise InputError(f"{type(model).__name__} does not say which part embeds its words: name layers")


def _on_host(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    in_order = inspect.signature(module.forward).parameters if args else ()
    arguments = {**dict(zip(in_order, args, strict=False)), **kwargs}
    return {
        name: value.detach().cpu() if isinstance(value, Tensor) else value
        for name in names
        if (value := arguments.get(name)) is not None
    }
