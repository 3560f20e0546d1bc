"""Tables in every guise, messages, eyes, and pymovements' own answers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haa.errors import InputError
from haa.recordings.detect import Detector
from haa.recordings.geometry import Geometry
from haa.recordings.mapping import points
from haa.recordings.messages import showings
from haa.recordings.pictures import Pictures
from haa.recordings.read import Reading, read
from haa.recordings.recording import Meaning
from haa.recordings.table import read_export


@pytest.fixture
def pictures(tmp_path) -> Pictures:
    for name in ("cat.jpg", "dogs/dog one.png", "A\u0308pfel.jpg", "reading-dickens-1.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 60)).save(path)
    return Pictures(tmp_path / "photos")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", ["\t", ";", ",", "|"])
def test_every_encoding_and_delimiter(tmp_path, encoding, delimiter):
    lines = ["Größe: 3", "", delimiter.join(["name", "x", "y"]), delimiter.join(["äpfel", '"1,5"', "."])]
    path = tmp_path / "a.txt"
    path.write_bytes("\r\n".join(lines).encode(encoding))
    table = read_export(path)
    assert table.text("name").tolist() == ["äpfel"]
    assert table.number("x").tolist() == [1.5]
    assert np.isnan(table.number("y")).all()
    assert table.comma


def test_lines_of_another_length_are_counted(tmp_path, pictures):
    path = tmp_path / "a.csv"
    path.write_text("image,x,y\ncat,1,2\ncat,1\ncat,1,2,3\n")
    found = read(path, pictures, Reading())
    assert len(found) == 1
    assert found.left_out == {"lines with too few or too many fields": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,x,y\ncat,1,2\ncat,one,2\n", "column 'x': 'one' is no number"),
        ("a,b\n1,2\n", "is no export that is known .a, b.: name its columns"),
        ("image,x,y\nlion,1,2\n", "none of 1 names of pictures, such as 'lion'"),
        ("x,y\n1,2\n", "does not say what was shown"),
        ("just words\n", "is no table with a header"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, pictures, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read(path, pictures, Reading())
    with pytest.raises(InputError, match=r"a\.edf is not read as it is: convert it with"):
        read(tmp_path / "a.edf", pictures, Reading())


def test_lost_and_invalid_rows(tmp_path, pictures):
    path = tmp_path / "a.csv"
    path.write_text("image,x,y,ok\ncat,1e8,1e8,0\ncat,-32768,-32768,0\ncat,1,2,0\ncat,3,4,2\n")
    found = read(path, pictures, Reading())
    assert np.isnan(found.x).tolist() == [True, True, False, False]
    found = read(path, pictures, Reading({"valid": "ok"}, valid=("0", "1")))
    assert np.isnan(found.x).tolist() == [True, True, False]
    assert found.left_out == {"not valid (ok)": 1}


def test_raw_data_without_a_sample(tmp_path, pictures):
    pytest.importorskip("pymovements")
    path = tmp_path / "a.txt"
    names = "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tL Event Info\tStimulus\n"
    path.write_text(f"## [BeGaze]\n## Subject:\tp\n## Sample Rate:\t250\n{names}")
    assert len(read(path, pictures, Reading())) == 0


def test_a_table_of_iohub_that_lacks_a_column(tmp_path, pictures):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        rows = np.array([(1.0, 0.2)], [("time", "f8"), ("duration", "f8")])
        file.create_dataset("data_collection/events/eyetracker/FixationEndEvent", data=rows)
    with pytest.raises(InputError, match=r"a\.hdf5 cannot be read .*average_gaze_x.*lacks a column"):
        read(path, pictures, Reading())


IDF = """Version:\tIDF Event Detector 3.0.17
Table Header for Fixations:
Event Type\tTrial\tNumber\tStart\tEnd\tDuration\tLocation X\tLocation Y
Fixation L\t1\t14\t3382450806427\t3382450965523\t159096\t996,68\t569,56
Fixation R\t1\t14\t3382450806427\t3382450965523\t159096\t1000,68\t569,56
Fixation L\t1\t15
"""


def test_events_of_smi_with_a_picture_that_is_given(tmp_path, pictures):
    path = tmp_path / "anna.txt"
    path.write_text(IDF)
    found = read(path, pictures, Reading(image="cat"))
    assert (found.x.tolist(), found.y.tolist()) == ([996.68], [569.56])
    assert found.duration.tolist() == pytest.approx([159.096])
    assert found.subject.tolist() == ["anna"]
    assert found.left_out == {"lines with too few or too many fields": 1, "of the right eye": 1}
    assert read(path, pictures, Reading(image="cat", eye="right")).x.tolist() == [1000.68]
    with pytest.raises(InputError, match=r"anna\.txt: no message names a picture"):
        read(path, pictures, Reading())
    path.write_text(IDF.replace("Location X", "X"))
    with pytest.raises(InputError, match=r"anna\.txt: its fixations have no 'Location X'"):
        read(path, pictures, Reading(image="cat"))


def test_pictures_are_found_by_whatever_name(pictures):
    for name in ("cat.jpg", "CAT", r"C:\exp\images\cat.jpg", "photos/cat.jpg"):
        assert pictures.find(name) == "cat.jpg"
    assert pictures.find("dog one") == "dogs/dog one.png"
    assert pictures.find("\u00c4pfel.jpg") == "A\u0308pfel.jpg"
    assert pictures.find("lion") is None


def test_a_name_of_two_pictures_is_refused(tmp_path, pictures):
    (tmp_path / "photos" / "cats").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / "cats" / "cat.jpg")
    with pytest.raises(InputError, match=r"'CAT' may be cat\.jpg or cats/cat\.jpg"):
        Pictures(tmp_path / "photos").find("CAT")


def test_messages_tell_what_was_shown_when_and_where(pictures):
    messages = [
        (5, "TRIALID 1"),
        (10, "-2 show cat.jpg"),
        (20, "TRIAL_RESULT 0"),
        (30, "TRIALID 2"),
        (40, "!V IMGLOAD FILL images/cat.jpg"),
        (50, "stimulus_offset"),
        (60, "TRIALID 3"),
        (61, "SYNCTIME"),
        (80, "!V TRIAL_VAR image cat.jpg"),
        (81, "TRIAL_RESULT 0"),
        (90, "!V IMGLOAD TOP_LEFT cat.jpg 100 50"),
    ]
    shown = showings(messages, pictures, (1920, 1080))
    assert [(s.start, s.end, s.place) for s in shown] == [
        (12, 20, None),
        (40, 50, (0, 0, 1920, 1080)),
        (61, 81, None),
        (90, np.inf, (100, 50, 80, 60)),
    ]
    own = showings([(1, "pic=cat;"), (2, "gone")], pictures, None, r"pic=(\w+)", "gone")
    assert [(s.image, s.start, s.end) for s in own] == [("cat.jpg", 1, 2)]


@pytest.mark.parametrize("method", ["ivt", "idt", "microsaccades"])
def test_fixations_are_those_that_pymovements_finds(method):
    pm = pytest.importorskip("pymovements")
    from pymovements.transforms.numpy import pos2vel

    rng = np.random.default_rng(0)
    places = np.repeat(rng.uniform(-8, 8, (6, 2)), 100, axis=0)
    degrees = places + rng.normal(0, 0.01, places.shape)
    degrees[250:262] = np.nan
    time = np.arange(len(degrees)) * 2.0
    found = Detector(method, 30, 1, 60).find(degrees, time)
    velocity = pos2vel(degrees, sampling_rate=500, method="smooth")
    if method == "ivt":
        events = pm.events.ivt(velocity, time.astype(int), minimum_duration=60, velocity_threshold=30)
    elif method == "idt":
        events = pm.events.idt(degrees, time.astype(int), minimum_duration=60, dispersion_threshold=1)
    else:
        fast = pm.events.microsaccades(velocity, time.astype(int), minimum_duration=6).frame
        assert len(found) == 7  # six places, one of which a loss cuts in two
        for on, off in zip(fast["onset"], fast["offset"], strict=True):
            assert not any(first <= on / 2 <= last or first <= off / 2 <= last for first, last in found)
        return
    expected = list(zip(events.frame["onset"].to_list(), events.frame["offset"].to_list(), strict=True))
    assert [(2 * first, 2 * last) for first, last in found] == expected
    assert len(found) in (6, 7)


def test_a_gap_in_time_ends_a_fixation():
    pytest.importorskip("pymovements")
    time = np.concatenate([np.arange(50), np.arange(50) + 100]) * 4.0
    assert Detector().find(np.zeros((100, 2)), time) == [(0, 49), (50, 99)]


def test_samples_of_two_eyes_and_precision(tmp_path, pictures):
    pytest.importorskip("pymovements")
    lines = ["RECORDING_SESSION_LABEL\tTIMESTAMP\tLEFT_GAZE_X\tLEFT_GAZE_Y\tRIGHT_GAZE_X\tRIGHT_GAZE_Y\timage"]
    for k in range(100):
        right = "." if k % 2 else f"{12 + k % 2}"
        lines.append(f"p\t{k * 4}\t10\t20\t{right}\t{20 if right != '.' else '.'}\tcat")
    path = tmp_path / "samples.txt"
    path.write_text("\n".join(lines) + "\n")
    geometry = Geometry((80, 60), "pixels", pixels_per_degree=10)
    found = {}
    for eye in ("left", "right", "both"):
        recording = read(path, pictures, Reading(eye=eye))
        assert recording.lost["p"] == (50 if eye == "right" else 0)
        found[eye] = recording
    assert found["both"].x[:2].tolist() == [11, 10]
    out = points(found["both"], pictures, geometry, Meaning(), Detector(method="idt"))
    np.testing.assert_allclose(out.xy, [[10.5, 20]])
    assert out.precision["p"] == (1.0, 99)  # from 10 to 11 and back


STEP = {"eyelink_monocular_example.asc": 1, "eyelink_monocular_no_dummy_example.asc": 2, "raccoons.asc": 1}
"""Milliseconds of a sample, by which EyeLink's durations are longer than pymovements'."""

EXAMPLES = Path(os.environ.get("HAA_PYMOVEMENTS_FILES", "nowhere"))


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="set HAA_PYMOVEMENTS_FILES to tests/files of pymovements' repository")
@pytest.mark.parametrize(
    "name", ["eyelink_monocular_example.asc", "eyelink_monocular_no_dummy_example.asc", "raccoons.asc"]
)
def test_eyelink_examples_of_pymovements(name, pictures, tmp_path):
    pm = pytest.importorskip("pymovements")
    if not (EXAMPLES / name).is_file():
        pytest.skip(f"{name} came to pymovements later than these files")
    gaze = pm.gaze.from_asc(EXAMPLES / name, events=True, messages=True, encoding="utf-8")
    text = (EXAMPLES / name).read_text()
    begin = text.index("START\t")
    start = float(text[begin:].split()[1])
    path = tmp_path / "own.asc"  # its messages name no picture: one stands before the first samples
    path.write_text(f"{text[:begin]}MSG\t{start:.0f} show cat.jpg\n{text[begin:]}".replace("TRIALID", "TRIAL"))
    how = {"message": "show (.*)", "message_end": "never"}
    samples = read(path, pictures, Reading(samples=True, **how))
    own = np.array(gaze.samples["pixel"].to_list(), float)[:, :2]
    np.testing.assert_array_equal(np.stack([samples.x, samples.y], 1), own)
    assert samples.screen == (gaze.experiment.screen.width_px, gaze.experiment.screen.height_px)
    fixations = read(path, pictures, Reading(**how))
    events = gaze.events.frame.filter(gaze.events.frame["name"] == "fixation_eyelink")
    assert fixations.time.tolist() == events["onset"].to_list()
    np.testing.assert_allclose(fixations.time + fixations.duration - events["offset"].to_numpy(), STEP[name])


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="set HAA_PYMOVEMENTS_FILES to tests/files of pymovements' repository")
def test_a_fixation_report_of_pymovements(pictures):
    found = read(EXAMPLES / "18sat_fixfinal.csv", pictures, Reading())
    assert found.layout == "EyeLink Data Viewer fixation report"
    assert set(found.image) == {"reading-dickens-1.png"}
    assert (found.x[0], found.y[0], found.duration[0]) == (59.8, 125.4, 22)
