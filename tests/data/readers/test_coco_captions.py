"""COCO's files in the official layout, in the folders in which people have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from haa.data.index import collecting_faults
from haa.data.readers.coco_captions import COCOCaptions
from haa.data.readers.coco_images import coco_images
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


def official(root: Path, part: str, numbers: list[int], name: str = "{:012d}.jpg", captions: int = 2) -> None:
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / part).mkdir(exist_ok=True)
    images = [{"id": n, "file_name": name.format(n), "height": 6, "width": 8} for n in numbers]
    texts = [{"image_id": n, "id": 10 * n + k, "caption": f" {n} {k}\n"} for n in numbers for k in range(captions)]
    content = {"info": {}, "licenses": [], "images": images, "annotations": texts}
    (root / "annotations" / f"captions_{part}.json").write_text(json.dumps(content))
    for number, image in zip(numbers, images, strict=True):
        Image.new("RGB", (8, 6), (20 * number % 256, 1, 2)).save(root / part / image["file_name"])


@pytest.fixture
def coco(tmp_path):
    official(tmp_path / "coco", "train2017", [1, 2])
    official(tmp_path / "coco", "val2017", [10, 11, 12])
    return tmp_path / "coco"


def ids(root: Path, **arguments) -> dict[str, list[str]]:
    splits = {split: COCOCaptions(root, split, **arguments) for split in ("train", "val", "test")}
    return {split: sorted(sample["id"] for sample in data) for split, data in splits.items()}


def test_official_split(coco):
    splits = ids(coco)
    assert splits["train"] == ["1", "2"]
    assert (len(splits["val"]), len(splits["test"])) == (1, 2)
    assert sorted(splits["val"] + splits["test"]) == ["10", "11", "12"]
    assert COCOCaptions(coco)[0]["captions"] == ["1 0", "1 1"]
    assert COCOCaptions(coco)[0]["image"].shape == (3, 6, 8)
    assert list(COCOCaptions(coco).strings("captions")) == ["1 0", "1 1", "2 0", "2 1"]


@pytest.mark.parametrize("folder", [".", "images", "images/train2014", "val2014", "images/val2017"])
@pytest.mark.parametrize("name", ["COCO_train2014_{:012d}.jpg", "COCO_val2014_{:012d}.jpg", "{:012d}.jpg"])
def test_images_are_found_by_number(tmp_path, folder, name):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / name.format(42)).touch()
    assert coco_images(tmp_path) == {42: (Path(folder) / name.format(42)).as_posix()}


def test_karpathy_split(coco):
    parts = {1: "restval", 2: "train", 10: "val", 11: "test", 12: "test"}
    content = {
        "dataset": "coco",
        "images": [
            {
                "filepath": "val2014",
                "filename": f"COCO_val2014_{number:012d}.jpg",
                "cocoid": number,
                "split": part,
                "sentences": [{"raw": f"about {number}.", "tokens": ["about"]}],
            }
            for number, part in parts.items()
        ],
    }
    (coco / "dataset_coco.json").write_text(json.dumps(content))
    assert ids(coco, karpathy="dataset_coco.json") == {"train": ["1", "2"], "val": ["10"], "test": ["11", "12"]}
    assert COCOCaptions(coco, karpathy=coco / "dataset_coco.json")[0]["captions"] == ["about 1."]


def test_two_years_are_not_mixed(coco):
    official(coco, "val2014", [3], name="COCO_val2014_{:012d}.jpg")
    with pytest.raises(InputError, match=r"captions of 2014 and 2017, .*data\.year=2014"):
        COCOCaptions(coco)
    assert ids(coco, year=2017)["train"] == ["1", "2"]


def test_absent_images(coco):
    (coco / "train2017" / "000000000002.jpg").unlink()
    with pytest.raises(InputError, match=r"000000000002\.jpg is absent: provide it, or set data\.missing=drop"):
        COCOCaptions(coco)
    assert ids(coco, missing="drop")["train"] == ["1"]


def test_an_image_without_captions_and_a_caption_without_image(coco):
    path = coco / "annotations" / "captions_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"] = [{"image_id": 1, "id": 1, "caption": "one"}, {"image_id": 99, "id": 2, "caption": "lost"}]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="image 99 of a caption is not listed"):
        COCOCaptions(coco)
    with collecting_faults():
        assert set(COCOCaptions(coco).faults) == {"annotation without image", "image without annotation"}


def test_wrong_files(tmp_path, coco):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no captions_train2014\.json"):
        COCOCaptions(tmp_path / "empty")
    (coco / "annotations" / "captions_val2017.json").write_text('{"annotations": []}')
    with pytest.raises(InputError, match=r"captions_val2017\.json has no 'images'"):
        COCOCaptions(coco)
    (coco / "annotations" / "captions_val2017.json").write_text("{")
    with pytest.raises(InputError, match=r"captions_val2017\.json is no JSON file"):
        COCOCaptions(coco)
    (coco / "karpathy.json").write_text('{"images": [{"filename": "1.jpg", "split": "train"}]}')
    with pytest.raises(InputError, match="is not Karpathy's file of COCO"):
        COCOCaptions(coco, karpathy="karpathy.json")


def test_published_data(real_data):
    with pytest.raises(InputError, match=r"is absent \(4904 such\)"):
        COCOCaptions(real_data / "coco")
    splits = ids(real_data / "coco", missing="drop")
    assert len(splits["train"]) == 80
    assert len(splits["val"]) + len(splits["test"]) == 96
    data = COCOCaptions(real_data / "coco", missing="drop")
    assert all(len(data.record(i)["captions"]) >= 5 for i in range(len(data)))
    assert next(s for s in data if s["id"] == "125870")["captions"][0].startswith("An airport filled with large")


def test_gaze_of_salicon(coco, tmp_path):
    """A point put at a known pixel of a picture comes out there, with that picture's captions."""
    salicon = tmp_path / "salicon"
    (salicon / "annotations").mkdir(parents=True)
    (salicon / "images" / "train").mkdir(parents=True)
    name = f"COCO_train2014_{2:012d}.jpg"
    content = {
        "images": [{"id": 2, "file_name": name, "height": 6, "width": 8}],
        "annotations": [{"image_id": 2, "worker_id": 5, "id": 1, "fixations": [[6, 8], [1, 2]]}],
    }
    (salicon / "annotations" / "fixations_train2014.json").write_text(json.dumps(content))
    Image.new("RGB", (8, 6)).save(salicon / "images" / "train" / name)
    samples = {
        s["id"]: s
        for split in ("train", "val", "test")
        for s in COCOCaptions(coco, split, salicon=salicon, release=2015)
    }
    assert samples["2"]["gaze"].points.tolist() == [[7, 5], [1, 0]]
    assert samples["2"]["gaze"].subject.tolist() == [5, 5]
    assert all(samples[other]["gaze"] is None for other in samples if other != "2")
    content["images"][0].update(height=8, width=6)
    content["annotations"][0]["fixations"] = [[1, 1]]
    Image.new("RGB", (6, 8)).save(salicon / "images" / "train" / name)
    (salicon / "annotations" / "fixations_train2014.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"image 2 has 8 x 6 pixels, and .* others"):
        COCOCaptions(coco, salicon=salicon, release=2015)
