"""Prompt of a vision-language model: which of its tokens are an image's, which ask, and which answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from haa.errors import InputError

Query = Literal["answer", "question", "last"]

IGNORED = -100
"""Label of a token that is not learned, in torch and Hugging Face."""


@dataclass(frozen=True)
class Prompt:
    """Tokens that a vision-language model was called with, on the host.

    Args:
        ids: Tokens of each sample, padding included.
        real: False where a token is padding.
        labels: Tokens to be predicted, `IGNORED` where there is none; None where the model was given none.
        image_token: Id of the tokens that stand for an image's patches.
        special: Ids that are no words: begin, end, padding, roles.
    """

    ids: Int[Tensor, "b n"]
    real: Bool[Tensor, "b n"]
    labels: Int[Tensor, "b n"] | None
    image_token: int
    special: frozenset[int] = frozenset()

    @property
    def of_image(self) -> Bool[Tensor, "b n"]:
        """True for each token that stands for a part of an image."""
        return (self.ids == self.image_token) & self.real

    def queries(self, query: Query) -> Bool[Tensor, "b n"]:
        """Return which tokens' attention is read; never that of an image's own token.

        Args:
            query: ``"answer"`` are the tokens that predict a label, ``"question"`` the words before the first label,
                ``"last"`` is the last token that is no padding.

        Raises:
            InputError: If a sample has none.

        Example:
            >>> ids, labels = torch.tensor([[1, 9, 9, 5, 6, 7, 0]]), torch.tensor([[-100] * 5 + [7, -100]])
            >>> prompt = Prompt(ids, ids > 0, labels, image_token=9, special=frozenset([1]))
            >>> for query in ("answer", "question", "last"): prompt.queries(query).long()
            tensor([[0, 0, 0, 0, 1, 0, 0]])
            tensor([[0, 0, 0, 1, 1, 0, 0]])
            tensor([[0, 0, 0, 0, 0, 1, 0]])
        """
        if query == "answer":
            chosen = self._before_labels()
        elif query == "question":
            chosen = ~torch.isin(self.ids, torch.tensor(sorted(self.special), dtype=self.ids.dtype))
            if self.labels is not None:
                chosen &= (self.labels != IGNORED).cumsum(1) == 0
        else:
            numbers = torch.arange(self.ids.shape[1])
            chosen = numbers == (numbers * self.real).amax(1, keepdim=True)
        chosen = chosen & self.real & ~self.of_image
        for sample, some in enumerate(chosen.any(1).tolist()):
            if not some:
                raise InputError(f"sample {sample} has no token for query={query}: {_CURES[query]}")
        return chosen

    def _before_labels(self) -> Bool[Tensor, "b n"]:
        if self.labels is None:
            raise InputError(
                "query=answer needs the labels that the model is called with, or a generation within recording(): "
                "give labels, or take query=last or question"
            )
        learned = (self.labels != IGNORED) & (self.labels != self.image_token)
        return torch.cat([learned[:, 1:], torch.zeros_like(learned[:, :1])], 1)


_CURES = {
    "answer": f"its labels are all {IGNORED}, or mark its image",
    "question": "no word comes before its first label, or all are special",
    "last": "it ends with its image",
}


def check_query(query: Query) -> Query:
    """Return ``query`` if it is a known one.

    Raises:
        InputError: If it is not.
    """
    if query not in get_args(Query):
        raise InputError(f"query={query} is not known: take {', '.join(get_args(Query))}")
    return query


def prompt_of(arguments: Mapping[str, Any], image_token: int, special: frozenset[int]) -> Prompt:
    """Return the prompt among what a model was called with.

    Raises:
        InputError: If there are no ``input_ids``, or the mask is none of tokens.
    """
    ids = arguments.get("input_ids")
    if ids is None:
        raise InputError("the model was called without input_ids, by which image tokens are found: call it with them")
    mask = arguments.get("attention_mask")
    if mask is not None and (not isinstance(mask, Tensor) or mask.shape != ids.shape):
        kind = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise InputError(
            f"attention_mask is {kind}, and input_ids {tuple(ids.shape)}: give a mask of the same tokens (a cache with "
            "tokens of an earlier call, or one of fixed size, cannot be read)"
        )
    real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    return Prompt(ids, real, arguments.get("labels"), image_token, special)


def image_token_of(config: Any) -> int | None:
    """Return the id of the image tokens that a model's config names; None where it names none."""
    for name in ("image_token_id", "image_token_index"):
        token = getattr(config, name, None)
        if isinstance(token, int):
            return token
    return None


def special_tokens(*configs: Any) -> frozenset[int]:
    """Return every id that configs, and the configs in them, call a token's: begin, end, padding, image ...

    Example:
        >>> sorted(special_tokens({"eos_token_id": [2, 3], "text_config": {"pad_token_id": 0}, "image_token_index": 9}))
        [0, 2, 3, 9]
    """
    return frozenset(token for config in configs for name, token in _tokens(config))


def end_tokens(*configs: Any) -> frozenset[int]:
    """Return the ids of the tokens that end an answer, as the first of the configs names them that names one."""
    for config in configs:
        ends = frozenset(token for name, token in _tokens(config) if name.startswith("eos"))
        if ends:
            return ends
    return frozenset()


def _tokens(config: Any) -> Iterator[tuple[str, int]]:
    values = config.to_dict() if hasattr(config, "to_dict") else config if isinstance(config, Mapping) else {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _tokens(value)
        elif str(name).endswith(("_token_id", "_token_index")):
            for token in value if isinstance(value, list | tuple) else [value]:
                if isinstance(token, int):
                    yield name, token
