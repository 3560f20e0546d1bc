"""MIT1003's files, written small: raw traces under names that Matlab cuts, and points saved as JPEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from haa.data.readers.mit1003 import MIT1003
from haa.errors import InputError

LONG = "istatic_" + "outdoor_street_city_cambridge_uk_" * 2 + "IMG_8850"
"""More than the 63 characters to which Matlab cuts a variable's name."""


def rests(*points: tuple[float, float], samples: int = 60) -> np.ndarray:
    """A trace that rests at each point for 250 ms."""
    return np.repeat(np.array(points, dtype=np.float64), samples, axis=0)


def write_trace(root: Path, subject: str, stem: str, trace: np.ndarray, name: str | None = None) -> Path:
    path = root / "DATA" / subject / f"{stem}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    variable = stem[:63] if name is None else name
    content = {variable: {"DATA": [{"eyeData": trace}], "imgName": f"{stem}.jpeg"}}
    scipy.io.savemat(path, content, long_field_names=True)
    return path


@pytest.fixture
def mit(tmp_path, picture) -> Path:
    for stem in ("i1", LONG):
        picture(tmp_path / "mit" / "ALLSTIMULI" / f"{stem}.jpeg", 400, 300)
    return tmp_path / "mit"


def test_traces(mit, everything):
    for stem in ("i1", LONG):
        write_trace(mit, "ajs", stem, rests((200, 150), (1, 1), (400, 300)))
        write_trace(mit, "CNG", stem, rests((200, 150), (31.5, 12)))
    assert len(LONG) > 63
    for sample in everything(MIT1003, mit).values():
        gaze = sample["gaze"]
        # the first fixation is dropped, (1, 1) is the first pixel; subjects in the order of their names
        assert gaze.points.tolist() == [[30.5, 11], [0, 0], [399, 299]]
        assert gaze.subject.tolist() == [1, 2, 2]
        np.testing.assert_allclose(gaze.duration, 250, atol=17)
    kept = everything(MIT1003, mit, first_fixation=True)["i1"]["gaze"]
    assert kept.of(1).points.tolist() == [[199, 149], [30.5, 11]]


def test_a_first_fixation_outside_costs_no_other_one(mit, everything):
    for stem in ("i1", LONG):
        write_trace(mit, "ajs", stem, rests((500, 150), (11, 21)))
    assert everything(MIT1003, mit)["i1"]["gaze"].points.tolist() == [[10, 20]]


def test_fixations_outside_and_blinks(mit, everything):
    inside = [(11, 21), (31, 41)] * 5
    trace = rests((200, 150), *inside[:4], (401, 20), (-1, -1), *inside[4:])
    for stem in ("i1", LONG):
        write_trace(mit, "ajs", stem, trace)
    assert everything(MIT1003, mit)["i1"]["gaze"].points.tolist() == [[10, 20], [30, 40]] * 5
    [note] = MIT1003(mit).notes
    assert note.startswith("MIT1003: 2 x outside")


def test_points_of_the_published_jpeg(mit, everything):
    where = [(0, 0), (17, 203), (18, 240), (299, 399), (150, 7)]
    for stem in ("i1", LONG):
        points = np.zeros((300, 400), dtype=np.uint8)
        points[tuple(zip(*where, strict=True))] = 255
        (mit / "ALLFIXATIONMAPS").mkdir(exist_ok=True)
        Image.fromarray(points).save(mit / "ALLFIXATIONMAPS" / f"{stem}_fixPts.jpg", quality=90)
    gaze = everything(MIT1003, mit, source="points")["i1"]["gaze"]
    assert sorted(gaze.points.tolist()) == sorted([[x, y] for y, x in where])
    assert gaze.subject is None


def test_another_image_s_file(mit):
    write_trace(mit, "ajs", "i1", rests((1, 1)), name="i2")
    with pytest.raises(InputError, match=r"i1\.mat holds i2 but no variable 'i1'"):
        MIT1003(mit)


def test_a_struct_without_samples(mit):
    path = mit / "DATA" / "ajs" / "i1.mat"
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"i1": {"DATA": {"other": 1}}})
    with pytest.raises(InputError, match=r"i1\.mat is not laid out as MIT1003's, i1\.DATA\(1\)\.eyeData"):
        MIT1003(mit)


def test_a_subject_without_a_file(mit):
    write_trace(mit, "ajs", "i1", rests((1, 1)))
    with pytest.raises(InputError, match=f"{LONG}.mat is missing"):
        MIT1003(mit)


def test_missing_folders(mit):
    with pytest.raises(InputError, match=r"DATA has no subjects' folders: .* data\.source=points"):
        MIT1003(mit)
    with pytest.raises(InputError, match=r"ALLFIXATIONMAPS is missing: .* data\.source=traces"):
        MIT1003(mit, source="points")
    with pytest.raises(InputError, match="choose traces or points"):
        MIT1003(mit, source="maps")
