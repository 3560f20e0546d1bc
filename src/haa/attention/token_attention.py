"""Attention from words to the image tokens of a decoder-only vision-language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad
from torch.utils.hooks import RemovableHandle

from haa.attention.captured import AttentionWeights, kernel_of
from haa.attention.image_grids import ImageInputs, Picture, on_one_grid, on_picture, pictures
from haa.attention.passes import Passes, language_layers, language_models, passes_of, vision_towers
from haa.attention.prompt import Query, check_query
from haa.attention.softmax import Call, heads_apart
from haa.attention.source import unseen
from haa.errors import InputError
from haa.geometry.extent import Size


class TokenAttention(AttentionWeights):
    r"""Attention from words to the image's tokens, in a language model that reads both in one sequence.

    .. math:: A_{ij} = \frac{1}{|Q|} \sum_{q \in Q} \frac{1}{|L| |H|} \sum_{l \in L, h \in H}
        \mathrm{softmax}(s Q_{lh} K_{lh}^\top + M)_{q, ij}

    The model keeps its fused attention. The softmax is computed again for the words Q that are read: their number times
    that of all tokens, for each layer and head. A map sums to the share of the attention that the image gets; losses
    and metrics normalise.

    Image tokens are found by their id in ``input_ids``, and lie on the grid that the model is called with
    (``image_grid_thw``) or that its vision tower's patches make. Where a picture is seen in tiles and as a whole, its
    map is the sum of both, on the grid of the tiles.

    Generation is read within ``with source.recording():``, greedy or sampled, with a cache of keys and without beams.
    It has a map for each token that was generated.

    Args:
        layers: Names or patterns of attention layers. None takes all of the language model: where in its depth words
            look at the image differs from model to model.
        heads: Numbers of the heads to read; None takes all.
        query: Words that look: ``"answer"``, each token that predicts one of the ``labels`` or is followed by a
            generated one; ``"question"``, the words before; ``"last"``, the last token of the prompt.
        rollout: Whether attention is multiplied over the layers (`haa.attention.Rollout`) instead of averaged. It needs
            every row: the square of the tokens for each layer.
        residual: Share of the skip connection in the rollout, 0 <= residual < 1.
        image: Number of the image of each sample; -1 is the last. None takes all, in the order of ``pixel_values``:
            one map for each image.
        size: Rows and columns of what `read` returns. None takes the images' own grid, and of different grids the most
            rows and the most columns.
        image_token: Id of the image tokens; None takes what the model's config names.
        special: Ids that are no words of a question besides those that the config names, such as a tokenizer's
            ``all_special_ids``.
        grid: Rows and columns of an image's tokens; None takes what the model is called with.
        prefix: Number of image tokens before those of the grid, such as a class token.

    Raises:
        InputError: If a layer is not there or has a kernel that leaves nothing to read (from `attach`), or the tokens
            do not add up to what the model declares (from `read`).

    Example:
        >>> import transformers as hf
        >>> sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        >>> config = hf.LlavaConfig(
        ...     vision_config=hf.CLIPVisionConfig(**sizes, image_size=16, patch_size=8),
        ...     text_config=hf.LlamaConfig(**sizes, vocab_size=10),
        ...     image_token_index=9,
        ...     vision_feature_layer=-1,
        ... )
        >>> model = hf.LlavaForConditionalGeneration(config).eval()
        >>> source = TokenAttention(query="last")
        >>> source.attach(model)
        >>> output = model(input_ids=torch.tensor([[1, 9, 9, 9, 9, 5]]), pixel_values=torch.rand(1, 3, 16, 16))
        >>> source.read().shape
        torch.Size([1, 2, 2])

    A. Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.3.
    """

    def __init__(
        self,
        layers: str | Sequence[str] | None = None,
        heads: Sequence[int] | None = None,
        query: Query = "answer",
        rollout: bool = False,
        residual: float = 0.5,
        image: int | None = None,
        size: Sequence[int] | None = None,
        image_token: int | None = None,
        special: Sequence[int] = (),
        grid: Sequence[int] | None = None,
        prefix: int | None = None,
    ) -> None:
        super().__init__(layers, heads, grid, prefix)
        if not 0 <= residual < 1:
            raise InputError(f"residual={residual}: give the skip connection's share, from 0 to less than 1")
        self.query, self.rollout, self.residual = check_query(query), rollout, residual
        self.image, self.image_token, self.special = image, image_token, frozenset(special)
        self.size, self._grid = _pair(size, "size"), _pair(grid, "grid")
        self._passes: Passes | None = None
        self._inside = 0

    def default_layers(self, model: nn.Module) -> dict[str, nn.Module]:
        return language_layers(model)

    def watch(self, model: nn.Module) -> list[RemovableHandle]:
        self._passes, self._inside = passes_of(model, self.query, self.image_token, self.special), 0
        handles = super().watch(model)
        for layer, module in self._modules.items():
            if any(kernel in kernel_of(module) for kernel in ("flash", "flex")):
                for handle in handles:
                    handle.remove()
                raise self.unreadable(layer)
        # a part may be called by itself, as in a generation under an adapter: then its pass is the model's
        for name, part in language_models(model).items():
            if name:
                handles.append(part.register_forward_pre_hook(self._enter, with_kwargs=True))
                handles.append(part.register_forward_hook(self._leave, always_call=True))
        handles += [part.register_forward_pre_hook(self._look, with_kwargs=True) for part in vision_towers(model)]
        return handles

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        assert self._model is not None
        self._known_passes().begin(self._recording)
        self._known_passes().all[-1].note(self._model, args, kwargs)
        return args, kwargs

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.watching:
            return
        if self._depth + self._inside == 0:
            if not self._recording:
                self.clear()
            self._known_passes().begin(self._recording)
        self._inside += 1
        self._known_passes().all[-1].note(module, args, kwargs)

    def _leave(self, module: nn.Module, args: object, output: object) -> None:
        self._inside = max(0, self._inside - self.watching)

    def _look(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.watching:
            self._known_passes().look(module, args, kwargs)

    def clear(self) -> None:
        super().clear()
        if self._passes is not None:
            self._passes = self._passes.anew()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_passes": None if self._passes is None else self._passes.anew()}

    def keep(self, layer: str, calls: list[Call]) -> list[Any]:
        passes = self._known_passes().all
        if not passes:
            return calls
        passes[-1].leave()
        if torch.is_grad_enabled() or self._tries:
            return calls
        # without a graph the rows are all that is needed: queries and keys need not stay
        try:
            return [self._per_head(layer, call, len(passes) - 1).mean(1) for call in calls]
        except InputError:
            return calls  # the same is said when it is read

    def batch_of(self, layer: str) -> int | None:
        return len(self._known_passes().all[0].arguments["input_ids"])

    def read(self, words: Bool[Tensor, "m t"] | None = None) -> Float[Tensor, "m i j"]:
        """Return the mean map over the words.

        Args:
            words: True for each word that counts, of those that `read_words` returns; None takes all that are read.

        Raises:
            InputError: If ``words`` has another shape than the maps that were read.
        """
        maps = self._mean(words)
        with _exact(maps[0]):
            return on_one_grid(maps, self.size)

    def read_each(self) -> list[Float[Tensor, "i j"]]:
        """Return the mean map of each image over the words, on the grid of its own tokens."""
        return self._mean(None)

    def read_words(self) -> Float[Tensor, "m t i j"]:
        """Return the map of each word, in order; zeros after the last word of a sample that has fewer than others."""
        weights, counted = self._weights()
        with _exact(weights):
            weights = weights * counted[..., None]
            maps = [on_picture(weights[sample], picture) for sample, picture in self._pictures()]
            return on_one_grid(maps, self.size)

    def cells(self) -> dict[str, Float[Tensor, "m c i j"]]:
        chosen = self._pictures(every=True)
        shapes = {tuple(cells.shape) for _, picture in chosen for cells in picture}
        if len(shapes) > 1 or self._image is None or len(chosen) != self._image[0]:
            return {}  # tiles and the like, which are not pictures of the batch one by one
        out = {}
        for layer in self._modules:
            shares = self._per_head(layer, self.only_call(layer), 0).flatten(1, 2).clamp_min(1e-30).log()
            out[layer] = torch.stack([on_picture(shares[sample], picture) for sample, picture in chosen])
        return out

    def _mean(self, words: Tensor | None) -> list[Tensor]:
        weights, counted = self._weights()
        chosen = self._pictures()
        if words is None:
            words = counted[[sample for sample, _ in chosen]]
        elif words.shape != (len(chosen), counted.shape[1]):
            raise InputError(
                f"words has shape {tuple(words.shape)}, but {(len(chosen), counted.shape[1])} maps were read"
            )
        share = words.to(weights) / words.sum(1, keepdim=True).clamp_min(1)
        with _exact(weights):
            return [
                on_picture(of_words @ weights[sample], picture)
                for of_words, (sample, picture) in zip(share, chosen, strict=True)
            ]

    def _weights(self) -> tuple[Float[Tensor, "b t n"], Bool[Tensor, "b t"]]:
        """Return the attention of each word to each token, of the prompt and generated, and which words count."""
        passes = self._known_passes()
        if not passes.all:
            raise unseen(self, "the language model")
        queries = [passes.queries(number) for number in range(len(passes.all))]
        counted = torch.cat([counts for _, counts in queries], 1)
        if not self.rollout:
            first, *others = (self._of_layer(layer) for layer in self._modules)
            weights = torch.stack([first, *(other.to(first.device) for other in others)]).mean(0)
            return weights, counted.to(weights.device)
        starts = torch.tensor([0, *passes.lengths]).cumsum(0).tolist()
        places = torch.cat([start + rows for start, (rows, _) in zip(starts, queries, strict=False)], 1)
        flow = one_hot(places, starts[-1])
        for layer in reversed(self._modules):
            weights = self._of_layer(layer)
            flow = flow.to(weights)
            with _exact(flow):
                flow = (1 - self.residual) * (flow @ weights) + self.residual * flow
        return flow, counted.to(flow.device)

    def _of_layer(self, layer: str) -> Float[Tensor, "b t n"]:
        """Return what the words of all passes give each token in a layer."""
        self.grid.refuse_misplaced(layer)
        passes, calls = self._known_passes(), self.calls(layer)
        if len(calls) != len(passes.all):
            raise InputError(f"layer {layer} computed {len(calls)} attentions in {len(passes.all)} forward passes")
        parts, before, total = [], 0, sum(passes.lengths)
        for number, (one, call) in enumerate(zip(passes.all, calls, strict=True)):
            if isinstance(call, Tensor) and one.with_graph and torch.is_grad_enabled():
                raise InputError(
                    f"layer {layer} ran without a graph in a pass that has one (gradient checkpointing?): take "
                    "gradient_checkpointing_kwargs={'use_reentrant': False}"
                )
            weights = call if isinstance(call, Tensor) else self._per_head(layer, call, number).mean(1)
            before += one.length
            # a cache of fixed size has keys that are to come, a sliding one has lost the first
            weights = weights[..., :before]
            parts.append(pad(weights, (before - weights.shape[-1], total - before)))
        return torch.cat(parts, 1)

    def _per_head(self, layer: str, call: Call, number: int) -> Float[Tensor, "b heads t k"]:
        """Return the attention of a pass' words, or of all its tokens where they are multiplied."""
        passes = self._known_passes()
        length, rows = passes.all[number].length, passes.queries(number)[0]
        if length == 1 and call.queries == getattr(self._modules[layer], "num_key_value_groups", 1) > 1:
            call = heads_apart(call)
        if call.queries != length:
            raise InputError(
                f"layer {layer} attends with {call.queries} queries, and input_ids has {length} tokens a sample: name "
                "the layers of the language model, and call it with a token for each part of an image"
            )
        return self._by_head(layer, call, slice(None) if self.rollout else rows)

    def _pictures(self, every: bool = False) -> list[tuple[int, Picture]]:
        """Return the pictures that are read, each with the number of its sample."""
        passes = self._known_passes()
        try:
            patches = None if self._grid is not None else self.grid.size(next(iter(self._modules)))
        except InputError:
            patches = None
        inputs = ImageInputs(passes.of_images, passes.configs[-1], patches)
        found = pictures(passes.prompt, inputs, self._grid, self.grid.prefix)
        if self.image is None or every:
            return [(sample, picture) for sample, of_sample in enumerate(found) for picture in of_sample]
        for sample, of_sample in enumerate(found):
            if not -len(of_sample) <= self.image < len(of_sample):
                raise InputError(f"image={self.image}: sample {sample} has {len(of_sample)} images")
        return [(sample, of_sample[self.image]) for sample, of_sample in enumerate(found)]

    def _known_passes(self) -> Passes:
        if self._passes is None:
            raise unseen(self, "the language model")
        return self._passes


def _exact(x: Tensor) -> torch.autocast:
    """Return a context in which maps keep their precision, whatever the autocast of the model."""
    return torch.autocast(x.device.type, enabled=False)


def _pair(value: Sequence[int] | None, name: str) -> Size | None:
    if value is None:
        return None
    if isinstance(value, str) or len(value) != 2:
        raise InputError(f"{name}={value}: give rows and columns")
    return int(value[0]), int(value[1])
