"""Publishers' files with a key missing, a value of another kind, or the same thing twice: one line names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haa.data.readers.air_d import AiRD
from haa.data.readers.coco_captions import COCOCaptions
from haa.data.readers.cub import CUB
from haa.data.readers.daquar import DAQUAR
from haa.data.readers.flickr import Flickr
from haa.data.readers.folder import Folder
from haa.data.readers.salicon import SALICON
from haa.data.readers.video_folder import VideoFolder
from haa.data.readers.vqa_hat import VQAHAT
from haa.data.readers.vqa_v2 import VQAv2
from haa.errors import InputError

IMAGE = {"id": 1, "file_name": "000000000001.jpg", "height": 6, "width": 8}
CAPTION = {"image_id": 1, "caption": "a"}


def refused(reader, root: Path, said: str, **arguments) -> None:
    with pytest.raises(InputError, match=said) as raised:
        reader(root, **arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("images", "captions", "said"),
    [
        ([IMAGE], [{"image_id": 1}], "has no 'caption'"),
        ([IMAGE], [{"image_id": 1, "caption": None}], "'caption' is None, not a text"),
        ([IMAGE], [{"image_id": 1, "caption": 5}], "'caption' is 5, not a text"),
        ([IMAGE], [{"image_id": [1], "caption": "a"}], "'image_id' is"),
        ([IMAGE], ["caption"], "has no 'image_id'"),
        ([IMAGE], {"a": CAPTION}, "'annotations' is"),
        ([{**IMAGE, "height": "6"}], [CAPTION], "'height' is '6'"),
        ([{**IMAGE, "width": -8}], [CAPTION], "'width' is -8"),
        ([{**IMAGE, "id": "1"}], [CAPTION], "'id' is '1'"),
        ([{**IMAGE, "file_name": None}], [CAPTION], "'file_name' is None"),
        ([IMAGE, {**IMAGE, "height": 7}], [CAPTION], "two records whose 'id' is 1"),
    ],
)
def test_coco(tmp_path, picture, images, captions, said):
    picture(tmp_path / "train2017" / "000000000001.jpg", 8, 6)
    content = {"images": images, "annotations": captions}
    (tmp_path / "captions_train2017.json").write_text(json.dumps(content))
    refused(COCOCaptions, tmp_path, rf"captions_train2017\.json.*{said}")


QUESTION = {"question_id": 1, "image_id": 1, "question": "what?"}
ANSWER = {"question_id": 1, "image_id": 1, "answers": [{"answer": "x"}]}


@pytest.mark.parametrize(
    ("questions", "answers", "said"),
    [
        ([{"image_id": 1, "question": "a"}], [ANSWER], r"questions\.json: .* has no 'question_id'"),
        ([{**QUESTION, "question": 5}], [ANSWER], r"questions\.json: 'question' is 5"),
        ([QUESTION], [{**ANSWER, "answers": ["yes"]}], r"annotations\.json: 'yes' has no 'answer'"),
        ([QUESTION], [{**ANSWER, "answers": "yes"}], r"annotations\.json: 'answers' is 'yes', not a list"),
        ([QUESTION], [{**ANSWER, "answers": [{"answer": None}]}], r"annotations\.json: 'answer' is None"),
        ([QUESTION], [ANSWER, {**ANSWER, "answers": [{"answer": "y"}]}], r"annotations\.json has two records"),
        ([QUESTION], 5, r"annotations\.json: 'annotations' is 5"),
        ([{**QUESTION, "image_id": -1}], [ANSWER], r"questions\.json: 'image_id' is -1"),
    ],
)
def test_vqa(tmp_path, picture, questions, answers, said):
    picture(tmp_path / "train2014" / "COCO_train2014_000000000001.jpg", 8, 6)
    (tmp_path / "v2_OpenEnded_mscoco_train2014_questions.json").write_text(json.dumps({"questions": questions}))
    (tmp_path / "v2_mscoco_train2014_annotations.json").write_text(json.dumps({"annotations": answers}))
    refused(VQAv2, tmp_path, said)


def test_two_maps_of_one_question(tmp_path, picture):
    for name in ("1_1.png", "2_1.png"):
        picture(tmp_path / "vqahat" / name, 8, 6)
    (tmp_path / "map.json").write_text('{"1": 7, "2": 7}')
    (tmp_path / "v2_OpenEnded_mscoco_train2014_questions.json").write_text('{"questions": []}')
    (tmp_path / "v2_mscoco_train2014_annotations.json").write_text('{"annotations": []}')
    refused(VQAHAT, tmp_path, r"map\.json gives .* two questions the same number", mapping="map.json")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"image_id": 1, "worker_id": 1}, "has no 'fixations'"),
        ({"image_id": 1, "worker_id": 3, "fixations": [[1, 2], [3]]}, "worker 3 looked at in image 1"),
        ({"image_id": 1, "worker_id": 3, "fixations": [["1", "2"]]}, "worker 3 looked at in image 1"),
        ({"image_id": 1, "worker_id": 3, "fixations": [[1, None]]}, "worker 3 looked at in image 1"),
        ({"image_id": 1, "worker_id": 1, "fixations": [[1, 1e12]]}, "sample '1': 'x' holds 1e"),
        ({"image_id": 1, "worker_id": None, "fixations": [[1, 1]]}, "'worker_id' is None"),
        ({"image_id": 2, "worker_id": 1, "fixations": [[1, 1]]}, "annotates image 2"),
    ],
)
def test_salicon(tmp_path, picture, entry, said):
    picture(tmp_path / "images" / "train" / "1.jpg", 8, 6)
    (tmp_path / "annotations").mkdir()
    content = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [entry]}
    (tmp_path / "annotations" / "fixations_train2014.json").write_text(json.dumps(content))
    refused(SALICON, tmp_path, rf"fixations_train2014\.json.*{said}", release=2015)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "is no object of questions"),
        ({"1": []}, r"\[\] has no 'imageId'"),
        ({"1": {"imageId": 5, "question": "a", "answer": "b"}}, "'imageId' is 5"),
        ({"1": {"imageId": "5", "question": "a", "answer": None}}, "'answer' is None"),
    ],
)
def test_air_d(tmp_path, picture, content, said):
    picture(tmp_path / "aggregated_maps" / "fixmaps" / "1.png", 8, 6)
    (tmp_path / "val_balanced_questions.json").write_text(json.dumps(content))
    refused(AiRD, tmp_path, rf"val_balanced_questions\.json.*{said}")


def test_pictures_of_one_name(tmp_path, picture):
    picture(tmp_path / "images" / "a.png", 8, 6)
    picture(tmp_path / "images" / "a.jpg", 8, 6)
    refused(Folder, tmp_path, r"two samples are called 'a', of .*a\.jpg and .*a\.png")


def test_maps_of_one_picture(tmp_path, picture):
    for name in ("images/a.png", "maps/a.png", "maps/a.jpg"):
        picture(tmp_path / name, 8, 6)
    refused(Folder, tmp_path, r"maps/a\.jpg and a\.png are both there")


@pytest.mark.parametrize(("key", "one", "other"), [("label", "cat", "dog"), ("split", "train", "test")])
def test_lines_that_contradict_each_other(tmp_path, picture, key, one, other):
    picture(tmp_path / "images" / "a.png", 8, 6)
    table = tmp_path / f"{key}s.csv"
    table.write_text(f"image,{key}\na.png,{one}\na,{one}\n")
    Folder(tmp_path)
    table.write_text(f"image,{key}\na.png,{one}\na,{other}\n")
    refused(Folder, tmp_path, rf"{key}s\.csv, line 3: a\.png is '{other}', and '{one}' in .*{key}s\.csv, line 2")
    (tmp_path / "a.mp4").touch()
    table.write_text(f"video,{key}\na.mp4,{one}\na.mp4,{other}\n")
    refused(VideoFolder, tmp_path, rf"{key}s\.csv, line 3: a\.mp4 is '{other}'")


def test_a_picture_in_two_lists(tmp_path, picture):
    (tmp_path / "train_images_list.txt").write_text("a b")
    (tmp_path / "test_images_list.txt").write_text("b")
    for name in ("data_train.csv", "data_eval.csv"):
        (tmp_path / name).write_text("question,answer,image_id\n")
    refused(DAQUAR, tmp_path, r"test_images_list\.txt: b is in both lists")
    (tmp_path / "Flickr8k.token.txt").write_text("a.jpg#0\tone\n")
    for part in ("train", "dev", "test"):
        (tmp_path / f"Flickr_8k.{part}Images.txt").write_text("a.jpg\n")
    refused(Flickr, tmp_path, r"Flickr_8k\.devImages\.txt: a\.jpg is in two lists")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("image_class_labels.txt", "1 1\n1 2\n", r"image_class_labels\.txt has two lines of 1"),
        ("train_test_split.txt", "1 yes\n", r"train_test_split\.txt: image 1 has 'yes', not 0 or 1"),
        ("classes.txt", "1\n", r"classes\.txt is missing or no list"),
    ],
)
def test_cub(tmp_path, picture, name, text, said):
    picture(tmp_path / "images" / "a.jpg", 8, 6)
    lists = {"images.txt": "1 a.jpg", "image_class_labels.txt": "1 1", "train_test_split.txt": "1 1"}
    for file, line in {**lists, "classes.txt": "1 bird\n2 crow", name: text}.items():
        (tmp_path / file).write_text(line)
    refused(CUB, tmp_path, said)


@pytest.mark.parametrize("line", ["1,0,6,1,1,9", "1,8.5,6,1,1,9", "1,1e400,6,1,1,9", "1,8,6,9,0,0,0,1,1,9", "x,8,6"])
def test_gaze_of_cub(tmp_path, picture, line):
    test_cub_root = {"images.txt": "1 a.jpg", "image_class_labels.txt": "1 1", "train_test_split.txt": "1 1"}
    for file, content in {**test_cub_root, "classes.txt": "1 bird", "Fixation.txt": line}.items():
        (tmp_path / file).write_text(content)
    picture(tmp_path / "images" / "a.jpg", 8, 6)
    refused(CUB, tmp_path, r"Fixation\.txt, line 1 holds something other than numbers", gha=tmp_path / "Fixation.txt")
