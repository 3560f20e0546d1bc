"""DHF1K and folders of videos: what is decoded is the frame that was asked for, and gaze lies on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haa.data.readers.dhf1k import DHF1K
from haa.data.readers.video_folder import VideoFolder
from haa.errors import InputError

av = pytest.importorskip("av")

SIZE = (64, 48)
"""Width and height of the small videos."""


def write_video(path: Path, count: int, codec: str = "mpeg4") -> None:
    """Frame k is grey 10 k + 20, but for a corner that tells one video from another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(count):
            pixels = np.full((SIZE[1], SIZE[0], 3), 10 * number + 20, dtype=np.uint8)
            pixels[:16, :16] = sum(map(ord, str(path.relative_to(path.parents[2])))) % 256
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def numbers(clip) -> list[int]:
    return [round((value - 20) / 10) for value in clip[:, 1, 24, 32].tolist()]


def write_fixations(folder: Path, count: int) -> None:
    """On frame k, from 0, somebody looks at row k and column 63."""
    folder.mkdir(parents=True)
    for number in range(count):
        points = np.zeros((SIZE[1], SIZE[0]), dtype=np.uint8)
        points[number, 63] = 255
        Image.fromarray(points).save(folder / f"{number + 1:04}.png")


@pytest.fixture
def dhf1k(tmp_path, picture) -> Path:
    for number in (1, 2, 3, 601, 602):
        write_fixations(tmp_path / "annotation" / f"{number:04}" / "fixation", 9)
        write_video(tmp_path / "video" / f"{number:03}.AVI", 9)
    write_video(tmp_path / "video" / "701.AVI", 9)  # its gaze is not published
    return tmp_path


def test_dhf1k_frames_count_from_one(dhf1k, everything):
    samples = everything(DHF1K, dhf1k, frames=3, stride=2)
    assert sorted({name.split("@")[0] for name in samples}) == ["001", "002", "003", "601", "602"]
    assert {sample["video"] for sample in samples.values() if sample["split"] == "test"} == {"601", "602"}
    sample = samples["601@4"]
    assert numbers(sample["clip"]) == [4, 6, 8]
    assert [sample["gaze"].at(frame).points.tolist() for frame in range(3)] == [[[63, 4]], [[63, 6]], [[63, 8]]]


def test_dhf1k_extracted_frames_are_taken_instead(dhf1k):
    folder = dhf1k / "annotation" / "0601" / "images"
    folder.mkdir()
    for number in range(1, 10):
        Image.new("L", SIZE, 10 * number + 10).convert("RGB").save(folder / f"{number:04}.png")
    (dhf1k / "video" / "601.AVI").unlink()
    data = DHF1K(dhf1k, "test", frames=3, stride=2)
    assert numbers(data[0]["clip"]) == [0, 2, 4]
    assert data[0]["gaze"].at(1).points.tolist() == [[63, 2]]


def test_dhf1k_absent_and_broken(dhf1k):
    (dhf1k / "annotation" / "0002" / "fixation" / "0005.png").unlink()
    with pytest.raises(InputError, match=r"0002/fixation does not hold 0001\.png and on without a gap"):
        DHF1K(dhf1k)
    for path in (dhf1k / "annotation" / "0002").rglob("*.png"):
        path.unlink()
    write_video(dhf1k / "video" / "601.AVI", 5)
    (dhf1k / "annotation" / "0002" / "fixation").rmdir()
    write_fixations(dhf1k / "annotation" / "0002" / "fixation", 9)
    with pytest.raises(InputError, match=r"601\.AVI has 5 frames: there is no frame"):
        DHF1K(dhf1k, "test", frames=3, stride=3)[0]
    (dhf1k / "video" / "602.AVI").unlink()
    with pytest.raises(InputError, match=r"602\.AVI is absent"):
        DHF1K(dhf1k)


def test_videos_in_folders_of_classes(tmp_path, picture, everything):
    for split in ("train", "val", "test"):
        for label in ("run", "jump"):
            write_video(tmp_path / split / label / "a.mp4", 7)
    samples = everything(VideoFolder, tmp_path, frames=2, stride=3)
    assert {name: (s["split"], s["label"]) for name, s in samples.items() if name.endswith("@0")} == {
        f"{split}/{label}/a.mp4@0": (split, ["jump", "run"].index(label))
        for split in ("train", "val", "test")
        for label in ("run", "jump")
    }
    assert VideoFolder(tmp_path, frames=2, stride=3).classes == ["jump", "run"]
    assert [numbers(samples[f"train/run/a.mp4@{start}"]["clip"]) for start in (0, 3)] == [[0, 3], [3, 6]]
    assert all(sample["gaze"] is None for sample in samples.values())


def test_tables_beside_videos(tmp_path, picture, everything):
    for name, count in (("a", 4), ("b", 5), ("c", 6)):
        write_video(tmp_path / f"{name}.mp4", count)
    (tmp_path / "labels.csv").write_text("video,label\na.mp4,x\nb.mp4,y\nc.mp4,x\n")
    (tmp_path / "splits.csv").write_text("video,split\na.mp4,train\nb.mp4,test\nc.mp4,val\n")
    (tmp_path / "fixations.csv").write_text(
        "video,frame,x,y,subject\na.mp4,0,5,6.5,1\na.mp4,2,63,47,2\na.mp4,1,9,9,1\n"
    )
    samples = everything(VideoFolder, tmp_path, frames=2, stride=2)
    gaze = samples["a.mp4@0"]["gaze"]
    assert gaze.points.tolist() == [[5, 6.5], [63, 47]]
    assert gaze.frame.tolist() == [0, 1]
    assert gaze.subject.tolist() == [1, 2]
    assert [samples[f"{name}.mp4@0"]["split"] for name in "abc"] == ["train", "test", "val"]
    assert [samples[f"{name}.mp4@0"]["label"] for name in "abc"] == [0, 1, 0]


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("labels", "video,label\na.mp4,x\n", r"b\.mp4 has no label, and others have"),
        ("labels", "video,label\nz.mp4,x\n", r"labels\.csv, line 2: there is no video 'z\.mp4'"),
        ("fixations", "video,frame,x,y\na.mp4,4,1,1\n", "line 2: frame 4 is none of the video's 4"),
        ("fixations", "video,frame,x,y\na.mp4,0,64,1\n", "x=64, y=1"),
        ("fixations", "video,x,y\na.mp4,1,1\n", "has no column 'frame'"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, picture, table, text, message):
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", 4)
    (tmp_path / f"{table}.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        VideoFolder(tmp_path)


def test_no_videos(tmp_path, picture):
    with pytest.raises(InputError, match="holds no video "):
        VideoFolder(tmp_path)


def test_real_videos(real_data, picture, everything):
    samples = everything(VideoFolder, real_data / "video", frames=2, stride=150)
    assert {name.split("@")[0] for name in samples} == {"demo.mp4", "part_0.mp4", "test.avi", "test.mp4"}
    for sample in samples.values():
        assert sample["clip"].shape[:2] == (2, 3)
        assert sample["clip"].float().std() > 10
