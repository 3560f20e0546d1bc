"""VQA-HAT's maps belong to version 1's questions, and to no others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.readers.vqa_hat import VQAHAT
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


def envelope(root: Path, prefix: str, part: str, images: list[int]) -> None:
    (root / part).mkdir(parents=True, exist_ok=True)
    items = [
        {"image_id": i, "question": f"{prefix or 'v1'} {i} {k}?", "question_id": 10 * i + k}
        for i in images
        for k in (0, 1)
    ]
    answers = [
        {"question_id": q["question_id"], "image_id": q["image_id"], "answers": [{"answer": "yes"}] * 10} for q in items
    ]
    (root / f"{prefix}OpenEnded_mscoco_{part}_questions.json").write_text(json.dumps({"questions": items}))
    (root / f"{prefix}mscoco_{part}_annotations.json").write_text(json.dumps({"annotations": answers}))
    for image in images:
        Image.new("RGB", (8, 6), (16 * image, 9, 0)).save(root / part / f"COCO_{part}_{image:012d}.jpg")


def put_map(root: Path, name: str, row: int, column: int, size=(6, 8)) -> None:
    pixels = np.zeros(size, dtype=np.uint8)
    pixels[row, column] = 255
    (root / "vqahat").mkdir(exist_ok=True)
    Image.fromarray(pixels).save(root / "vqahat" / name)


@pytest.fixture
def root(tmp_path):
    envelope(tmp_path, "", "train2014", [1, 2])
    put_map(tmp_path, "10_1.png", 2, 7)
    return tmp_path


def test_a_question_with_its_map(root):
    data = VQAHAT(root)
    assert len(data) == 1
    sample = data[0]
    assert sample["question"] == "v1 1 0?"
    assert sample["answers"] == ["yes"] * 10
    expected = torch.zeros(6, 8)
    expected[2, 7] = 1
    assert torch.equal(sample["density"], expected)
    assert data.looked(0)


def test_several_maps_of_a_question_are_averaged(root):
    put_map(root, "10_2.png", 5, 0)
    density = VQAHAT(root)[0]["density"]
    assert density[2, 7] == density[5, 0] == 0.5
    assert density.sum() == 1


def test_a_map_on_its_side_is_refused(root):
    put_map(root, "10_1.png", 2, 5, size=(8, 6))
    with pytest.raises(InputError, match=r"10_1\.png is 8 x 6 and its image 6 x 8"):
        VQAHAT(root)[0]


def test_version_2_is_refused_without_a_mapping(tmp_path):
    envelope(tmp_path, "v2_", "train2014", [1])
    put_map(tmp_path, "10_1.png", 0, 0)
    with pytest.raises(InputError, match=r"maps bear numbers of v1, .*or give data\.mapping"):
        VQAHAT(tmp_path)


def test_version_2_through_a_mapping(tmp_path):
    envelope(tmp_path, "v2_", "train2014", [1])
    put_map(tmp_path, "10_1.png", 0, 0)
    (tmp_path / "map.json").write_text('{"10": 11}')
    assert VQAHAT(tmp_path, mapping="map.json")[0]["question"] == "v2_ 1 1?"
    put_map(tmp_path, "77_1.png", 0, 0)
    with pytest.raises(InputError, match="does not say which question 77 is in version 2"):
        VQAHAT(tmp_path, mapping="map.json")


def test_a_map_without_a_question(root):
    put_map(root, "990_1.png", 0, 0)
    with pytest.raises(InputError, match=r"990_1\.png: there is no question 990"):
        VQAHAT(root)
    assert len(VQAHAT(root, missing="drop")) == 1


def test_wrong_files(root, tmp_path):
    with pytest.raises(InputError, match=r"data\.maps must be the folder of the maps"):
        VQAHAT(root, maps="nowhere")
    put_map(root, "heat.png", 0, 0)
    with pytest.raises(InputError, match=r"heat\.png is not named <question>_<n>\.png"):
        VQAHAT(root)
