"""Batches of every form that loops have: what is said of one without names would do for it."""

from __future__ import annotations

import re
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

import haa
from haa.alignment.any_batch import Replay, changed, named, replaced
from haa.attention import FeatureNorm
from haa.errors import InputError

IMAGE, LABEL, LOOKS = torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.rand(2, 5, 2) * 8
BOXES, TOKENS, MAPS = torch.rand(2, 5, 4), torch.zeros(2, 7, dtype=torch.long), torch.rand(2, 8, 8)
Triple = namedtuple("Triple", "picture label looks")


@dataclass
class Record:
    tokens: Tensor
    picture: Tensor
    looks: Tensor


def feature():
    from transformers import BatchFeature

    return BatchFeature({"pixel_values": IMAGE, "labels": LABEL, "gaze": LOOKS})


def encoding():
    from transformers import BatchEncoding

    return BatchEncoding({"input_ids": TOKENS, "pixel_values": IMAGE, "looks": LOOKS})


FORMS = {
    "tuple": lambda: (IMAGE, LABEL, LOOKS),
    "list": lambda: [BOXES, LOOKS, IMAGE],
    "named tuple": lambda: Triple(IMAGE, LABEL, LOOKS),
    "dataclass": lambda: Record(TOKENS, IMAGE, LOOKS),
    "dict": lambda: {"x": IMAGE, "y": LABEL, "points": LOOKS},
    "dict and target": lambda: ({"pixels": IMAGE, "more": 3}, {"boxes": BOXES, "looks": LOOKS}),
    "BatchFeature": feature,
    "BatchEncoding": encoding,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_function_that_the_message_shows_would_do(form):
    batch = FORMS[form]()
    with pytest.raises(InputError, match=r"^the batch (is a|has) .*: give batch=lambda b: ") as error:
        named(batch)
    function = eval(re.search("batch=(.*)$", str(error.value)).group(1))
    made = named(batch, function)
    assert made["image"] is IMAGE
    assert made["fixations"] is LOOKS


def test_a_published_map_is_found_too():
    with pytest.raises(InputError, match=r'"image": b\[0\], "density": b\[1\]}$'):
        named((IMAGE, MAPS))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((IMAGE, LABEL), r'"image": b\[0\], "fixations": \.\.\.}, with the fixations \(b, n, 2\), which it lacks'),
        ((LABEL,), r"is a tuple: give a mapping with image \(b, c, h, w\)"),
        (3, "is a int: give a mapping"),
    ],
)
def test_what_a_batch_lacks_is_said(batch, message):
    with pytest.raises(InputError, match=message):
        named(batch)


def test_a_function_that_gives_something_else_is_named():
    with pytest.raises(InputError, match="batch= gives what is a Tensor: it has to give a mapping with image"):
        named((IMAGE, LABEL), lambda b: b[0])


@pytest.mark.parametrize("form", FORMS)
def test_a_part_is_replaced_and_the_form_stays(form):
    batch, new = FORMS[form](), torch.zeros(1)
    out = replaced(batch, LOOKS, new)
    assert type(out) is type(batch)
    function = eval(re.search("batch=(.*)$", _said(out)).group(1))
    assert function(out)["image"] is IMAGE
    assert _said(batch) != _said(out)  # the one has no fixations any more, the other was left alone
    with pytest.raises(InputError, match="computed and not taken"):
        replaced(batch, new, new)


def _said(batch) -> str:
    with pytest.raises(InputError) as error:
        named(batch)
    return str(error.value).partition(", with the fixations")[0]


def test_tensors_are_changed_and_nothing_else():
    out = changed({"a": [torch.ones(2), "b"], "c": None}, lambda x: x + 1)
    assert out["a"][0].tolist() == [2, 2]
    assert (out["a"][1], out["c"]) == ("b", None)


def test_a_pass_is_run_again_with_one_samples_other_inputs():
    """The model multiplies the picture's mean by a number and adds a word's length: by hand for the second sample."""

    def run(inputs):
        (image,), more = inputs
        return image.mean((1, 2, 3)) * more["scale"] + torch.tensor([len(word) for word in more["words"]])

    inputs = ((IMAGE,), {"scale": torch.tensor([2.0, 3.0]), "words": ["ab", "abcde"], "shared": torch.ones(4, 4)})
    again = Replay(run, inputs, IMAGE).of(1)
    assert again.on(torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])).tolist() == [5, 8]
    torch.testing.assert_close(again.on(again.image), IMAGE[1:].mean()[None] * 3 + 5)


@pytest.mark.parametrize("form", ["tuple", "dataclass"])
def test_align_takes_batches_of_any_form_with_a_function(form):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    function = {
        "tuple": lambda b: {"image": b[0], "fixations": b[2]},
        "dataclass": lambda b: {"image": b.picture, "fixations": b.looks},
    }[form]
    losses = []
    for batch, how in (({"image": IMAGE, "fixations": LOOKS}, None), (FORMS[form](), function)):
        with haa.align(model, FeatureNorm("0"), batch=how) as aligned:
            losses.append(aligned(model(IMAGE).sum(), batch))
    assert torch.equal(*losses)
