"""Planted exports of every format are imported: the points come back, and what is left out is counted."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.recordings.planted import EXPORTS, PEOPLE, Truth, truth

from haa.cli.main import main

NEEDS_PYMOVEMENTS = {"asc", "begaze_raw", "eyelink_samples"}
NO_DURATIONS = {"gorilla"}
LEFT_OUT = {
    "tobii": {"no fixation (saccades, lost samples)": 84},
    "eyelink": {"lost: no position": 12},
    "eyelink_samples": {},
    "asc": {"between pictures": 12},
    "begaze": {"no fixation (saccades, blinks)": 72, "of the right eye": 72},
    "begaze_raw": {},
    "idf_events": {"between pictures": 12, "no fixation (saccades, blinks)": 72, "of the right eye": 72},
    "pupil": {"off the surface": 12},
    "gazepoint": {"not valid (FPOGV)": 72},
    "iohub_csv": {},
    "iohub_hdf5": {"between pictures": 3},
    "gorilla": {"no prediction (screens, zones)": 12},
    "own_table": {},
    "degrees": {},
}


@pytest.fixture
def planted(tmp_path) -> Truth:
    return truth(tmp_path)


def imported(planted: Truth, words: list[str], name: str = "mine") -> list[dict[str, str]]:
    """Import, and return the rows of fixations.csv."""
    output = planted.folder / name
    main(["data", "import", *words, f"images={planted.images}", f"output={output}"])
    with (output / "fixations.csv").open() as file:
        return list(csv.DictReader(file))


def record(planted: Truth, name: str = "mine") -> dict:
    return json.loads((planted.folder / name / "import.json").read_text())


@pytest.mark.parametrize("name", EXPORTS)
def test_points_come_back_within_half_a_pixel(planted, name, capsys):
    if name in NEEDS_PYMOVEMENTS:
        pytest.importorskip("pymovements")
    if name == "iohub_hdf5":
        pytest.importorskip("h5py")
    if name in ("asc", "iohub_hdf5"):  # messages hold no spaces in names
        image = planted.images / "photo 01.jpg"
        image.rename(image.with_name("photo_01.jpg"))
    rows = imported(planted, EXPORTS[name](planted))
    expected = sorted(planted.fixations, key=lambda f: (f.image.replace(" ", "_"), f.subject, f.start))
    rows.sort(key=lambda row: (row["image"].replace(" ", "_"), row["subject"]))
    assert [row["subject"] for row in rows] == [f.subject for f in expected]
    assert [row["image"].replace(" ", "_") for row in rows] == [f.image.replace(" ", "_") for f in expected]
    found = np.array([(float(row["x"]), float(row["y"])) for row in rows])
    true = np.array([(f.x, f.y) for f in expected])
    assert np.abs(found - true).max() < 0.5
    if name not in NO_DURATIONS:
        durations = np.array([float(row["duration"]) for row in rows])
        assert np.abs(durations - [f.duration for f in expected]).max() <= 10  # detected ones end with a sample
    assert record(planted)["left_out"] == LEFT_OUT[name]
    assert record(planted)["mistakes"] == {}
    assert "72 points of 3 people on 4 of 4 pictures" in capsys.readouterr().out


def test_the_data_set_is_read_by_data_folder_and_checked(planted, capsys, monkeypatch):
    monkeypatch.setenv("HAA_CACHE", str(planted.folder / "cache"))
    words = [*EXPORTS["eyelink"](planted), "distance=60", "screen_cm=53x30"]
    imported(planted, words)
    out = capsys.readouterr().out
    degree = 60 * np.tan(np.radians(1)) * 1920 / 53  # pixels of the screen; pictures are 1080 or 1440 wide or high
    assert record(planted)["sigma"] == pytest.approx(degree / np.median([1440, 1080, 1440, 1080]))
    command = next(line for line in out.splitlines() if line.startswith("next: haa "))
    main([*command.removeprefix("next: haa ").split(), "picture=null"])
    assert "no faults found" in capsys.readouterr().out


def test_what_was_recognised_is_said(planted, capsys):
    imported(planted, EXPORTS["tobii"](planted))
    out = capsys.readouterr().out
    assert "Tobii fixations: utf-16, tabs, decimal comma" in out
    assert "x in 'Fixation point X [DACS px]'" in out
    assert "where the pictures stood: as the recording says" in out
    assert record(planted)["people"][0]["lost"] == pytest.approx(24 / record_rows(planted), abs=1e-3)


def record_rows(planted: Truth) -> int:
    """Return how many samples the Tobii export has of a person: of fixations, lost ones, and four between pictures."""
    own = [f for f in planted.fixations if f.subject == PEOPLE[0]]
    return sum(len(range(0, f.duration, 8)) + 1 for f in own) + 4


def test_options_leave_out_and_count(planted):
    words = EXPORTS["eyelink"](planted)
    report = Path(words[0])
    more = [
        "anna\t1\t7\t1900\t30\t959.5\t539.5\timages\\photo00.jpg",
        "anna\t1\t8\t1950\t120\t100\t540\timages\\photo00.jpg",
    ]
    more += ["anna\t1\t9\t1960\t120\t0\t0\timages\\photo00.jpg", "dora\t1\t1\t1\t120\t1e8\t1e8\timages\\photo00.jpg"]
    more += ["anna\t9\t1\t1\t120\t960\t540\tcross.png"]
    report.write_text(report.read_text() + "\n".join(more) + "\n")
    assert len(imported(planted, words)) == 73
    left_out = record(planted)["left_out"]
    assert left_out == {
        "lost: no position": 13,
        "lost: at exactly 0, 0": 1,
        "off the picture": 1,
        "trials of which nothing is left": 1,
        "people of whom nothing is left": 1,
        "picture 'cross.png' is not in photos": 1,
    }
    assert len(imported(planted, [*words, "shortest=50", "first_fixation=drop"], "second")) == 60
    left_out = record(planted, "second")["left_out"]
    assert left_out["shorter than 50 ms"] == 1
    assert left_out["the first fixation of its trial"] == 12
    rows = imported(planted, [*words, "outside=edge"], "third")
    assert [float(row["x"]) for row in rows if row["image"] == "photo00.jpg" and row["x"] == "0"] == [0]


def test_a_fixation_without_a_duration_stays_or_goes_and_is_counted(planted, capsys, monkeypatch):
    monkeypatch.setenv("HAA_CACHE", str(planted.folder / "cache"))
    words = EXPORTS["own_table"](planted)
    path = Path(words[0])
    lines = path.read_text("cp1252").splitlines()
    for line in (2, 5):
        lines[line] = ";".join("" if n == 4 else part for n, part in enumerate(lines[line].split(";")))
    path.write_text("\n".join(lines) + "\n", "cp1252")
    rows = imported(planted, words)
    assert len(rows) == 72
    assert sum(row["duration"] == "" for row in rows) == 2
    assert record(planted)["left_out"] == {"without a duration: kept, it is left empty": 2}
    capsys.readouterr()
    main(["data", "check", "data=folder", f"data.root={planted.folder / 'mine'}", "data.sigma=0.03", "picture=null"])
    out = " ".join(capsys.readouterr().out.split())
    assert "2 x fixation without a duration, which is taken as 0 ms" in out
    rows = imported(planted, [*words, "untimed=drop"], "second")
    assert len(rows) == 70
    assert record(planted, "second")["left_out"] == {"without a duration": 2}


def test_links_and_pictures_that_nobody_looked_at(planted):
    words = EXPORTS["own_table"](planted)
    (planted.images / "more").mkdir()
    (planted.images / "photo00.jpg").rename(planted.images / "more" / "photo00.jpg")
    (planted.images / "unseen.png").write_bytes((planted.images / "photo02.jpg").read_bytes())
    rows = imported(planted, [*words, "files=link"])
    assert rows[0]["image"] == "more/photo00.jpg"
    assert (planted.folder / "mine" / "images" / "more" / "photo00.jpg").is_symlink()
    assert (planted.folder / "mine" / "images" / "unseen.png").exists()
    imported(planted, [*words, "unseen=drop"], "second")
    assert not (planted.folder / "second" / "images" / "unseen.png").exists()


REFUSED = {
    "images is missing": [],
    "how were the pictures shown": ["screen=1920x1080"],
    "screen's size is needed": ["shown=fit"],
    "shown=big: give fit, fill": ["shown=big"],
    "did you mean shown": ["showm=fit"],
    "units=mm": ["units=mm"],
    "columns.x=X: ": ["columns.x=X", "columns.y=Y"],
    "screen=1920: give two numbers": ["screen=1920"],
    "is no regular expression": ["message=("],
    "no point is left": ["screen=1920x1080", "shown=10x10", "position=0,0"],
}


@pytest.mark.parametrize("message", REFUSED)
def test_words_that_do_not_fit_are_refused_with_the_cure(planted, message):
    words = EXPORTS["eyelink"](planted)[:1] + REFUSED[message]
    if message != "images is missing":
        words += [f"images={planted.images}"]
    with pytest.raises(SystemExit, match=re.escape(message)):
        main(["data", "import", *words, f"output={planted.folder / 'mine'}"])
    assert not (planted.folder / "mine").exists()
    assert not list(planted.folder.glob(".mine*"))


WRONG = {
    "coordinates of another size": ["of=picture"],
    "x and y from 0 to 1": ["of=picture", "scale=1"],
    "degrees taken for pixels": ["of=picture", "degrees"],
    "y up": ["screen=1920x1080", "shown=fit", "origin=lower-left"],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_geometry_is_named_and_its_points_are_written_for_the_page(tmp_path, name, capsys):
    planted = truth(tmp_path, pictures=12)
    if "scale=1" in WRONG[name]:
        lines = [f"{f.image},{f.subject},{f.x / 1024:.5f},{f.y / 1024:.5f}" for f in planted.fixations]
    elif "degrees" in WRONG[name]:
        lines = [f"{f.image},{f.subject},{(f.sx - 960) / 40:.4f},{(f.sy - 540) / 40:.4f}" for f in planted.fixations]
    else:
        lines = [f"{f.image},{f.subject},{f.sx:.2f},{f.sy:.2f}" for f in planted.fixations]
    (tmp_path / "a.csv").write_text("\n".join(["image,subject,x,y", *lines]) + "\n")
    words = [word for word in WRONG[name] if word not in ("scale=1", "degrees")]
    try:
        imported(planted, [str(tmp_path / "a.csv"), *words])
    except SystemExit as end:
        certain = end.code == 1
    else:
        certain = False
    assert list(record(planted)["mistakes"]) == [name]
    assert certain == (name != "y up")
    assert name in capsys.readouterr().out
    assert name in (tmp_path / "mine" / "import.html").read_text()


def test_an_output_that_is_there_is_not_touched(planted):
    words = EXPORTS["own_table"](planted)
    imported(planted, words)
    with pytest.raises(SystemExit, match="is there already"):
        imported(planted, words)


def test_help(capsys):
    main(["data", "import", "--help"])
    out = capsys.readouterr().out
    assert "shown=" in out
    assert "columns.NAME=" in out
