"""VQA accuracy against the official rules, by hand."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
import torch

from haa.errors import InputError
from haa.metrics import VQAAccuracy, VQAAccuracyByType
from haa.metrics.functional import normalise_answer, vqa_accuracy


# what processPunctuation and processDigitArticle of vqaEval.py make of them, one after the other
@pytest.mark.parametrize(
    ("answer", "normalised"),
    [
        ("Two", "2"),
        ("none", "0"),
        ("a dog", "dog"),
        ("the man's", "man's"),
        ("isnt", "isn't"),
        ("couldntve", "couldntve"),
        ("couldn'tve", "couldn't've"),
        ("somebody'd", "somebodyd"),
        ("U.S.", "us"),
        ("2.5", "2.5"),
        ("5.", "5"),
        ("red/white", "red white"),
        ("red, white", "red white"),
        ("yes/no, maybe", "yes no maybe"),
        ("1,000", "1000"),
        ("1,000/2", "10002"),
        ("t-shirt", "t shirt"),
        ("10:30", "10:30"),
        ("  tabs\tand\nlines ", "tabs and lines"),
        ("." * 32 + "z", "z"),
        ("." * 34 + "b", "..b"),
        ("", ""),
    ],
)
def test_normalise_answer(answer, normalised):
    assert normalise_answer(answer) == normalised


@pytest.mark.parametrize("n", range(11))
def test_leave_one_out_is_three_tenths_each(n):
    people = ["yes"] * n + [f"other{i}" for i in range(10 - n)]
    assert vqa_accuracy(["yes"], [people]).item() == pytest.approx(min(1, 0.3 * n), abs=1e-6)


def test_unanimous_people_are_not_normalised():
    assert vqa_accuracy(["Two"], [["2"] * 10]).item() == 0
    assert vqa_accuracy(["2"], [["two"] * 10]).item() == 0
    assert vqa_accuracy(["The dog"], [["The dog"] * 10]).item() == 1
    assert vqa_accuracy(["two"], [["2"] * 9 + ["3"]]).item() == 1
    assert vqa_accuracy([" a\n"], [["a", "a ", "\ta"] + ["a"] * 7]).item() == 1  # white space is no difference
    assert vqa_accuracy(["A"], [["a", "a ", "\ta"] + ["a"] * 7]).item() == 0


def test_other_numbers_of_people():
    assert vqa_accuracy(["Two"], [["2"]]).item() == 1
    # three agree: each is compared with two others
    assert vqa_accuracy(["a1"], [["a1", "a1", "a1"]]).item() == pytest.approx(2 / 3)
    assert vqa_accuracy([], []).shape == (0,)


def test_classes():
    metric, by_type = VQAAccuracy(), VQAAccuracyByType()
    truths = [["yes"] * 10, ["2", "3"] * 5, ["red"] * 2 + ["blue"] * 8]
    metric.update(["yes", "4", "red"], truths)
    assert metric.values.tolist() == pytest.approx([1, 0, 0.6])
    assert metric.compute().item() == pytest.approx(1.6 / 3, abs=1e-6)
    by_type.update(["yes", "4"], truths[:2], ["yes/no", "number"])
    by_type.update(["red", "no"], [truths[2], truths[0]], ["other", "yes/no"])
    values = {kind: value.item() for kind, value in by_type.compute().items()}
    assert values == pytest.approx({"number": 0, "other": 0.6, "yes/no": 0.5})


def test_what_cannot_be_used_raises_one_line():
    with pytest.raises(InputError, match="2 answers for 1 questions"):
        vqa_accuracy(["a", "b"], [["a"]])
    with pytest.raises(InputError, match="question 1 of the batch"):
        vqa_accuracy(["a", "b"], [["a"], []])
    with pytest.raises(InputError, match="1 types for 2 answers"):
        VQAAccuracyByType().update(["a", "b"], [["a"], ["b"]], ["x"])


def test_the_official_loop_on_real_answers():
    folder = Path(os.environ.get("HAA_REAL_DATA", "absent")) / "vqa_v2/text_only"
    if not folder.is_dir():
        pytest.skip("HAA_REAL_DATA names no folder with vqa_v2/text_only")
    with gzip.open(next(folder.glob("*annotat*valid*")), "rt") as file:
        records = json.load(file)["annotations"][:3000]
    people = [[a["answer"] for a in record["answers"]] for record in records]
    said = [record["answers"][i % 10]["answer"] for i, record in enumerate(records)]
    theirs = []
    for answer, truths in zip(said, people, strict=True):
        truths = [t.replace("\n", " ").replace("\t", " ").strip() for t in truths]
        answer = answer.replace("\n", " ").replace("\t", " ").strip()
        if len(set(truths)) > 1:
            truths, answer = [normalise_answer(t) for t in truths], normalise_answer(answer)
        each = [min(1, sum(t == answer for j, t in enumerate(truths) if j != i) / 3) for i in range(len(truths))]
        theirs.append(sum(each) / len(each))
    torch.testing.assert_close(vqa_accuracy(said, people), torch.tensor(theirs))
