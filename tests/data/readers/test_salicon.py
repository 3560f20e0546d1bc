"""SALICON's two releases in their official layouts, which put row and column in opposite orders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from haa.data.readers.salicon import SALICON
from haa.errors import InputError

SIZE = (64, 48)
"""Width and height of the small pictures."""


def names(part: str, count: int) -> list[str]:
    return [f"COCO_{part}2014_{n:012d}.jpg" for n in range(1, count + 1)]


@pytest.fixture
def images(tmp_path, picture) -> Path:
    for part, count in (("train", 10), ("val", 3)):
        for name in names(part, count):
            picture(tmp_path / "salicon" / "images" / part / name, *SIZE)
    return tmp_path / "salicon"


def write_2015(root: Path, part: str, count: int, traces: dict[int, list]) -> Path:
    """``traces``: image number to (worker, [[row, column], ...]) pairs, in the file's own convention."""
    path = root / "annotations" / f"fixations_{part}2014.json"
    path.parent.mkdir(exist_ok=True)
    listed = [
        {"license": 4, "url": "", "file_name": name, "height": SIZE[1], "width": SIZE[0], "id": 100 + i}
        for i, name in enumerate(names(part, count), start=1)
    ]
    annotations = [
        {"image_id": 100 + number, "fixations": points, "worker_id": worker, "id": i}
        for i, (number, worker, points) in enumerate((n, *t) for n, trace in traces.items() for t in trace)
    ]
    content = {"info": {}, "images": listed, "licenses": [], "type": "fixations", "annotations": annotations}
    path.write_text(json.dumps(content))
    return path


def write_2017(root: Path, part: str, name: str, workers: list[tuple[list, list]]) -> Path:
    """``workers``: (location, fixations), each [[x, y], ...], as the official struct array."""
    path = root / "fixations" / part / name.replace(".jpg", ".mat")
    path.parent.mkdir(parents=True, exist_ok=True)
    gaze = np.empty((len(workers), 1), dtype=[(key, object) for key in ("location", "timestamp", "fixations")])
    for i, (location, fixations) in enumerate(workers):
        gaze[i, 0] = (
            np.array(location, dtype=np.float64).reshape(-1, 2),
            np.arange(len(location), dtype=np.float64)[:, None],
            np.array(fixations, dtype=np.uint16).reshape(-1, 2),
        )
    scipy.io.savemat(path, {"image": path.stem, "resolution": [[SIZE[1], SIZE[0]]], "gaze": gaze})
    return path


def test_2015_is_row_then_column_counted_from_one(images, everything):
    # the picture's last pixel is row 48, column 64
    write_2015(images, "train", 10, {1: [(7, [[1, 1], [48, 64], [10, 20]]), (9, [[3, 5]])], 2: [(7, [[2, 1]])]})
    gaze = everything(SALICON, images, release=2015)["COCO_train2014_000000000001"]["gaze"]
    assert gaze.points.tolist() == [[0, 0], [63, 47], [19, 9], [4, 2]]
    assert gaze.subject.tolist() == [7, 7, 7, 9]
    assert gaze.duration is None
    assert gaze.size == (48, 64)


def test_2015_annotations_of_an_image_need_not_stand_together(images, everything):
    path = write_2015(images, "train", 10, {1: [(7, [[1, 2]])], 2: [(7, [[1, 3]])]})
    content = json.loads(path.read_text())
    content["annotations"].append({"image_id": 101, "worker_id": 8, "fixations": [[1, 4]], "id": 9})
    path.write_text(json.dumps(content))
    samples = everything(SALICON, images, release=2015)
    assert samples["COCO_train2014_000000000001"]["gaze"].points.tolist() == [[1, 0], [3, 0]]
    assert samples["COCO_train2014_000000000003"]["gaze"] is None


def test_2015_with_axes_the_other_way_round_is_refused(images):
    write_2015(images, "train", 10, {1: [(7, [[64, 48]])]})
    with pytest.raises(InputError, match="COCO_train2014_000000000001: a fixation of subject 7 at x=47, y=63"):
        SALICON(images, release=2015)


