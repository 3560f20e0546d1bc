"""DAQUAR's files, and the split that is official."""

from __future__ import annotations

import pytest
from PIL import Image

from haa.data.readers.daquar import DAQUAR
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


@pytest.fixture
def daquar(tmp_path):
    (tmp_path / "images").mkdir()
    for number in range(1, 11):
        Image.new("RGB", (8, 6), (20 * number, 0, 0)).save(tmp_path / "images" / f"image{number}.png")
        (tmp_path / "images" / f"image{number}.png").rename(tmp_path / "images" / f"image{number}.jpg")
    (tmp_path / "train_images_list.txt").write_text("\n".join(f"image{n}" for n in range(1, 9)))
    (tmp_path / "test_images_list.txt").write_text("image9\nimage10\n")
    rows = [f'what is {n},"box, lamp",image{n}' for n in range(1, 11)]
    (tmp_path / "data_train.csv").write_text("\n".join(["question,answer,image_id", *rows]))
    (tmp_path / "data_eval.csv").write_text("question,answer,image_id\nhow many,2,image9\nwhich,red,image1\n")
    return tmp_path


def test_split_is_by_the_lists_of_images_not_by_file(daquar):
    splits = {split: [s["id"] for s in DAQUAR(daquar, split)] for split in ("train", "val", "test")}
    assert splits["test"] == ["image9_1", "image10_1", "image9_2"]
    assert len(splits["val"]) == 1 or splits["val"] == ["image1_1", "image1_2"]
    assert len(splits["train"] + splits["val"]) == 9


def test_a_list_is_one_answer(daquar):
    sample = DAQUAR(daquar, "test")[0]
    assert sample["question"] == "what is 9"
    assert sample["answers"] == ["box, lamp"]


def test_a_question_without_an_answer_is_named(daquar):
    with (daquar / "data_eval.csv").open("a") as file:
        file.write("what now, ,image2\n")
    with pytest.raises(InputError, match=r"data_eval\.csv, line 4: the question 'what now' has no answer"):
        DAQUAR(daquar)


def test_wrong_files(daquar):
    (daquar / "data_eval.csv").write_text("question,answer,image_id\nhow many,2,image77\n")
    with pytest.raises(InputError, match="image77 is in neither list"):
        DAQUAR(daquar)
    (daquar / "data_eval.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has no columns question, answer, image_id"):
        DAQUAR(daquar)
    (daquar / "data_eval.csv").unlink()
    with pytest.raises(InputError, match=r"data_eval\.csv is missing"):
        DAQUAR(daquar)


def test_published_data(real_data):
    splits = {split: DAQUAR(real_data / "daquar", split) for split in ("train", "val", "test")}
    sizes = {split: len(data) for split, data in splits.items()}
    assert sizes["train"] + sizes["val"] == 6795
    assert sizes["test"] == 5673
    images = {split: {data.path(i) for i in range(len(data))} for split, data in splits.items()}
    assert not images["train"] & images["test"]
    assert not images["train"] & images["val"]
