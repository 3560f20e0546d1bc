"""AiR-D's maps with GQA's questions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.readers.air_d import AiRD
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "images").mkdir()
    for folder in ("fixmaps", "fixmaps_corr"):
        (tmp_path / "aggregated_maps" / folder).mkdir(parents=True)
    questions = {}
    for n in range(10):
        Image.new("RGB", (8, 6), (20 * n, 7, 0)).save(tmp_path / "images" / f"n{n}.jpg")
        questions[f"0{n}"] = {"imageId": f"n{n}", "question": f"what is {n}?", "answer": f"it {n}"}
        for folder, column in (("fixmaps", n % 8), ("fixmaps_corr", 7 - n % 8)):
            pixels = np.zeros((6, 8), dtype=np.uint8)
            pixels[n % 6, column] = 200
            Image.fromarray(pixels).save(tmp_path / "aggregated_maps" / folder / f"0{n}.png")
    questions["unlooked"] = {"imageId": "n1", "question": "?", "answer": "-"}
    (tmp_path / "val_balanced_questions.json").write_text(json.dumps(questions))
    return tmp_path


def every(root, **arguments) -> dict[str, dict]:
    return {s["id"]: s for split in ("train", "val", "test") for s in AiRD(root, split, **arguments)}


def test_questions_with_their_maps(root):
    samples = every(root)
    assert sorted(samples) == [f"0{n}" for n in range(10)]
    assert samples["04"]["question"] == "what is 4?"
    assert samples["04"]["answers"] == ["it 4"]
    expected = torch.zeros(6, 8)
    expected[4, 4] = 1
    assert torch.equal(samples["04"]["density"], expected)


def test_those_who_answered_right(root):
    assert every(root, people="correct")["01"]["density"].argmax() == 1 * 8 + 6


def test_the_rule_divides_by_image(root):
    assert [len(AiRD(root, split)) for split in ("train", "val", "test")] == [7, 1, 2]


def test_faults(root):
    path = root / "val_balanced_questions.json"
    questions = json.loads(path.read_text())
    questions["03"]["answer"] = " "
    path.write_text(json.dumps(questions))
    with pytest.raises(InputError, match=r"question 03 \(what is 3\?\) has no answer"):
        AiRD(root)
    del questions["03"]
    path.write_text(json.dumps(questions))
    with pytest.raises(InputError, match=r"03\.png: there is no question 03"):
        AiRD(root)
    assert len(every(root, missing="drop")) == 9
    path.write_text('{"01": {"answer": "x"}}')
    with pytest.raises(InputError, match=r"val_balanced_questions\.json: \{'answer': 'x'\} has no 'imageId'"):
        AiRD(root, missing="drop")


def test_arguments(root, tmp_path):
    with pytest.raises(InputError, match=r"data\.people=nobody: choose one of all, correct, incorrect"):
        AiRD(root, people="nobody")
    with pytest.raises(InputError, match=r"fixmaps_incorr is missing"):
        AiRD(root, people="incorrect")
    with pytest.raises(InputError, match=r"other\.json is missing"):
        AiRD(root, questions="other.json")
