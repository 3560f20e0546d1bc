"""EGTEA Gaze+: gaze lies on the frame and the place that BeGaze's lines say; clips, actions and splits as listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.readers.test_video_files import SIZE, numbers, write_video

from haa.data.readers.egtea import EGTEA
from haa.errors import InputError

HEADER = "".join(f"## {line}\n" for line in ("[BeGaze]", "Converted from:\tx.idf", "", "Number of Samples:\t9"))
OLD = f"{HEADER}\nTime\tType\tTrial\tL POR X [px]\tL POR Y [px]\tFrame\tL Event Info\n"
NEW = f"{HEADER}\nTime\tType\tTrial\t" + "\t".join(f"column {n}" for n in range(20)) + "\tFrame\tB Event Info\n"


def old(x: float, y: float, frame: int, event: str = "Fixation") -> str:
    return f"56789\tSMP\t1\t{x}\t{y}\t{frame}\t{event}\n"


def new(x: float, y: float, frame: str, event: str = "Fixation") -> str:
    return "\t".join(["56789", "SMP", "1", "0", "0", str(x), str(y), *["0"] * 17, frame, event]) + "\n"


@pytest.fixture
def egtea(tmp_path, picture) -> Path:
    """Nine recordings of one clip each, of nine frames from frame 100 on; the last is tested on."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for n in range(1, 10):
        recording = f"P{n:02}-R01-PastaSalad"
        clip = f"{recording}-4167-4542-F000100-F000109"
        write_video(tmp_path / "cropped_clips" / recording / f"{clip}.mp4", 9)
        lists["test" if n == 9 else "train"].append(f"{clip} {1 + n % 2} 4 10 7")
    for part, lines in lists.items():
        (tmp_path / f"{part}_split1.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "action_idx.txt").write_text("Open fridge 1\nCut tomato 2\nWash pan 3\n")
    gaze = tmp_path / "gaze_data"
    gaze.mkdir()
    # two samples of a fixation on frame 102, a saccade on 104, a lost eye, and a glance off the picture on 106
    lines = [old(640, 480, 102), old(660, 500, 102), old(100, 100, 104, "Saccade"), old(0, 0, 105, "-")]
    (gaze / "P09-R01-PastaSalad.txt").write_text(OLD + "".join([*lines, old(1300, 5, 106), old(320, 720, 99)]))
    (gaze / "P01-r01-PastaSalad-GazeData.txt").write_bytes(
        NEW.replace("column 3", "column 3 [°]").encode("latin-1") + new(960, 240, "00:00:04:08").encode()
    )
    return tmp_path


def test_gaze_is_on_its_frame_and_at_its_place(egtea, everything):
    samples = everything(EGTEA, egtea, frames=4, stride=2)
    sample = samples["P09-R01-PastaSalad-4167-4542-F000100-F000109@0"]
    assert numbers(sample["clip"]) == [0, 2, 4, 6]
    gaze = sample["gaze"]
    assert gaze.size == SIZE[::-1]
    # the mean is (650, 490) of 1280 x 960, the video 64 x 48: a twentieth, less half a pixel
    assert gaze.points.tolist() == [[32.0, 24.0]]
    assert gaze.frame.tolist() == [1]
    assert (sample["split"], sample["video"]) == ("test", "P09-R01-PastaSalad-4167-4542-F000100-F000109")
    # 4 seconds and 8 frames are 104 frames: frame 4 of the clip
    gaze = samples["P01-R01-PastaSalad-4167-4542-F000100-F000109@0"]["gaze"]
    assert (gaze.points.tolist(), gaze.frame.tolist()) == ([[47.5, 11.5]], [2])
    assert samples["P02-R01-PastaSalad-4167-4542-F000100-F000109@0"]["gaze"] is None
    assert {sample["split"] for sample in samples.values()} == {"train", "val", "test"}


def test_saccades_are_taken_where_asked_for(egtea):
    data = EGTEA(egtea, "test", frames=4, stride=2, gaze="tracked")
    assert data.gaze(0).points.tolist() == [[32.0, 24.0], [4.5, 4.5]]
    assert data.gaze(0).frame.tolist() == [1, 2]


def test_actions_and_what_is_told(egtea):
    data = EGTEA(egtea, "test", frames=2)
    assert data.classes == ["Open fridge", "Cut tomato", "Wash pan"]
    assert data[0]["label"] == 1
    assert data.stimulus(0) == "P09-R01-PastaSalad"
    notes = " ".join(data.notes)
    assert "7 x recording without gaze, masked" in notes
    assert "1 x recording with samples that are left out, the others kept" in notes
    assert "P09-R01-PastaSalad.txt: 2 of 6 samples, 1 of '-', 1 of 'Saccade'" in notes
    assert "outside, left out" in " ".join(EGTEA(egtea, "test", frames=4, stride=2).notes)
    (egtea / "action_idx.txt").unlink()
    assert EGTEA(egtea, "test").classes == ["1", "2"]


def test_what_does_not_fit_is_refused(egtea):
    with pytest.raises(InputError, match=r"train_split2\.txt is missing: put the files of action_annotation"):
        EGTEA(egtea, split_number=2)
    with pytest.raises(InputError, match=r"data\.split_number=4: choose 1, 2 or 3"):
        EGTEA(egtea, split_number=4)
    with pytest.raises(InputError, match=r"data\.gaze=all: choose fixation or tracked"):
        EGTEA(egtea, gaze="all")
    text = egtea / "gaze_data" / "P09-R01-PastaSalad.txt"
    text.write_text(OLD + "56789\tSMP\t1\t3\t4\n")
    with pytest.raises(InputError, match=r"PastaSalad\.txt, line 7 has 5 fields, and neither 7 nor 26"):
        EGTEA(egtea)
    text.write_text(HEADER)
    with pytest.raises(InputError, match=r"PastaSalad\.txt has no line that begins with Time"):
        EGTEA(egtea)
    text.unlink()
    (egtea / "test_split1.txt").write_text("P09-R01-PastaSalad-1-2-F000100-F000109 1 1 1\n")
    with pytest.raises(InputError, match=r"test_split1\.txt, line 1: .*\.mp4 is absent"):
        EGTEA(egtea)
    (egtea / "test_split1.txt").write_text("clip 1 1 1\n")
    with pytest.raises(InputError, match=r"line 1: 'clip' is not named <recording>"):
        EGTEA(egtea)
