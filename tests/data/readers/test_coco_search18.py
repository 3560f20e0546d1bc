"""COCO-Search18's JSON lists: one picture under several searches, and copies that were rescaled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haa.data.readers.coco_search18 import COCOSearch18
from haa.errors import InputError


def trial(name: str, task: str, points: list, split: str = "train", subject: int = 1, condition: str = "present"):
    x, y = [list(column) for column in zip(*points, strict=True)]
    return {
        "name": name,
        "subject": subject,
        "task": task,
        "condition": condition,
        "bbox": [1, 2, 3, 4],
        "X": x,
        "Y": y,
        "T": [100 + i for i in range(len(x))],
        "length": len(x),
        "fixOnTarget": 1,
        "correct": 1,
        "RT": 700,
        "split": split,
    }


START = (840.0, 525.0)
TRIALS = [
    trial("01.jpg", "cup", [START, (0, 0), (1679, 1049), (1200.5, 300.25)]),
    trial("01.jpg", "cup", [START, (7, 8)], subject=2),
    trial("01.jpg", "fork", [START, (9, 10)]),
    *[trial(f"{n:02}.jpg", "cup", [START, (n, 2 * n)]) for n in range(2, 12)],
]
HELD = [trial("20.jpg", "fork", [START, (11, 12)], split="valid"), trial("02.jpg", "fork", [START, (5, 5)], "valid")]


@pytest.fixture
def search(tmp_path, picture) -> Path:
    root = tmp_path / "search"
    write(root, "TP_train", TRIALS)
    write(root, "TP_validation", HELD)
    for entry in (*TRIALS, *HELD):
        place = root / "images" / entry["task"] / entry["name"]
        if not place.is_file():
            picture(place, 1680, 1050)
    return root


def write(root: Path, kind: str, trials: list) -> None:
    root.mkdir(exist_ok=True)
    (root / f"coco_search18_fixations_{kind}_split1.json").write_text(json.dumps(trials))


def gaze_of(root: Path, name: str, **named):
    for split in ("train", "val", "test"):
        data = COCOSearch18(root, split, **named)
        for index in range(len(data)):
            if data.row(index)["id"].as_py() == name:
                return split, data.gaze(index)
    raise KeyError(name)


def test_display_coordinates_count_from_zero(search):
    _, gaze = gaze_of(search, "cup/01")
    assert gaze.points.tolist() == [[0, 0], [1679, 1049], [1200.5, 300.25], [7, 8]]
    assert gaze.subject.tolist() == [1, 1, 1, 2]
    assert gaze.duration.tolist() == [101, 102, 103, 101]
    assert gaze.size == (1050, 1680)
    _, whole = gaze_of(search, "cup/01", first_fixation=True)
    assert whole.points[0].tolist() == list(START)


def test_one_picture_under_several_searches(search):
    assert gaze_of(search, "fork/01")[1].points.tolist() == [[9, 10]]
    assert gaze_of(search, "fork/01")[0] == gaze_of(search, "cup/01")[0]


def test_a_picture_that_is_held_out_is_held_out_for_every_search(search):
    # published: cup/02 in training, fork/02 in validation
    assert [gaze_of(search, name)[0] for name in ("fork/20", "fork/02", "cup/02")] == ["test"] * 3
    assert {gaze_of(search, f"cup/{n:02}")[0] for n in range(3, 12)} == {"train", "val"}


def test_fixations_of_a_rescaled_copy_are_refused(search):
    small = [{**t, "X": [x * 0.3 for x in t["X"]], "Y": [y * 0.3 for y in t["Y"]]} for t in (*TRIALS, *HELD)]
    write(search, "TP_train", small[: len(TRIALS)])
    write(search, "TP_validation", small[len(TRIALS) :])
    with pytest.raises(InputError, match="all fixations lie within 512 x 320 pixels, so the files are a rescaled copy"):
        COCOSearch18(search)


def test_images_of_a_rescaled_copy_are_refused(search, picture):
    for image in search.glob("images/*/*.jpg"):
        picture(image, 512, 320)
    with pytest.raises(InputError, match=r"has 512 x 320 pixels.*1680 x 1050"):
        COCOSearch18(search)


def test_absent_targets_are_another_condition(search, picture):
    with pytest.raises(InputError, match=r"no coco_search18_fixations_TA_\*\.json"):
        COCOSearch18(search, condition="absent")
    absent = [trial(f"{n}.jpg", "tv", [START, (n, 9)], condition="absent") for n in range(30, 44)]
    write(search, "TA_trainval", absent)
    for entry in absent:
        picture(search / "coco_search18_images_TA" / "tv" / entry["name"], 1680, 1050)
    assert gaze_of(search, "tv/31", condition="absent")[1].points.tolist() == [[31, 9]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"X": [1.0]}, r"a trial of 01\.jpg has \[1, 4\] fixations"),
        ({"split": "dev"}, "split dev"),
        ({"subject": None, "T": None}, "'subject' is None, not a whole number"),
        ({"X": [1.0, "2", 3.0, 4.0]}, "it has <U32 of shape"),
        ({"name": 5}, "'name' is 5, not a text"),
    ],
)
def test_another_layout(search, change, said):
    write(search, "TP_train", [*TRIALS, {**TRIALS[0], **change}])
    with pytest.raises(InputError, match=rf"TP_train_split1\.json.*{said}"):
        COCOSearch18(search)
