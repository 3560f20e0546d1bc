"""Sets of photos and masks, with and without gaze, in their official layouts."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from haa.data.readers.dut_omron import DUTOMRON
from haa.data.readers.duts import DUTS
from haa.data.readers.ecssd import ECSSD
from haa.data.readers.pascal_s import PASCALS
from haa.errors import InputError


def write_mask(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def rows(width: int, height: int, value: int = 255) -> np.ndarray:
    """A mask whose uppermost row alone is set: a transposed one differs."""
    mask = np.zeros((height, width))
    mask[0] = value
    return mask


@pytest.fixture
def pairs(picture):
    def write(images: Path, masks: Path, names) -> None:
        for name in names:
            picture(images / f"{name}.jpg", 40, 30)
            write_mask(masks / f"{name}.png", rows(40, 30))

    return write


def check_mask(sample) -> None:
    assert sample["mask"].dtype == torch.uint8
    assert sample["mask"].shape == sample["image"].shape[1:] == (30, 40)
    assert torch.equal(sample["mask"].nonzero()[:, 0], torch.zeros(40, dtype=torch.int64))
    assert sample["mask"].max() == 255


def test_ecssd(tmp_path, pairs, everything):
    pairs(tmp_path / "images", tmp_path / "ground_truth_mask", [f"{n:04}" for n in range(1, 15)])
    samples = everything(ECSSD, tmp_path)
    assert sorted(samples) == [f"{n:04}" for n in range(1, 15)]
    assert {sample["split"] for sample in samples.values()} == {"train", "val", "test"}
    for sample in samples.values():
        check_mask(sample)
        assert sample["gaze"] is None


def test_a_photo_without_its_mask_and_a_mask_without_its_photo(tmp_path, pairs):
    pairs(tmp_path / "images", tmp_path / "ground_truth_mask", ["0001", "0002"])
    (tmp_path / "ground_truth_mask" / "0002.png").unlink()
    with pytest.raises(InputError, match=r"0002\.png is absent, the mask of .*0002\.jpg"):
        ECSSD(tmp_path)
    write_mask(tmp_path / "ground_truth_mask" / "0002.png", rows(40, 30))
    (tmp_path / "images" / "0001.jpg").unlink()
    with pytest.raises(InputError, match=r"0001\.jpg is absent, the photo of .*0001\.png"):
        ECSSD(tmp_path)


def test_no_photos(tmp_path, picture):
    with pytest.raises(InputError, match=r"images holds no \*\.jpg"):
        ECSSD(tmp_path)


def test_a_mask_of_another_size(tmp_path, pairs):
    pairs(tmp_path / "images", tmp_path / "ground_truth_mask", [f"{n}" for n in range(10)])
    for path in (tmp_path / "ground_truth_mask").iterdir():
        write_mask(path, rows(30, 40))
    with pytest.raises(InputError, match=r"mask of .*, the image .*: fetch both again"):
        ECSSD(tmp_path)[0]


def test_published_ecssd(real_data, picture):
    splits = [ECSSD(real_data / "ecssd", split) for split in ("train", "val", "test")]
    assert sum(map(len, splits)) == 250
    for data in splits:
        sample = data[0]
        assert sample["mask"].shape == sample["image"].shape[1:]
        assert sample["mask"].unique().tolist() == [0, 255]


def test_duts_test_part_is_the_test_split(tmp_path, pairs, everything):
    for folder, count in (("DUTS-TR", 24), ("DUTS-TE", 5)):
        names = [f"{folder}-{n}" for n in range(count)]
        pairs(tmp_path / folder / f"{folder}-Image", tmp_path / folder / f"{folder}-Mask", names)
    samples = everything(DUTS, tmp_path)
    assert {name for name, s in samples.items() if s["split"] == "test"} == {f"DUTS-TE-{n}" for n in range(5)}
    assert sum(s["split"] == "val" for s in samples.values()) == 3  # an eighth of 24
    for sample in samples.values():
        check_mask(sample)
    with pytest.raises(InputError, match="neither DUTS-TR nor DUTS-TE"):
        DUTS(tmp_path / "DUTS-TR")


def write_omron(root: Path, name: str, table: list) -> Path:
    path = root / "DUT-OMRON-eye-fixations" / "mat" / f"{name}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {"s": np.array(table, dtype=np.uint16)})
    return path


@pytest.fixture
def omron(tmp_path, pairs) -> Path:
    pairs(tmp_path / "DUT-OMRON-image", tmp_path / "pixelwiseGT-new-PNG", [f"im{n:03}" for n in range(1, 15)])
    for n in range(1, 15):
        write_omron(tmp_path, f"im{n:03}", [[40, 30, 0], [0, 0, 1], [39, 29, 1], [20, 7, 3]])
    return tmp_path


def test_dut_omron_counts_from_zero_and_begins_with_the_size(omron, everything):
    for sample in everything(DUTOMRON, omron).values():
        check_mask(sample)
        assert sample["gaze"].points.tolist() == [[0, 0], [39, 29], [20, 7]]
        assert sample["gaze"].subject.tolist() == [1, 1, 3]


def test_dut_omron_of_one_row_has_no_gaze(omron, everything):
    write_omron(omron, "im001", [[40, 30, 0]])
    assert everything(DUTOMRON, omron)["im001"]["gaze"] is None


@pytest.mark.parametrize("table", [[[40, 31, 0], [1, 2, 1]], [[1, 2, 1], [40, 30, 0]]])
def test_dut_omron_of_another_photo(omron, table):
    write_omron(omron, "im001", table)
    with pytest.raises(InputError, match=r"im001\.mat begins with .*, not with the size of its photo, \(40, 30\)"):
        DUTOMRON(omron)


def test_dut_omron_without_fixations(omron, everything):
    (omron / "DUT-OMRON-eye-fixations").rename(omron / "elsewhere")
    assert {s["gaze"] for s in everything(DUTOMRON, omron).values()} == {None}


def write_pascal(root: Path, tables: list) -> Path:
    """``fixCell`` as Matlab 7.3 stores it: references to transposed matrices, an empty one as its size."""
    path = root / "fixations" / "pascalFix.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        cell = file.create_dataset("fixCell", (1, len(tables)), dtype=h5py.ref_dtype)
        for i, table in enumerate(tables):
            if table:
                stored = file.create_dataset(f"#refs#/{i}", data=np.array(table, dtype=np.float64).T)
            else:
                stored = file.create_dataset(f"#refs#/{i}", data=np.array([0, 3], dtype=np.uint64))
                stored.attrs["MATLAB_empty"] = np.uint8(1)
            cell[0, i] = stored.ref
    return path


@pytest.fixture
def pascal(tmp_path, picture) -> Path:
    root = tmp_path / "datasets"
    for n in range(1, 15):
        picture(root / "imgs" / "pascal" / f"{n}.jpg", 40, 30)
        graded = rows(40, 30, 128)  # half of the annotators or more
        graded[1:3] = 127
        write_mask(root / "masks" / "pascal" / f"{n}.png", graded)
    # y, x, subject; photo 10 comes after photo 9, not after photo 1
    write_pascal(root, [[[1, 1, 2], [30, 40, 2], [n, 20, 12]] if n != 13 else [] for n in range(1, 15)])
    return tmp_path


@pytest.mark.parametrize("inner", [False, True])
def test_pascal_s_is_row_then_column_counted_from_one(pascal, everything, inner):
    samples = everything(PASCALS, pascal / "datasets" if inner else pascal)
    for n in range(1, 15):
        check_mask(samples[f"{n}"])
        gaze = samples[f"{n}"]["gaze"]
        if n == 13:
            assert gaze is None
        else:
            assert gaze.points.tolist() == [[0, 0], [39, 29], [19, n - 1]]
            assert gaze.subject.tolist() == [2, 2, 12]


def test_pascal_s_without_its_file(pascal, everything):
    path = pascal / "datasets" / "fixations" / "pascalFix.mat"
    path.write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"pascalFix\.mat is not a Matlab 7\.3 file"):
        PASCALS(pascal)
    path.unlink()
    with pytest.raises(InputError, match=r"pascalFix\.mat is missing: .* take its folder away"):
        PASCALS(pascal)
    path.parent.rmdir()
    assert {sample["gaze"] for sample in everything(PASCALS, pascal).values()} == {None}


def test_pascal_s_with_too_few_cells(pascal):
    write_pascal(pascal / "datasets", [[[1, 1, 1]]] * 13)
    with pytest.raises(InputError, match=r"photos 1 to 13, but there is datasets/imgs/pascal/14\.jpg"):
        PASCALS(pascal)
