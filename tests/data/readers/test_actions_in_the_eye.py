"""Actions in the Eye: a person's point on a frame is the mean of the frame's samples, on the video as it was shown."""

from __future__ import annotations

import pytest
from tests.data.readers.test_video_files import SIZE, numbers, write_video

from haa.data.readers.actions_in_the_eye import ActionsInTheEye
from haa.errors import InputError

# 64 x 48 fills the width of 1280, twenty times as large: 960 high, and 32 rows of bar above and below
SAMPLES = """\
0 1 1 639.5 271.5 F
2000 1 1 659.5 291.5 F
4000 1 1 9.5 41.5 S
6000 1 1 0 0 B
80000 1 1 19.5 51.5 F
160000 1 1 639.5 20 F
999000 1 1 639.5 271.5 F
"""


@pytest.fixture
def published(tmp_path, picture):
    folder = tmp_path / "gaze_hollywood2" / "samples"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        for n in range(1, 10):
            write_video(tmp_path / "AVIClips" / f"actionclip{part}{n:05}.avi", 9 - n % 2)  # 25 frames a second
    (folder / "001_actioncliptest00002.avi.txt").write_text(SAMPLES)
    (folder / "012_actioncliptest00002.avi.txt").write_text("81000 0 0 1269.5 981.5 F\n")
    return tmp_path


def test_points_are_where_people_looked_on_the_video(published, everything):
    samples = everything(ActionsInTheEye, published, frames=3, stride=2)
    assert {sample["split"] for name, sample in samples.items() if "test" in name} == {"test"}
    assert {sample["split"] for name, sample in samples.items() if "train" in name} == {"train", "val"}
    sample = samples["actioncliptest00002@0"]
    assert numbers(sample["clip"]) == [0, 2, 4]
    gaze = sample["gaze"]
    assert gaze.size == SIZE[::-1]
    # the middle of frame 0's two samples, 650 and 250 of 1280 x 960; on frame 2, 20 and 20; on frame 4 the bar
    assert gaze.points.tolist() == [[32.0, 12.0], [0.5, 0.5], [63.0, 47.0]]
    assert gaze.frame.tolist() == [0, 1, 1]
    assert gaze.subject.tolist() == [1, 1, 12]
    assert samples["actioncliptest00001@0"]["gaze"] is None
    assert "2 x outside, left out" in " ".join(ActionsInTheEye(published, frames=3, stride=2).notes)


def test_texts_of_another_form(published):
    folder = published / "gaze_hollywood2" / "samples"
    (folder / "001_actioncliptest00002.avi.txt").write_text("0 1 1 5 5 P\n")
    with pytest.raises(InputError, match=r"txt, line 1: '0 1 1 5 5 P' is no time, four numbers and F, S or B"):
        ActionsInTheEye(published)
    (folder / "001_actioncliptest00002.avi.txt").rename(folder / "x.txt")
    with pytest.raises(InputError, match=r"x\.txt is not named <person>_<video>\.avi\.txt"):
        ActionsInTheEye(published)
    (folder / "x.txt").rename(folder / "001_actioncliptest00099.avi.txt")
    with pytest.raises(InputError, match=r"00099\.avi\.txt is the gaze of a video that is not in"):
        ActionsInTheEye(published)
    with pytest.raises(InputError, match=r"AVIClips holds no actioncliptrain00001\.avi"):
        ActionsInTheEye(published / "gaze_hollywood2")
