"""AiR-D's maps with GQA's questions."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from haa.conditions import Center, Inverted, Random, Shuffled
from haa.data.readers.air_d import AiRD
from haa.errors import InputError
from haa.gaze import valid

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


@pytest.fixture
def fixations(root):
    """At question n, ann looks at (n % 8, n % 6) and (7, 0), bob at (0.5, 5), cid nowhere."""
    answers = {name: {} for name in ("accuracy", "question", "answer", "ann", "bob", "cid")}
    for n in range(10):
        recorded = {"ann": ([[n % 8, n % 6], [7, 0]], [[100, 300 + n], [340.5, 400.5]]), "bob": ([[0.5, 5]], [[9, 29]])}
        recorded["cid"] = [], []
        folder = root / "fix" / f"0{n}"
        folder.mkdir(parents=True)
        for name, (xy, t) in recorded.items():
            scipy.io.savemat(folder / f"{name}.mat", {"xy": np.array(xy, float), "t": np.array(t, float)})
            answers[name][f"0{n}"] = f"it {n}" if (name, n % 2) in (("ann", 0), ("bob", 1)) else float("nan")
    (root / "consolidated_answers.json").write_text(json.dumps(answers))
    shutil.rmtree(root / "aggregated_maps")
    return root


def test_fixations_with_subjects_and_durations(fixations):
    samples = every(fixations, gaze="fixations")
    assert sorted(samples) == [f"0{n}" for n in range(10)]
    gaze = samples["03"]["gaze"]
    assert gaze.points.tolist() == [[3, 3], [7, 0], [0.5, 5]]
    assert gaze.duration.tolist() == [203, 60, 20]
    assert gaze.subject.tolist() == [0, 0, 1]
    assert "density" not in samples["03"]
    data = AiRD(fixations, gaze="fixations")
    assert data.notes == [
        f"AiRD: 10 x recording without a fixation, left out; the first: {fixations}/fix/00/cid.mat holds no fixation"
    ]


def test_fixations_of_those_who_answered_right_or_wrong(fixations):
    right, wrong = (every(fixations, gaze="fixations", people=people) for people in ("correct", "incorrect"))
    assert right["04"]["gaze"].subject.tolist() == [0, 0]
    assert right["03"]["gaze"].subject.tolist() == [1]
    assert wrong["03"]["gaze"].subject.tolist() == [0, 0]
    (fixations / "fix/04/ann.mat").unlink()
    (fixations / "fix/04/bob.mat").unlink()
    left = every(fixations, gaze="fixations", people="correct")
    assert left["04"]["gaze"] is None
    assert len(left) == 10


def test_faults_of_fixations(fixations):
    with pytest.raises(InputError, match=r"data\.gaze=points: choose maps or fixations"):
        AiRD(fixations, gaze="points")
    with pytest.raises(InputError, match="fixmaps is missing"):
        AiRD(fixations)
    path = fixations / "fix/03/ann.mat"
    good = path.read_bytes()
    for xy, t, why in (
        ([[1, 2]], [[1, 2], [3, 4]], "has no time"),
        ([[1, 2]], [[5, 2]], "ends before it begins"),
        ([[1, 2, 3]], [[1, 2]], "should have 2 columns"),
    ):
        scipy.io.savemat(path, {"xy": np.array(xy, float), "t": np.array(t, float)})
        with pytest.raises(InputError, match=rf"03/ann\.mat cannot be read .*{why}"):
            AiRD(fixations, gaze="fixations")
    scipy.io.savemat(path, {"xy": np.array([[900, 5.0]] * 5), "t": np.array([[0, 5.0]] * 5)})
    with pytest.raises(InputError, match="5 of 33 fixations lie outside their pictures"):  # of the screen, say
        AiRD(fixations, gaze="fixations")
    path.write_bytes(good)
    answers = json.loads((fixations / "consolidated_answers.json").read_text())
    del answers["bob"]["05"]
    (fixations / "consolidated_answers.json").write_text(json.dumps(answers))
    with pytest.raises(InputError, match=r"consolidated_answers\.json has no answer of bob to 05"):
        AiRD(fixations, gaze="fixations", people="correct")


@pytest.mark.parametrize("kind", [Shuffled, Random, Center, Inverted])
def test_controls_act_on_the_fixations(fixations, kind):
    data, moved = AiRD(fixations, gaze="fixations"), 0
    for index in range(len(data)):
        own, given = data.gaze(index), kind(seed=1).gaze(data, index)
        assert valid(given.points, given.size).all()
        assert given.size == own.size
        moved += given.points.tolist() != own.points.tolist()
    assert moved >= len(data) - 1