def test_2017_is_x_then_y_counted_from_one(images, everything):
    for name in names("train", 10):
        write_2017(images, "train", name, [([[1, 1]], [[1, 1], [64, 48], [20, 10]]), ([[9, 9]], [[5, 3]])])
    gaze = everything(SALICON, images, release=2017)["COCO_train2014_000000000004"]["gaze"]
    assert gaze.points.tolist() == [[0, 0], [63, 47], [19, 9], [4, 2]]
    assert gaze.subject.tolist() == [1, 1, 1, 2]


def test_2017_traces_that_leave_the_picture_are_left_out_and_counted(images, everything):
    trace = [[2.5, 3]] * 36 + [[64.4, 48.4], [65, 5], [5, 49], [0, 5], [5, 0.2]]
    write_2017(images, "train", names("train", 10)[0], [(trace, [[7, 8]])])
    samples = everything(SALICON, images, release=2017, points="location")
    [sample] = samples.values()
    np.testing.assert_allclose(sample["gaze"].points, [[1.5, 2]] * 36 + [[63.4, 47.4]], rtol=1e-6)
    [note] = SALICON(images, "train", release=2017, points="location").notes
    assert note.startswith("SALICON: 4 x outside, left out")
    # the fixations of the same file are others
    assert everything(SALICON, images, release=2017)[sample["id"]]["gaze"].points.tolist() == [[6, 7]]


def test_releases_are_never_mixed(images, everything):
    write_2015(images, "train", 10, {1: [(7, [[1, 2]])]})
    write_2017(images, "train", names("train", 1)[0], [([[9, 9]], [[5, 3]])])
    first = "COCO_train2014_000000000001"
    assert everything(SALICON, images, release=2015)[first]["gaze"].points.tolist() == [[1, 0]]
    assert everything(SALICON, images, release=2017)[first]["gaze"].points.tolist() == [[4, 2]]
    with pytest.raises(InputError, match=r"data\.release=2016: SALICON was published in 2015 and in 2017"):
        SALICON(images, release=2016)


def test_a_release_that_is_not_there(images):
    write_2015(images, "train", 10, {})
    with pytest.raises(InputError, match=r"holds no SALICON of 2017: it is fixations/train/\*\.mat"):
        SALICON(images, release=2017)


def test_two_files_for_one_part(images):
    path = write_2015(images, "train", 10, {})
    path.with_name("fixations_train2014examples.json").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="leave one of them"):
        SALICON(images, release=2015)


def test_published_validation_is_the_test_split(images, everything):
    write_2015(images, "train", 10, {})
    write_2015(images, "val", 3, {})
    parts = {split: [] for split in ("train", "val", "test")}
    for name, sample in everything(SALICON, images, release=2015).items():
        parts[sample["split"]].append(name)
    assert parts["test"] == [name[:-4] for name in names("val", 3)]
    assert sorted(parts["train"] + parts["val"]) == [name[:-4] for name in names("train", 10)]
    assert parts["val"]


def test_absent_image(images):
    write_2015(images, "train", 10, {})
    (images / "images" / "train" / names("train", 3)[2]).unlink()
    with pytest.raises(InputError, match=r"000003\.jpg is absent"):
        SALICON(images, release=2015)
    assert sum(len(SALICON(images, split, release=2015, missing="drop")) for split in ("train", "val", "test")) == 9


@pytest.mark.parametrize(
    "content", ["", "<html>", '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"im']
)
def test_no_json(images, content):
    (images / "annotations").mkdir()
    (images / "annotations" / "fixations_train2014.json").write_text(content)
    with pytest.raises(InputError, match=r"fixations_train2014\.json is no JSON file"):
        SALICON(images, release=2015)


def test_published_examples(real_data, picture, everything):
    samples = everything(SALICON, real_data / "salicon", release=2015)
    assert len(samples) == 10
    assert sum(len(s["gaze"].points) for s in samples.values()) == 73_630
    assert sum(len(s["gaze"].subject.unique()) for s in samples.values()) == 610
    gaze = samples["COCO_train2014_000000123855"]["gaze"]
    # the file's first annotation: worker 128 begins at row 242, column 314
    assert gaze.of(128).points[0].tolist() == [313, 241]
    assert gaze.size == (480, 640)
