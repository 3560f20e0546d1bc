"""CUB-200-2011 as published, and CUB-GHA in both of its line layouts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from haa.data.readers.cub import CUB
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")

SIZE = (50, 40)
"""Width and height."""


@pytest.fixture
def cub(tmp_path):
    root = tmp_path / "CUB_200_2011"
    names = {n: f"00{1 + n % 2}.Bird/{n}.jpg" for n in range(1, 11)}
    for number, name in names.items():
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE, (25 * number, 0, 0)).save(root / "images" / name)
    tables = {
        "images": names,
        "image_class_labels": {n: 1 + n % 2 for n in names},
        "train_test_split": {n: int(n <= 8) for n in names},
        "classes": {1: "001.Black_footed_Albatross", 2: "002.Laysan_Albatross"},
    }
    for name, table in tables.items():
        (root / f"{name}.txt").write_text("".join(f"{key} {value}\n" for key, value in table.items()))
    return root


def every(root: Path, **arguments) -> dict[str, dict]:
    return {s["id"]: s for split in ("train", "val", "test") for s in CUB(root, split, **arguments)}


def test_official_split_and_labels(cub):
    splits = {split: CUB(cub, split) for split in ("train", "val", "test")}
    assert sorted(s["id"] for s in splits["test"]) == ["10", "9"]
    assert (len(splits["train"]), len(splits["val"])) == (7, 1)
    assert splits["train"].classes == ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    # class 1, as published, is the first
    assert {s["id"]: s["label"] for s in splits["test"]} == {"9": 1, "10": 0}


def test_image_pixels(cub, tmp_path):
    (tmp_path / "gha").mkdir()
    (tmp_path / "gha" / "Fixation_run1.txt").write_text("9,50,40,49,39,200,0,16,100\n3,50,40\n")
    (tmp_path / "gha" / "Fixation_run2.txt").write_text("9,50,40,10,20,300\n9,50,40,10,20,300\n")
    samples = every(cub, gha=tmp_path / "gha")
    gaze = samples["9"]["gaze"]
    # the last fixation of a line counts too
    assert gaze.points.tolist() == [[49, 39], [0, 16], [10, 20], [10, 20]]
    assert gaze.duration.tolist() == [200, 100, 300, 300]
    assert gaze.subject.tolist() == [1, 1, 2, 2]
    assert gaze.size == (40, 50)
    assert samples["3"]["gaze"] is None
    assert samples["4"]["gaze"] is None


def test_display_pixels(cub, tmp_path):
    # shown at 1000 x 800 from (460, 140): 20 display pixels for one of the image
    line = "9,50,40,1000,800,460,140,469.5,149.5,200,1449.5,929.5,100,669.5,349.5,50\n"
    (tmp_path / "Fixation.txt").write_text(line)
    gaze = every(cub, gha=tmp_path / "Fixation.txt")["9"]["gaze"]
    torch.testing.assert_close(gaze.points, torch.tensor([[0.0, 0], [49, 39], [10, 10]]))
    assert every(cub, gha=tmp_path)["9"]["gaze"].duration.tolist() == [200, 100, 50]


def test_swapped_axes_are_refused(cub, tmp_path):
    (tmp_path / "Fixation.txt").write_text("9,50,40,39,49,200\n")
    with pytest.raises(InputError, match=r"x=39, y=49 .*outside .*9\.jpg of 50 x 40"):
        CUB(cub, gha=tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9,50,40,1,2\n", "neither id,w,h"),
        ("9,50,40,1,2,3\n8,50,40,1000,800,460,140\n", "mixes line layouts"),
        ("9,50,forty,1,2,3\n", "line 1 holds something other than numbers"),
        ("9,50,41,1,2,3\n", r"image 9 has 50 x 41 pixels there, and .*9\.jpg others"),
        ("9,50,40,1,2,3\n9,50,41,1,2,3\n", "line 2: image 9 had another size before"),
    ],
)
def test_gaze_that_cannot_be_read(cub, tmp_path, text, message):
    (tmp_path / "Fixation.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        CUB(cub, gha=tmp_path)


def test_missing_files(cub, tmp_path):
    with pytest.raises(InputError, match=r"Fixation\.txt is missing: data\.gha must be"):
        CUB(cub, gha=tmp_path)
    (cub / "images" / "002.Bird" / "1.jpg").unlink()
    with pytest.raises(InputError, match=r"1\.jpg is absent: .*data\.missing=drop"):
        CUB(cub)
    assert len(every(cub, missing="drop")) == 9
    (cub / "classes.txt").unlink()
    with pytest.raises(InputError, match=r"classes\.txt is missing or no list"):
        CUB(cub)


@pytest.mark.slow
def test_published_data(real_data, tmp_path):
    source = real_data / "cub_200_2011"
    for path in source.glob("*.txt"):
        os.symlink(path, tmp_path / path.name)
    listed = dict(line.split() for line in (source / "images.txt").read_text().splitlines())
    for path in (source / "few_images").iterdir():
        name = next(name for name in listed.values() if name.endswith("/" + path.name))
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(path, tmp_path / "images" / name)
    with pytest.raises(InputError, match=r"is absent \(11784 such\)"):
        CUB(tmp_path, gha=real_data / "cub_gha")
    samples = every(tmp_path, gha=real_data / "cub_gha", missing="drop")
    assert sorted(samples) == ["3", "318", "366", "39"]
    first = samples["3"]["gaze"]
    assert first.size == (347, 500)
    assert first.points[:2].tolist() == [[311, 154], [225, 125]]
    assert first.duration[:2].tolist() == [122, 84]
    # the whole of the published gaze
    gaze = CUB(tmp_path, gha=real_data / "cub_gha", missing="drop")._gaze()
    assert sum(len(columns["x"]) for _, columns in gaze.values()) == 442_629
    assert len(gaze) == 11_788
