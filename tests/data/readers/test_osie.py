"""OSIE's official files, written small by scipy and read as they are."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from haa.data.care.check import check
from haa.data.readers.osie import OSIE
from haa.errors import InputError

NAMES = [f"{n}.jpg" for n in range(1001, 1015)]
"""Fourteen images: 4 test, 1 validation, 9 training by the rule."""

TEST_NAMES = ["1001.jpg", "1002.jpg", "1006.jpg", "1013.jpg"]
"""The first four in the order of the names' SHA-256, which coreutils' sha256sum gave."""

TRAIN_NAME = "1003.jpg"
"""The first training image: by sha256sum it is the tenth, after 1009.jpg, the fifth, which is the validation split."""

pytestmark = pytest.mark.usefixtures("index_cache")


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
        # JPEG makes neighbouring colours one, and files of the same content would be one picture
        Image.new("RGB", size, (12 * number, 128, 255 - 12 * number)).save(root / "stimuli" / name)
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


def names(data: OSIE) -> list[str]:
    return [f"{data.record(i)['id']}.jpg" for i in range(len(data))]


def test_splits_part_the_images(osie):
    splits = [OSIE(osie, split) for split in ("train", "val", "test")]
    assert [len(data) for data in splits] == [9, 1, 4]
    assert sorted(data.stimulus(i) for data in splits for i in range(len(data))) == [n[:-4] for n in NAMES]


@pytest.mark.parametrize("step", [1, -1])
def test_split_and_order_do_not_depend_on_the_order_of_the_file(tmp_path, scanpaths, step):
    root = write_osie(tmp_path / "osie", dict(list(scanpaths.items())[::step]))
    assert names(OSIE(root, "test")) == TEST_NAMES
    assert names(OSIE(root, "val")) == ["1009.jpg"]
    assert names(OSIE(root, "train"))[0] == TRAIN_NAME


@pytest.mark.parametrize("extra", range(1, 15))
def test_twins_stay_together_wherever_the_border_falls(tmp_path, scanpaths, extra):
    one = scanpaths[NAMES[0]]
    root = write_osie(tmp_path / "osie", dict.fromkeys([*NAMES[:extra], "1279.jpg", "1374.jpg"], one))
    splits = [names(OSIE(root, split)) for split in ("train", "val", "test")]
    assert sum(map(len, splits)) == extra + 2
    (twins,) = (split for split in splits if "1374.jpg" in split)
    assert "1279.jpg" in twins


def test_image_without_fixations_has_no_gaze(tmp_path, scanpaths):
    scanpaths[TRAIN_NAME] = [scanpath([], [], []), scanpath([], [], [])]
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


@pytest.fixture
def photo(osie) -> Path:
    return osie / "stimuli" / TRAIN_NAME


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_missing_root(tmp_path):
    with pytest.raises(InputError, match=r"data\.root=.*nowhere does not exist: give the folder") as error:
        OSIE(tmp_path / "nowhere")
    one_line(error)


def test_missing_fixations(tmp_path):
    with pytest.raises(InputError, match=r"fixations\.mat is missing: fetch it .* or correct data\.root") as error:
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


def test_missing_image(osie, photo):
    photo.unlink()
    with pytest.raises(InputError, match=f"{photo.name} is absent: provide it") as error:
        OSIE(osie)
    one_line(error)
    data = OSIE(osie, missing="drop")
    assert len(data) == 8
    assert photo.name not in names(data)
    assert photo.name in data.notes[0]


def test_file_that_is_no_image(osie, photo):
    photo.write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match=rf"{photo.name} cannot be decoded \(.*\): fetch the file again") as error:
        OSIE(osie)
    one_line(error)


def test_truncated_image(osie, photo):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(photo)
    photo.write_bytes(photo.read_bytes()[:-200])
    data = OSIE(osie)
    with pytest.raises(InputError, match=rf"{photo.name} cannot be decoded \(.*truncated.*\)") as error:
        data[0]
    one_line(error)


@pytest.mark.parametrize(("x", "y"), [(40.6, 5), (5, 30.5), (0.4, 5)])
def test_fixation_out_of_bounds(tmp_path, scanpaths, x, y):
    scanpaths[TRAIN_NAME][1] = scanpath([5, x], [5, y], [100, 100])
    root = write_osie(tmp_path / "osie", scanpaths)
    fault = (
        rf"a fixation of subject 2 at x={x - 1:g}, y={y - 1:g} \(from 0\) lies outside .*{TRAIN_NAME} .*: fetch both"
    )
    with pytest.raises(InputError, match=fault) as error:
        OSIE(root)
    one_line(error)


def test_check_collects_every_fault(tmp_path, scanpaths, capsys):
    scanpaths[TRAIN_NAME][1] = scanpath([5, 41], [5, 5], [100, 100])
    root = write_osie(tmp_path / "osie", scanpaths)
    (root / "stimuli" / TEST_NAMES[0]).unlink()
    (root / "stimuli" / TEST_NAMES[1]).write_bytes(b"")
    assert not check(partial(OSIE, root))
    text = capsys.readouterr().out
    for kind in ("1 x outside", "1 x absent image", "1 x broken image"):
        assert kind in text


def test_unknown_split(osie):
    with pytest.raises(InputError, match="choose one of train, val, test"):
        OSIE(osie, "testing")


def test_published_data(real_data):
    splits = {split: OSIE(real_data / "osie" / "data", split) for split in ("train", "val", "test")}
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
    in_order = sorted(where, key=lambda name: hashlib.sha256(f"{name}.jpg".encode()).hexdigest())
    assert [where[name] for name in in_order] == ["test"] * 200 + ["val"] * 50 + ["train"] * 449
    assert {"1279.jpg", "1374.jpg"} < set(names(splits["train"]))
    first = next(data for data in splits.values() if "1001" in {data.stimulus(i) for i in range(len(data))})
    index = next(i for i in range(len(first)) if first.stimulus(i) == "1001")
    torch.testing.assert_close(first.gaze(index).of(1).points[0], torch.tensor([394.5, 264.7]))
    assert first[index]["image"].shape == (3, 600, 800)
