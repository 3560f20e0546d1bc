"""VQA v2 in its official envelopes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from haa.data.index import collecting_faults
from haa.data.readers.vqa_v2 import VQAv2
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


def envelope(root: Path, part: str, images: list[int], answered: bool = True, prefix: str = "v2_") -> None:
    folder = root / part
    folder.mkdir(parents=True, exist_ok=True)
    questions = [
        {"image_id": i, "question": f"what {i} {k}?", "question_id": 1000 * i + k} for i in images for k in (0, 1)
    ]
    text = {"info": {}, "task_type": "Open-Ended", "data_subtype": part, "questions": questions}
    (root / f"{prefix}OpenEnded_mscoco_{part}_questions.json").write_text(json.dumps(text))
    for image in images:
        Image.new("RGB", (8, 6), (16 * image % 256, image, 0)).save(folder / f"COCO_{part}_{image:012d}.jpg")
    if answered:
        answers = [
            {
                "question_id": q["question_id"],
                "image_id": q["image_id"],
                "question_type": "what",
                "answer_type": "other",
                "multiple_choice_answer": "a",
                "answers": [{"answer": f"a{n}", "answer_confidence": "yes", "answer_id": n} for n in range(10)],
            }
            for q in reversed(questions)
        ]
        path = root / f"{prefix}mscoco_{part}_annotations.json"
        path.write_text(json.dumps({"info": {}, "data_subtype": part, "annotations": answers}))


@pytest.fixture
def vqa(tmp_path):
    envelope(tmp_path / "vqa", "train2014", [1, 2])
    envelope(tmp_path / "vqa", "val2014", list(range(10, 16)))
    return tmp_path / "vqa"


def test_sample(vqa):
    sample = VQAv2(vqa)[1]
    assert sample["id"] == "1001"
    assert sample["question"] == "what 1 1?"
    assert sample["answers"] == [f"a{n}" for n in range(10)]
    assert abs(int(sample["image"][0, 0, 0]) - 16) < 4


def test_validation_is_divided_by_image_where_the_test_answers_are_not_public(vqa):
    envelope(vqa, "test2015", [90], answered=False)
    splits = {split: VQAv2(vqa, split) for split in ("train", "val", "test")}
    assert {split: len(data) for split, data in splits.items()} == {"train": 4, "val": 4, "test": 8}
    images = {split: {data.stimulus(i) for i in range(len(data))} for split, data in splits.items()}
    assert not images["val"] & images["test"]


def test_a_test_file_with_answers_is_the_test_split(vqa):
    envelope(vqa, "test2015", [90])
    assert {split: len(VQAv2(vqa, split)) for split in ("train", "val", "test")} == {"train": 4, "val": 12, "test": 2}


def test_a_question_without_an_answer_is_named(vqa):
    path = vqa / "v2_mscoco_train2014_annotations.json"
    content = json.loads(path.read_text())
    content["annotations"] = [a for a in content["annotations"] if a["question_id"] != 2001]
    path.write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"question 2001 \(what 2 1\?\) of .* has no answer in v2_mscoco_train2014_ann"
    ):
        VQAv2(vqa)
    with collecting_faults():
        assert len(VQAv2(vqa)) == 3


def test_files_that_do_not_belong_together(vqa):
    path = vqa / "v2_mscoco_train2014_annotations.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["image_id"] = 77
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"question 2001 is about image 2 in .* and about 77"):
        VQAv2(vqa)
    path.unlink()
    with pytest.raises(InputError, match=r"has no v2_mscoco_train2014_annotations\.json beside it"):
        VQAv2(vqa)


def test_version_1_is_not_taken_for_version_2(tmp_path):
    envelope(tmp_path / "v1", "train2014", [1], prefix="")
    with pytest.raises(InputError, match="holds no v2_OpenEnded_mscoco_train2014_questions"):
        VQAv2(tmp_path / "v1")


def test_absent_images(vqa):
    (vqa / "train2014" / "COCO_train2014_000000000002.jpg").unlink()
    with pytest.raises(InputError, match=r"data\.missing=drop"):
        VQAv2(vqa)
    data = VQAv2(vqa, missing="drop")
    assert [s["id"] for s in data] == ["1000", "1001"]


def test_published_data(real_data):
    splits = {split: VQAv2(real_data / "vqa_v2", split) for split in ("train", "val", "test")}
    assert {split: len(data) for split, data in splits.items()} == {"train": 101, "val": 16, "test": 7}
    sample = next(s for s in splits["test"] if s["id"] == "431002")
    assert sample["question"] == "What are they playing?"
    assert sample["answers"].count("tennis") == len(sample["answers"]) == 10


def test_gaze_of_salicon_comes_with_the_questions_about_its_pictures(real_data):
    data = VQAv2(real_data / "vqa_v2", salicon=real_data / "salicon", release=2015)
    looked = {data.stimulus(i) for i in range(len(data)) if data.looked(i)}
    assert len(looked) == 6
    index = next(i for i in range(len(data)) if data.stimulus(i) == "123855")
    gaze = data.gaze(index)
    # the file begins with [242, 314], [242, 315]: row and column, counted from 1
    assert gaze.points[:2].tolist() == [[313, 241], [314, 241]]
    assert len(gaze.points) == 7570
    assert data.gaze(index).size == tuple(data[index]["image"].shape[1:])
