"""One's own images with plain tables: every point, text, mask and label comes out where it was put."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.index import collecting_faults
from haa.data.readers.folder import Folder
from haa.errors import InputError

pytestmark = pytest.mark.usefixtures("index_cache")


def images(root: Path, names: list[str], size=(8, 6)) -> Path:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name)
    return root


def every(root: Path, **arguments) -> dict[str, dict]:
    return {sample["id"]: sample for split in ("train", "val", "test") for sample in Folder(root, split, **arguments)}


def test_fixations_come_out_at_their_pixel(tmp_path):
    images(tmp_path, ["images/a.png", "images/b.png", "images/c.png"])
    (tmp_path / "fixations.csv").write_text(
        "image,x,y,duration,subject\na.png,7,5,100,ann\na.png,0.25,3,50,bob\na,7,5,30,ann\nb.png,1,0,9,bob\n"
    )
    samples = every(tmp_path)
    gaze = samples["a"]["gaze"]
    assert gaze.points.tolist() == [[7, 5], [0.25, 3], [7, 5]]
    assert gaze.duration.tolist() == [100, 50, 30]
    assert gaze.subject.tolist() == [1, 2, 1]
    assert samples["b"]["gaze"].subject.tolist() == [2]
    assert samples["c"]["gaze"] is None


def test_made_up_gaze_is_called_so(tmp_path):
    images(tmp_path / "images", ["a.png"])
    (tmp_path / "fixations.csv").write_text("image,x,y\na.png,1,1\n")
    assert Folder(tmp_path, "train", splits=None, simulated=True).simulated
    assert not Folder(tmp_path, "train", splits=None).simulated


def test_pixels_that_count_from_one(tmp_path):
    images(tmp_path, ["images/a.png"])
    (tmp_path / "fixations.csv").write_text("image,x,y\na.png,8,6\na.png,1,1\n")
    with pytest.raises(InputError, match=r"x=8, y=6 .*lies outside .*a\.png of 8 x 6"):
        Folder(tmp_path)
    assert every(tmp_path, first_pixel=1)["a"]["gaze"].points.tolist() == [[7, 5], [0, 0]]


def test_swapped_axes_are_refused(tmp_path):
    images(tmp_path, ["images/a.png"])
    (tmp_path / "fixations.csv").write_text("image,x,y\na.png,5,7\n")
    with pytest.raises(InputError, match="lies outside"):
        Folder(tmp_path)


def test_sub_folders_are_labels_and_splits_have_their_share(tmp_path):
    images(tmp_path, [f"{bird}/{n}.jpg" for bird in ("wren", "heron") for n in range(10)])
    splits = {split: Folder(tmp_path, split) for split in ("train", "val", "test")}
    assert splits["test"].classes == ["heron", "wren"]
    for split, count in {"train": 7, "val": 1, "test": 2}.items():
        assert [s["label"] for s in splits[split]].count(0) == count
        assert len(splits[split]) == 2 * count
    assert all(("wren" in s["id"]) == (s["label"] == 1) for data in splits.values() for s in data)


def test_split_folders(tmp_path):
    images(tmp_path, ["train/wren/1.png", "train/heron/2.png", "val/wren/3.png", "test/heron/4.png"])
    splits = {split: [(s["id"], s["label"]) for s in Folder(tmp_path, split)] for split in ("train", "val", "test")}
    assert splits == {
        "train": [("train/heron/2", 0), ("train/wren/1", 1)],
        "val": [("val/wren/3", 1)],
        "test": [("test/heron/4", 0)],
    }


def test_tables_of_labels_and_splits(tmp_path):
    images(tmp_path, ["images/a.png", "images/b.png", "images/c.png"])
    (tmp_path / "labels.csv").write_text("image,label\na,10\nb,9\nc,10\n")
    (tmp_path / "splits.csv").write_text("image,split\na,train\nb,val\nc,test\n")
    data = {split: Folder(tmp_path, split) for split in ("train", "val", "test")}
    assert data["val"].classes == ["9", "10"]
    assert {split: [(s["id"], s["label"]) for s in d] for split, d in data.items()} == {
        "train": [("a", 1)],
        "val": [("b", 0)],
        "test": [("c", 1)],
    }


def test_maps_and_masks(tmp_path):
    images(tmp_path, ["images/a.png", "images/b.png"])
    for folder, value in (("maps", 200), ("masks", 255)):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.eye(6, 8, dtype=np.uint8) * value).save(tmp_path / folder / "a.png")
    with pytest.raises(InputError, match=r"b\.png has no mask, and others have"):
        Folder(tmp_path)
    Image.new("L", (8, 6)).save(tmp_path / "masks" / "b.png")
    samples = every(tmp_path)
    torch.testing.assert_close(samples["a"]["density"], torch.eye(6, 8) / 6)
    assert samples["b"]["density"].sum() == 0
    assert torch.equal(torch.as_tensor(samples["a"]["mask"]), (torch.eye(6, 8) * 255).to(torch.uint8))


def test_a_map_of_another_shape_is_refused(tmp_path):
    images(tmp_path, ["images/a.png"])
    (tmp_path / "maps").mkdir()
    Image.new("L", (6, 8), 3).save(tmp_path / "maps" / "a.png")
    with pytest.raises(InputError, match=r"maps/a\.png is 8 x 6 and its image 6 x 8"):
        every(tmp_path)


def test_a_smaller_map_is_brought_to_the_images_size(tmp_path):
    images(tmp_path, ["images/a.png"])
    (tmp_path / "maps").mkdir()
    Image.fromarray(np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 255]], dtype=np.uint8)).save(
        tmp_path / "maps/a.png"
    )
    density = every(tmp_path)["a"]["density"]
    assert density.shape == (6, 8)
    torch.testing.assert_close(density.sum(), torch.tensor(1.0))
    assert divmod(int(density.argmax()), 8) == (5, 7)


def test_maps_do_not_stand_in_for_fixations(tmp_path):
    images(tmp_path, ["images/a.png"])
    (tmp_path / "maps").mkdir()
    (tmp_path / "fixations.csv").write_text("image,x,y\na.png,1,2\n")
    with pytest.raises(InputError, match=r"both fixations\.csv and maps: set data\.maps=null"):
        Folder(tmp_path)
    assert "density" not in every(tmp_path, maps=None)["a"]


def test_captions(tmp_path):
    images(tmp_path, ["images/a.png", "images/b.png"])
    (tmp_path / "captions.csv").write_text('image,caption\na,"a cat, asleep"\nb,a dog\na,a pet\nlost,a ghost\n')
    with pytest.raises(InputError, match=r"captions\.csv, line 5: there is no image 'lost'.*data\.missing=drop"):
        Folder(tmp_path)
    samples = every(tmp_path, missing="drop")
    assert samples["a"]["captions"] == ["a cat, asleep", "a pet"]
    assert samples["b"]["captions"] == ["a dog"]


def test_questions(tmp_path):
    images(tmp_path, ["images/a.png"])
    table = "image,question,answer\na,what?,cat\na,what?,kitten\na,how many?,1\n"
    (tmp_path / "questions.csv").write_text(table)
    samples = every(tmp_path)
    assert samples["a_1"]["question"] == "what?"
    assert samples["a_1"]["answers"] == ["cat", "kitten"]
    assert samples["a_2"]["answers"] == ["1"]
    (tmp_path / "questions.csv").write_text(table + "a,why?,\n")
    with pytest.raises(InputError, match=r"questions\.csv, line 5: the question 'why\?' has no answer"):
        Folder(tmp_path, missing="drop")
    with collecting_faults():
        assert len(every(tmp_path)) == 2


def test_names_that_may_be_two_images(tmp_path):
    images(tmp_path, ["images/x/a.png", "images/y/a.png"])
    (tmp_path / "fixations.csv").write_text("image,x,y\na,1,2\n")
    with pytest.raises(InputError, match=r"a may be x/a\.png or y/a\.png: give the path"):
        Folder(tmp_path)
    (tmp_path / "fixations.csv").write_text("image,x,y\ny/a,1,2\n")
    assert every(tmp_path)["y/a"]["gaze"].points.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,y\na,1\n", r"has no column 'x' \(there are: image, y\)"),
        ("image,x,y\na,1\n", "line 2 has not the 3 fields of the first line"),
        ("image,x,y\na,1,two\n", "line 2: y='two' is no number"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, table, message):
    images(tmp_path, ["images/a.png"])
    (tmp_path / "fixations.csv").write_text(table)
    with pytest.raises(InputError, match=message):
        Folder(tmp_path)


def test_arguments(tmp_path):
    with pytest.raises(InputError, match="holds no image"):
        Folder(tmp_path)
    images(tmp_path, ["images/a.png"])
    with pytest.raises(InputError, match=r"data\.fixations=eyes\.csv: .* is missing"):
        Folder(tmp_path, fixations="eyes.csv")
    with pytest.raises(InputError, match=r"data\.first_pixel=2: choose 0 or 1"):
        Folder(tmp_path, first_pixel=2)
    assert len(every(tmp_path)) == 1


def test_a_new_image_is_noticed(tmp_path):
    images(tmp_path, ["wren/a.png", "wren/b.png"])
    assert len(every(tmp_path)) == 2
    images(tmp_path, ["wren/c.png"], size=(4, 4))
    assert len(every(tmp_path)) == 3


def test_birds(real_data):
    splits = {split: Folder(real_data / "birds10", split) for split in ("train", "val", "test")}
    assert sum(map(len, splits.values())) == 294
    # 293 pictures, one of them twice, and so twice in its split
    assert [len(data) for data in splits.values()] == [205, 29, 60]
    assert splits["train"].classes[0] == "001.Black_footed_Albatross"
    assert len(splits["train"].classes) == 10
    assert all({data.row(i)["label"].as_py() for i in range(len(data))} == set(range(10)) for data in splits.values())


EYELINK = (
    "IMAGE,CURRENT_FIX_INDEX,CURRENT_FIX_X,CURRENT_FIX_Y,CURRENT_FIX_DURATION,CURRENT_FIX_PUPIL,CURRENT_FIX_START,"
    "IMAGE_HEIGHT,IMAGE_WIDTH"
)


def test_polyps_with_gaze_as_published(tmp_path):
    """Kvasir-SEG's folders and GazeMedSeg's table: EyeLink's columns, shares of the sides, JPEG masks."""
    images(tmp_path, [f"images/{name}.jpg" for name in ("p1", "p2", "p3")], size=(40, 20))
    for name in ("p1", "p2", "p3"):
        mask = np.zeros((20, 40), dtype=np.uint8)
        mask[5:15, 8:24] = 255
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.jpg", quality=95)
    # the third fixation of p1 was left out by the publisher, and lines are not in order
    lines = ["p1.jpg,2,0.75,0.5,181,1800,512,20.0,40.0", "p1.jpg,1,0.25,0.1,455,2670,7,20.0,40.0"]
    lines += ["p1.jpg,4,0.5,0.9,60,1800,900,20.0,40.0", "p2.jpg,1,0.5,0.5,99,1800,7,20.0,40.0"]
    (tmp_path / "kvasir_fixation.csv").write_text("\n".join([EYELINK, *lines]) + "\n")
    for split, name in (("train", "p1"), ("val", "p2"), ("test", "p3")):
        (tmp_path / f"{split}.txt").write_text(f"{name}\n")
    samples = every(tmp_path, fixations="kvasir_fixation.csv", units="share")
    gaze = samples["p1"]["gaze"]
    assert gaze.points.tolist() == pytest.approx(np.array([[9.5, 1.5], [29.5, 9.5], [19.5, 17.5]]))
    assert gaze.duration.tolist() == [455, 181, 60]
    assert samples["p3"]["gaze"] is None
    inside = samples["p1"]["mask"][6:14, 9:23]
    assert inside.min() == 255
    assert int((samples["p1"]["mask"] > 0).sum()) == pytest.approx(10 * 16, abs=12)
    (tmp_path / "fixations.csv").write_text("image,x,y,CURRENT_FIX_X\np1,3,4,0.5\n")
    assert every(tmp_path)["p1"]["gaze"].points.tolist() == [[3, 4]]


