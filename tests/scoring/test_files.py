"""Maps in every format, resized as pysaliency does, and what is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image
from scipy.ndimage import zoom

from haa.errors import InputError
from haa.scoring.files import MapFile, maps_in, read_saliency

VALUES = np.arange(12, dtype=np.float64).reshape(3, 4) * 20


def save(path, values):
    match path.suffix:
        case ".npy":
            np.save(path, values)
        case ".npz":
            np.savez(path, saliency=values, attention=values * 0)
        case ".mat":
            scipy.io.savemat(path, {"salMap": values})
        case ".h5":
            with h5py.File(path, "w") as file:
                file["map"] = values
        case ".png":
            Image.fromarray(values.astype(np.uint8)).save(path)
        case ".tiff":
            Image.fromarray(values.astype(np.float32)).save(path)


@pytest.mark.parametrize("ending", [".npy", ".npz", ".mat", ".h5", ".png", ".tiff"])
def test_every_format_says_the_same(tmp_path, ending):
    save(tmp_path / f"a{ending}", VALUES)
    (found,) = maps_in(tmp_path).values()
    map_, was_resized = read_saliency(found, (3, 4))
    assert np.array_equal(map_[0].numpy(), VALUES)
    assert not was_resized


def test_sixteen_bits_are_all_there(tmp_path):
    values = np.array([[0, 1, 300], [65535, 7, 8]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert np.array_equal(read_saliency(MapFile(tmp_path / "a.png"), (2, 3))[0][0].numpy(), values)


def test_a_matlab_file_of_version_7_3_is_not_on_its_side(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["salMap"] = VALUES.T
        file["salMap"].attrs["MATLAB_class"] = np.bytes_("double")
    with (tmp_path / "a.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    assert np.array_equal(MapFile(tmp_path / "a.mat").numbers(), VALUES)


def test_one_hdf5_file_holds_many_maps_by_name(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["c"] = VALUES
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["deep/1001.jpg"], file["1002"] = VALUES, VALUES + 1
        file["names"] = np.array([b"x"])
        file["link"] = h5py.ExternalLink("other.h5", "c")
    found = maps_in(tmp_path / "all.h5")
    assert sorted(found) == ["1002", "deep/1001"]
    assert np.array_equal(read_saliency(found["deep/1001"], (3, 4))[0][0].numpy(), VALUES)
    with pytest.raises(InputError, match="it is a link"):
        MapFile(tmp_path / "all.h5", "link").numbers()


@pytest.mark.parametrize("size", [(6, 8), (9, 13), (30, 40), (2, 3)])
def test_a_map_of_another_size_is_resized_as_pysaliencys_zoom_does(tmp_path, size):
    np.save(tmp_path / "a.npy", VALUES)
    map_, was_resized = read_saliency(MapFile(tmp_path / "a.npy"), size)
    expected = zoom(VALUES, [size[0] / 3, size[1] / 4], order=1, mode="nearest")
    np.testing.assert_allclose(map_[0].numpy(), expected, atol=1e-12)
    assert was_resized


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((3, 4), 0.5), "is 0.5 everywhere"),
        (np.where(VALUES > 100, np.nan, VALUES), "not finite"),
        (VALUES - 50, "negative values"),
        (np.ones((4, 3)) * VALUES.T, "is 4 x 3 and its image 3 x 4"),
        (np.ones((2, 3, 4)) * VALUES, r"float64 of shape \(2, 3, 4\)"),
    ],
)
def test_what_is_no_map_is_refused_by_name(tmp_path, values, message):
    np.save(tmp_path / "1001.npy", values)
    with pytest.raises(InputError, match=message) as error:
        read_saliency(MapFile(tmp_path / "1001.npy"), (3, 4))
    assert "1001.npy" in str(error.value)


def test_two_files_of_one_image_and_a_folder_without_maps_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no map"):
        maps_in(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        maps_in(tmp_path / "absent")
    save(tmp_path / "a.npy", VALUES)
    save(tmp_path / "a.png", VALUES)
    with pytest.raises(InputError, match="of one image"):
        maps_in(tmp_path)
