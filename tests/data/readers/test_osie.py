"""OSIE's official files, written small by scipy and read as they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from haa.data.readers.osie import OSIE, assign_splits
from haa.errors import InputError

NAMES = [f"{n}.jpg" for n in range(1001, 1015)]
"""Fourteen images: 4 test, 1 validation, 9 training by the rule."""


def scanpath(x, y, duration):
    return {
        "fix_x": np.array(x, dtype=np.float64)[None],
        "fix_y": np.array(y, dtype=np.float64)[None],
        "fix_duration": np.array(duration, dtype=np.uint16)[None],
    }


def cell(items):
    out = np.empty((len(items), 1), dtype=object)
    for row, item in zip(out, items, strict=True):
        row[0] = item
    return out


def write_osie(root: Path, scanpaths: dict[str, list[dict]], size=(40, 30)) -> Path:
    (root / "eye").mkdir(parents=True)
    (root / "stimuli").mkdir()
    for number, name in enumerate(scanpaths):
        Image.new("RGB", size, (number, 128, 255 - number)).save(root / "stimuli" / name)
    entries = [{"img": name, "subjects": cell(subjects)} for name, subjects in scanpaths.items()]
    scipy.io.savemat(root / "eye" / "fixations.mat", {"fixations": cell(entries)})
    return root


@pytest.fixture
def scanpaths():
    return {n: [scanpath([1, 40, 10.5], [1, 30, 20.25], [100, 246, 90]), scanpath([7], [8], [333])] for n in NAMES}


@pytest.fixture
def osie(tmp_path, scanpaths):
    return write_osie(tmp_path / "osie", scanpaths)


def test_published_coordinates_count_from_one(osie):
    gaze = OSIE(osie).gaze(0)
    # the image's corners, (1, 1) and (40, 30) in Matlab, and one person's only fixation, which loads as a scalar
    assert gaze.points.tolist() == [[0, 0], [39, 29], [9.5, 19.25], [6, 7]]
    assert gaze.subject.tolist() == [1, 1, 1, 2]
    assert gaze.duration.tolist() == [100, 246, 90, 333]
    assert gaze.size == (30, 40)


def test_sample(osie):
    data = OSIE(osie)
    sample = data[0]
    assert set(sample) == {"id", "image", "gaze"}
    assert sample["id"] == data.stimulus(0)
    assert sample["image"].shape == (3, 30, 40)
    assert sample["image"].dtype == torch.uint8
    reference = np.asarray(Image.open(osie / "stimuli" / f"{sample['id']}.jpg"))
    assert np.array_equal(sample["image"].permute(1, 2, 0), reference)
    assert data.record(0) == {"id": sample["id"], "gaze": data.gaze(0)}


def test_splits_part_the_images(osie):
    splits = [OSIE(osie, split) for split in ("train", "val", "test")]
    assert [len(data) for data in splits] == [9, 1, 4]
    assert sorted(data.stimulus(i) for data in splits for i in range(len(data))) == [n[:-4] for n in NAMES]


def test_split_does_not_depend_on_order_or_python():
    splits = assign_splits(NAMES)
    assert assign_splits(NAMES[::-1]) == splits
    # sha256sum of the names, sorted, by coreutils
    assert sorted(n for n, s in splits.items() if s == "test") == TEST_NAMES


TEST_NAMES = ["1001.jpg", "1002.jpg", "1006.jpg", "1013.jpg"]


@pytest.mark.parametrize("extra", range(1, 15))
def test_twins_stay_together_wherever_the_border_falls(extra):
    splits = assign_splits([*NAMES[:extra], "1279.jpg", "1374.jpg"])
    assert splits["1279.jpg"] == splits["1374.jpg"]


def test_image_without_fixations_has_no_gaze(tmp_path, scanpaths):
    name = min(n for n, s in assign_splits(NAMES).items() if s == "train")
    scanpaths[name] = [scanpath([], [], []), scanpath([], [], [])]
    data = OSIE(write_osie(tmp_path / "osie", scanpaths))
    assert data.gaze(0) is None
    assert data[0]["gaze"] is None
    assert data.gaze(1) is not None


def test_one_image_with_one_person(tmp_path):
    data = OSIE(write_osie(tmp_path / "osie", {"1001.jpg": [scanpath([3], [4], [5])]}))
    assert data.gaze(0).points.tolist() == [[2, 3]]


def test_fingerprint_notices_a_replaced_image(osie):
    data = OSIE(osie)
    before = data.fingerprint()
    assert OSIE(osie).fingerprint() == before
    assert OSIE(osie, "test").fingerprint() != before
    Image.new("RGB", (40, 30), "white").save(osie / "stimuli" / f"{data.stimulus(0)}.jpg", quality=95)
    assert OSIE(osie).fingerprint() != before


def train_image(root: Path) -> Path:
    return root / "stimuli" / f"{OSIE(root).stimulus(0)}.jpg"


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_missing_root(tmp_path):
    with pytest.raises(InputError, match=r"data\.root=.*nowhere does not exist: give the folder") as error:
        OSIE(tmp_path / "nowhere")
    one_line(error)


def test_missing_fixations(tmp_path):
    with pytest.raises(InputError, match=r"fixations\.mat is missing: data\.root must be") as error:
        OSIE(tmp_path)
    one_line(error)


@pytest.mark.parametrize("content", [b"", b"not a Matlab file", b"\x00" * 4096, bytes(range(256)) * 8])
def test_fixations_that_are_no_matlab_file(osie, content):
    (osie / "eye" / "fixations.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"fixations\.mat is not a Matlab file that can be read") as error:
        OSIE(osie)
    one_line(error)


def test_truncated_fixations(osie):
    path = osie / "eye" / "fixations.mat"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"fixations\.mat is not") as error:
        OSIE(osie)
    one_line(error)


def test_matlab_file_without_the_variable(osie):
    scipy.io.savemat(osie / "eye" / "fixations.mat", {"attrs": np.ones(3)})
    with pytest.raises(InputError, match="holds attrs but no variable 'fixations'") as error:
        OSIE(osie)
    one_line(error)


@pytest.mark.parametrize("value", [np.ones(3), cell([{"img": "1001.jpg"}]), "text"])
def test_matlab_file_of_another_layout(osie, value):
    scipy.io.savemat(osie / "eye" / "fixations.mat", {"fixations": value})
    with pytest.raises(InputError, match="is not laid out as OSIE's") as error:
        OSIE(osie)
    one_line(error)


def test_missing_image(osie):
    path = train_image(osie)
    path.unlink()
    with pytest.raises(InputError, match=f"{path.name} is missing") as error:
        OSIE(osie)
    one_line(error)


def test_file_that_is_no_image(osie):
    path = train_image(osie)
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match=rf"{path.name} cannot be decoded \(.*\): fetch the file again") as error:
        OSIE(osie)
    one_line(error)


def test_truncated_image(osie):
    path = train_image(osie)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    data = OSIE(osie)
    with pytest.raises(InputError, match=rf"{path.name} cannot be decoded \(.*truncated.*\)") as error:
        data[0]
    one_line(error)


@pytest.mark.parametrize(("x", "y"), [(40.6, 5), (5, 30.5), (0.4, 5), (float("nan"), 5)])
def test_fixation_out_of_bounds(tmp_path, scanpaths, x, y):
    name = min(n for n, s in assign_splits(NAMES).items() if s == "train")
    scanpaths[name][1] = scanpath([5, x], [5, y], [100, 100])
    root = write_osie(tmp_path / "osie", scanpaths)
    with pytest.raises(InputError, match=rf"subject 2 looks at x={x:g}, y={y:g} .*{name}") as error:
        OSIE(root)
    one_line(error)


def test_unknown_split(osie):
    with pytest.raises(InputError, match="choose one of train, val, test"):
        OSIE(osie, "testing")


def test_published_data():
    if "HAA_REAL_DATA" not in os.environ:
        pytest.skip("set HAA_REAL_DATA to the folder that holds osie/data")
    splits = {
        split: OSIE(Path(os.environ["HAA_REAL_DATA"]) / "osie" / "data", split) for split in ("train", "val", "test")
    }
    assert {split: len(data) for split, data in splits.items()} == {"train": 450, "val": 50, "test": 200}
    gaze = [data.gaze(i) for data in splits.values() for i in range(len(data))]
    assert sum(len(g.points) for g in gaze) == 98_321
    assert sum(len(g.subject.unique()) for g in gaze) == 10_500
    assert {g.size for g in gaze} == {(600, 800)}
    points = torch.cat([g.points for g in gaze])
    # the file's own extremes, 1.2 to 799.2 and 1.2 to 599.2, count from 1
    torch.testing.assert_close(points.amin(0), torch.tensor([0.2, 0.2]))
    torch.testing.assert_close(points.amax(0), torch.tensor([798.2, 598.2]))
    duration = torch.cat([g.duration for g in gaze])
    assert (duration.min(), duration.max()) == (20, 1975)
    where = {data.stimulus(i): split for split, data in splits.items() for i in range(len(data))}
    assert len(where) == 699  # 1374 is 1279
    first = next(data for data in splits.values() if "1001" in {data.stimulus(i) for i in range(len(data))})
    index = next(i for i in range(len(first)) if first.stimulus(i) == "1001")
    torch.testing.assert_close(first.gaze(index).of(1).points[0], torch.tensor([394.5, 264.7]))
    assert first[index]["image"].shape == (3, 600, 800)