def grey(path: Path, row: int, column: int) -> None:
    """Write a map of 6 x 8 that is bright at one place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((6, 8), dtype=np.uint8)
    pixels[row, column] = 200
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    ("photos", "maps", "arguments"),
    [
        ("images/{}/{}.png", "maps/{}/{}.png", {}),
        ("{}/{}.png", "heat/{}/{}.jpg", {"maps": "heat"}),
        ("images/train/{}/{}.png", "maps/{}/{}.png", {}),
        ("faces/{}/{}.png", "annotations/heat/{}/{}.png", {"images": "faces", "maps": "annotations/heat"}),
        ("images/{}_{}.png", "maps/{}_{}.png", {"label_pattern": "^(real|fake)_"}),
    ],
)
def test_classes_and_maps_lie_as_their_owner_has_them(tmp_path, photos, maps, arguments):
    where = {("real", 1): (0, 3), ("real", 2): (5, 1), ("fake", 1): (2, 7), ("fake", 2): (4, 4)}
    images(tmp_path, [photos.format(*name) for name in where])
    for name, pixel in where.items():
        grey(tmp_path / maps.format(*name), *pixel)
    samples = list(every(tmp_path, **arguments).values())
    assert len(samples) == 4
    for sample in samples:
        name = ("fake", "real")[sample["label"]], int(sample["id"][-1])
        assert name[0] in sample["id"]
        assert abs(np.array(divmod(int(sample["density"].argmax()), 8)) - where[name]).max() == 0


def test_maps_that_lie_flat_beside_folders_of_classes(tmp_path):
    images(tmp_path, ["images/real/a.png", "images/fake/b.png"])
    grey(tmp_path / "maps/a.png", 1, 2)
    np.savez(tmp_path / "maps/b.npz", image=np.zeros((6, 8, 3)), heatmap=np.eye(6, 8)[::-1], label=3)
    samples = every(tmp_path)
    assert samples["real/a"]["density"].argmax() == 1 * 8 + 2
    torch.testing.assert_close(samples["fake/b"]["density"], torch.eye(6, 8).flip(0) / 6)
    images(tmp_path, ["images/real/b.png"])
    with pytest.raises(InputError, match=r"b\.npz may be of fake/b\.png or of real/b\.png: put it into a sub-folder"):
        Folder(tmp_path)
    grey(tmp_path / "maps/real/a.png", 1, 2)
    (tmp_path / "maps/b.npz").rename(tmp_path / "maps/fake_b.npz")
    with pytest.raises(InputError, match=r"maps/real/a\.png and .*maps/a\.png are both there, of one image"):
        Folder(tmp_path)


def test_the_map_of_another_class_is_of_no_image(tmp_path):
    images(tmp_path, ["images/real/a.png"])
    grey(tmp_path / "maps/fake/a.png", 1, 2)
    with pytest.raises(InputError, match=r"maps/fake/a\.png is the map of no image"):
        Folder(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": "photos"}, r"data\.images=photos: .*photos is missing"),
        ({"images": "labels.csv"}, r"data\.images=labels\.csv: .* is no folder"),
        ({"label_pattern": "a|b"}, r"label_pattern=a\|b needs one group"),
        ({"label_pattern": "(a"}, r"label_pattern=\(a is no regular expression"),
        ({"label_pattern": "(a)"}, r"label_pattern and .*labels\.csv both say labels"),
        ({"label_pattern": "(a)", "labels": None}, r"b\.png has no label, and others have"),
    ],
)
def test_what_says_images_and_labels_is_there(tmp_path, arguments, message):
    images(tmp_path, ["images/a.png", "images/b.png"])
    (tmp_path / "labels.csv").write_text("image,label\na,1\nb,2\n")
    with pytest.raises(InputError, match=message):
        Folder(tmp_path, **arguments)
