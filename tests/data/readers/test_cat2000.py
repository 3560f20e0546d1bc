"""CAT2000's training set as published, without Matlab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from haa.data.readers.cat2000 import CAT2000
from haa.errors import InputError


def write_locations(root: Path, name: str, points: list[tuple[int, int]], shape=(108, 192)) -> Path:
    """``points``: (row, column) of Matlab, which counts from 1."""
    locations = np.zeros(shape, dtype=np.uint8)
    for row, column in points:
        locations[row - 1, column - 1] = 1
    path = root / "FIXATIONLOCS" / f"{name}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"fixLocs": locations})
    return path


@pytest.fixture
def cat(tmp_path, picture) -> Path:
    root = tmp_path / "cat" / "trainSet"
    for category in ("Action", "Pattern"):
        for number in ("001", "002"):
            picture(root / "Stimuli" / category / f"{number}.jpg", 192, 108)
            # pictures of maps, which are no stimuli
            picture(root / "Stimuli" / category / "Output" / f"{number}_SaliencyMap.jpg", 192, 108)
            write_locations(root, f"{category}/{number}", [(1, 1), (108, 192), (20, 70)])
    return root


@pytest.mark.parametrize("inner", [False, True])
def test_row_is_y(cat, everything, inner):
    samples = everything(CAT2000, cat if inner else cat.parent)
    assert sorted(samples) == ["Action/001", "Action/002", "Pattern/001", "Pattern/002"]
    for name, sample in samples.items():
        assert sample["gaze"].points.tolist() == [[0, 0], [69, 19], [191, 107]]
        assert sample["gaze"].subject is None
        assert sample["label"] == ["Action", "Pattern"].index(name.split("/")[0])


def test_a_transposed_file_is_refused(cat):
    write_locations(cat, "Action/002", [(3, 4)], shape=(192, 108))
    with pytest.raises(InputError, match=r"002\.mat: fixLocs is \(192, 108\), .*002\.jpg \(108, 192\)"):
        CAT2000(cat)


def test_scanpaths_need_matlab(cat):
    (cat / "FIXATIONLOCS").rename(cat / "elsewhere")
    with pytest.raises(InputError, match="FIXATIONLOCS is missing"):
        CAT2000(cat)
    (cat / "allFixData.mat").write_bytes(b"")
    with pytest.raises(InputError, match=r"allFixData\.mat is a containers\.Map, which only Matlab reads: fetch"):
        CAT2000(cat)


def test_an_image_without_locations(cat):
    (cat / "FIXATIONLOCS" / "Action" / "001.mat").unlink()
    with pytest.raises(InputError, match=r"Action/001\.mat is missing"):
        CAT2000(cat)
