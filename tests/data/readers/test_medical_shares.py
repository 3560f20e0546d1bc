"""GazeMedSeg and CXR-P, whose points are shares of the picture, in a table and in a pickle; planted as described."""

from __future__ import annotations

import csv
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.files.pickled import read_pickle
from haa.data.readers.cxr_p import CXRP
from haa.data.readers.gaze_med_seg import GazeMedSeg
from haa.errors import InputError


def line(image: str, index: int, x: float, y: float, **other) -> dict:
    base = {"IMAGE": image, "CURRENT_FIX_INDEX": index, "CURRENT_FIX_X": x, "CURRENT_FIX_Y": y}
    base |= {"CURRENT_FIX_DURATION": 100 * index, "CURRENT_FIX_PUPIL": 1, "CURRENT_FIX_START": 0}
    return {**base, "IMAGE_HEIGHT": 40, "IMAGE_WIDTH": 60, **other}


def write(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


@pytest.fixture
def segments(tmp_path, picture) -> Path:
    """Twelve slices of six cases, of which the last two are the test split."""
    root = tmp_path / "segments"
    names = [f"case{n // 2}_{n}" for n in range(12)]
    for name in names:
        picture(root / "images" / f"{name}.jpg", 60, 40)
        mask = np.zeros((40, 60), dtype=np.uint8)
        mask[10:20, 10:30] = 255
        (root / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")
    (root / "train.txt").write_text("".join(f"{name}\n" for name in names[:8]))
    (root / "test.txt").write_text("".join(f"{name} x\n" for name in names[8:]))
    write(
        root / "kvasir_fixation.csv",
        [line(f"{names[0]}.jpg", 2, 0.75, 1.5 / 40), line(f"{names[0]}.jpg", 1, 0.5, 0.25)],
    )
    return root


def test_shares_become_pixels_in_the_order_of_the_index(segments, everything):
    samples = everything(GazeMedSeg, segments)
    gaze = samples["case0_0"]["gaze"]
    torch.testing.assert_close(gaze.points, torch.tensor([[29.5, 9.5], [44.5, 1.0]]))
    assert gaze.duration.tolist() == [100, 200]
    assert int((samples["case0_0"]["mask"] > 127).sum()) == 200
    assert samples["case1_2"]["gaze"] is None


def test_splits_are_the_lists_and_a_case_is_not_divided(segments, everything):
    splits = {name: sample["split"] for name, sample in everything(GazeMedSeg, segments).items()}
    assert {name for name, split in splits.items() if split == "test"} == {f"case{n // 2}_{n}" for n in range(8, 12)}
    assert all(splits[f"case{n}_{2 * n}"] == splits[f"case{n}_{2 * n + 1}"] for n in range(6))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"IMAGE_WIDTH": 30}, "was looked at as 30 x 40 pixels"),
        ({"CURRENT_FIX_X": "left"}, "CURRENT_FIX_X='left' is no number"),
    ],
)
def test_a_table_of_other_pictures_is_refused(segments, change, said):
    write(segments / "kvasir_fixation.csv", [line("case0_0.jpg", 1, 0.5, 0.5, **change)])
    with pytest.raises(InputError, match=said):
        GazeMedSeg(segments)


def test_two_tables_a_missing_mask_and_dicom_are_refused(segments):
    (segments / "masks" / "case0_1.png").unlink()
    with pytest.raises(InputError, match=r"case0_1\.jpg has no mask"):
        GazeMedSeg(segments)
    assert len(GazeMedSeg(segments, missing="drop")) + len(GazeMedSeg(segments, "val", missing="drop")) == 7
    (segments / "images" / "case9_9.dcm").touch()
    with pytest.raises(InputError, match=r"case9_9\.dcm is a DICOM file, .*: save it as 8-bit PNG"):
        GazeMedSeg(segments, missing="drop")
    (segments / "other_fixation.csv").touch()
    with pytest.raises(InputError, match=r"choose one by data\.fixations"):
        GazeMedSeg(segments)


LOOKED = {"1.2.3": [(0.5, 0.25, 3), (0.0, 0.0, 1)], "1.2.4.dcm": [], "1.2.5": [(np.float64(0.25), 0.5, 2)]}


@pytest.fixture
def cxr(tmp_path, picture) -> Path:
    root = tmp_path / "cxr"
    for name in ("1.2.3", "1.2.4", "1.2.5"):
        picture(root / "images" / f"{name}.png", 60, 40)
    (root / "cxr_gaze_data.pkl").write_bytes(pickle.dumps(LOOKED))
    (root / "train-rle.csv").write_text("ImageId, EncodedPixels\n1.2.3, -1\n1.2.4,1 2 3\n1.2.4,9 2\n1.2.5, -1\n")
    return root


def test_a_pickle_of_plain_data_gives_points_and_the_table_labels(cxr, everything):
    samples = everything(CXRP, cxr)
    assert samples["1.2.3"]["gaze"].points.tolist() == [[29.5, 9.5], [-0.5, -0.5]]
    assert samples["1.2.4"]["gaze"] is None
    torch.testing.assert_close(samples["1.2.5"]["gaze"].points, torch.tensor([[14.5, 19.5]]))
    assert [samples[name]["label"] for name in ("1.2.3", "1.2.4", "1.2.5")] == [0, 1, 0]


def test_json_is_the_same_and_no_table_is_no_label(cxr, everything):
    plain = {name: [[float(v) for v in point] for point in points] for name, points in LOOKED.items()}
    (cxr / "cxr_gaze_data.json").write_text(json.dumps(plain))
    (cxr / "train-rle.csv").unlink()
    samples = everything(CXRP, cxr, gaze="cxr_gaze_data.json")
    assert samples["1.2.3"]["gaze"].points.tolist() == [[29.5, 9.5], [-0.5, -0.5]]
    assert "label" not in samples["1.2.3"]


class Runs:
    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({"1.2.3": Runs()}), "it asks for posix.mkdir"),
        (pickle.dumps([1, 2]), "is no dict of pictures"),
        (pickle.dumps({"1.2.3": [(0.5, 0.5)]}), "columns"),
        (pickle.dumps({"1.2.3": [("a", 0.5, 1)]}), "cannot be read"),
        (b"\x80", "is not read"),
    ],
)
def test_a_pickle_that_runs_something_or_is_none_is_refused(cxr, content, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (cxr / "cxr_gaze_data.pkl").write_bytes(content)
    with pytest.raises(InputError, match=rf"cxr_gaze_data\.pkl.*{said}"):
        CXRP(cxr)
    assert not (tmp_path / "ran").exists()


def test_a_bare_pickle_is_read_apart(cxr):
    assert list(read_pickle(cxr / "cxr_gaze_data.pkl")) == list(LOOKED)
