from __future__ import annotations

import pytest
import torch

from haa.attention.prompt import Prompt, end_tokens, prompt_of, special_tokens
from haa.errors import InputError

IMAGE, NONE = 9, -100
IDS = torch.tensor([[0, 0, 1, 9, 9, 5, 6, 7, 8], [1, 9, 9, 4, 5, 6, 7, 8, 2]])


def prompt(labels: torch.Tensor | None = None) -> Prompt:
    return Prompt(IDS, IDS > 0, labels, IMAGE, frozenset([0, 1, 2, IMAGE]))


def places(chosen: torch.Tensor) -> list[list[int]]:
    return [of_sample.nonzero()[:, 0].tolist() for of_sample in chosen]


def test_answers_are_read_where_they_are_predicted() -> None:
    labels = torch.full_like(IDS, NONE)
    labels[0, 7:], labels[1, 6:] = IDS[0, 7:], IDS[1, 6:]
    assert places(prompt(labels).queries("answer")) == [[6, 7], [5, 6, 7]]
    assert places(prompt(labels).queries("question")) == [[5, 6], [3, 4, 5]]
    assert places(prompt(labels).queries("last")) == [[8], [8]]


def test_no_image_token_looks_though_its_next_is_learned() -> None:
    # all of the text is learned: the last token of the image predicts its first word, and is none
    labels = torch.where((IDS > 2) & (IDS != IMAGE), IDS, NONE)
    assert places(prompt(labels).queries("answer")) == [[5, 6, 7], [3, 4, 5, 6]]
    # nor does what predicts an image's token answer
    assert places(prompt(torch.where(IDS > 0, IDS, NONE)).queries("answer")) == [[5, 6, 7], [3, 4, 5, 6, 7]]


def test_without_labels() -> None:
    assert places(prompt().queries("question")) == [[5, 6, 7, 8], [3, 4, 5, 6, 7]]
    with pytest.raises(InputError, match="query=answer needs the labels"):
        prompt().queries("answer")


def test_padding_on_the_right() -> None:
    ids = torch.tensor([[1, 9, 5, 6, 0, 0], [1, 9, 5, 6, 7, 8]])
    right = Prompt(ids, ids > 0, None, IMAGE)
    assert places(right.queries("last")) == [[3], [5]]


def test_samples_without_a_word_are_named() -> None:
    labels = torch.full_like(IDS, NONE)
    labels[0, 8] = 8
    with pytest.raises(InputError, match="sample 1 has no token for query=answer: its labels are all -100"):
        prompt(labels).queries("answer")
    ids = torch.tensor([[1, 5, 9]])
    with pytest.raises(InputError, match="sample 0 has no token for query=last: it ends with its image"):
        Prompt(ids, ids > 0, None, IMAGE).queries("last")


def test_masks_of_something_else_are_refused() -> None:
    with pytest.raises(InputError, match="without input_ids"):
        prompt_of({"inputs_embeds": torch.zeros(1, 2, 3)}, IMAGE, frozenset())
    with pytest.raises(InputError, match=r"attention_mask is \(1, 1, 9, 9\), and input_ids \(2, 9\)"):
        prompt_of({"input_ids": IDS, "attention_mask": torch.zeros(1, 1, 9, 9)}, IMAGE, frozenset())


def test_tokens_of_configs() -> None:
    class Config:
        def to_dict(self) -> dict[str, object]:
            return {"eos_token_id": 3, "bos_token_id": None, "text_config": {"pad_token_id": 0}, "id2label": {0: "a"}}

    assert special_tokens(Config(), None) == {0, 3}
    assert end_tokens({"eos_token_id": None}, Config()) == {3}
    assert end_tokens({}) == frozenset()
