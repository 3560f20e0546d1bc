"""Videos as folders of frames: which frames a clip has, and where people looked on each."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from haa.data.loading.datamodule import DataModule
from haa.data.loading.transforms import Transform
from haa.data.readers.clips import ClipDataset
from haa.data.readers.hollywood2 import Hollywood2
from haa.data.readers.ucf_sports import UCFSports
from haa.errors import InputError

SIZE = (24, 16)
"""Width and height of the small frames."""


def write_frame(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", SIZE, value).convert("RGB").save(path)


def write_points(path: Path, points: list[tuple[int, int]], value: int = 255) -> None:
    """``points``: (row, column), from 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((SIZE[1], SIZE[0]), dtype=np.uint8)
    for row, column in points:
        pixels[row, column] = value
    Image.fromarray(pixels).save(path)


def write_video(folder: Path, name: str, first: int, count: int, value: int = 255) -> None:
    """Frame number k is grey k, and is looked at in row k % 16 and column 23, and at its first pixel."""
    for number in range(first, first + count):
        write_frame(folder / "images" / f"{name}_{number:05}.png", number)
        write_points(folder / "fixation" / f"{name}_{number:05}.png", [(number % 16, 23), (0, 0)], value)


@pytest.fixture
def hollywood(tmp_path, picture) -> Path:
    for part, place in (("train", "training"), ("test", "testing")):
        for video in range(1, 10):
            for shot in (1, 2):
                name = f"actionclip{part}{video:05}"
                # the second shot's frames are numbered on
                write_video(tmp_path / place / f"{name}_{shot}", name, 1 if shot == 1 else 14, 13)
    return tmp_path


def greys(clip: torch.Tensor) -> list[int]:
    assert clip.shape[1:] == (3, SIZE[1], SIZE[0])
    return clip[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("length", "starts"),
    [(1, [0]), (9, [0]), (10, [0]), (11, [0, 1]), (22, [0, 12]), (24, [0, 12, 14]), (34, [0, 12, 24])],
)
def test_starts(length, starts):
    # four frames, three apart: a clip spans ten frames, and the next one begins after twelve
    clips = ClipDataset.__new__(ClipDataset)
    clips.frames, clips.stride = 4, 3
    assert clips.starts(length) == starts
    for start in starts:
        expected = [start, start + 3, start + 6, start + 9]
        assert clips.indices(start, length) == [min(frame, length - 1) for frame in expected]


def test_frames_of_a_clip_and_gaze_on_each(hollywood, everything):
    samples = everything(Hollywood2, hollywood, frames=3, stride=2)
    # 13 frames, clips of 5: at 0, at 6, and one that ends with the video
    assert {name.split("@")[1] for name in samples} == {"0", "6", "8"}
    for first, shot in ((1, 1), (14, 2)):
        for start in (0, 6, 8):
            sample = samples[f"actioncliptest00001_{shot}@{start}"]
            numbers = [first + start + step for step in (0, 2, 4)]
            assert greys(sample["clip"]) == numbers
            assert "image" not in sample
            assert sample["video"] == "actioncliptest00001"
            gaze = sample["gaze"]
            assert gaze.size == (16, 24)
            assert gaze.frame.tolist() == [0, 0, 1, 1, 2, 2]
            for frame, number in enumerate(numbers):
                assert sorted(gaze.at(frame).points.tolist()) == sorted([[0, 0], [23, number % 16]])


def test_shots_of_a_video_share_a_split(hollywood):
    where: dict[str, set[str]] = {}
    for split in ("train", "val", "test"):
        data = Hollywood2(hollywood, split)
        for index in range(len(data)):
            where.setdefault(data.stimulus(index), set()).add(split)
    assert len(where) == 18
    assert all(len(splits) == 1 for splits in where.values())
    assert {name for name, splits in where.items() if splits == {"test"}} == {
        f"actioncliptest{n:05}" for n in range(1, 10)
    }
    assert {"train"} in where.values()
    assert {"val"} in where.values()


def test_the_same_clips_wherever_they_lie(hollywood, tmp_path):
    before = Hollywood2(hollywood).identity()
    elsewhere = tmp_path / "elsewhere"
    for part in ("training", "testing"):
        shutil.copytree(hollywood / part, elsewhere / part, copy_function=shutil.copyfile)
    assert Hollywood2(elsewhere).identity() == before
    assert Hollywood2(hollywood, frames=8).identity()["stimuli"] != before["stimuli"]
    frame = next(iter(Hollywood2(elsewhere).path(0).iterdir()))
    shutil.copytree(elsewhere, tmp_path / "altered")
    write_frame(tmp_path / "altered" / frame.relative_to(elsewhere), 200)
    after = Hollywood2(tmp_path / "altered").identity()
    assert [key for key, value in after.items() if value != before[key]] == ["stimuli"]


def test_a_video_shorter_than_a_clip(hollywood):
    sample = Hollywood2(hollywood, "test", frames=16, stride=1)[0]
    assert greys(sample["clip"]) == [*range(1, 14), 13, 13, 13]
    assert sample["gaze"].frame.max() == 15


def test_batches_hold_gaze_by_frame(hollywood):
    data = DataModule(
        lambda split: Hollywood2(hollywood, split, frames=2, stride=1), Transform(size=(8, 12)), batch_size=2
    )
    batch = next(iter(data.test_dataloader()))
    assert batch["clip"].shape == (2, 2, 3, 8, 12)
    assert batch["fixations"].shape == (2, 2, 2, 2)
    assert not {"start", "length"} & set(batch)


def test_ucf_sports(tmp_path, picture, everything):
    for n, name in enumerate(("Golf-Swing-Back", "Golf-Swing-Front", "Swing-Bench", "Run-Side", "Kicking-Front")):
        part = "training" if n % 2 else "testing"
        write_video(tmp_path / part / f"{name}-{n:03}", f"{n:03}", 1, 3, value=1)
    samples = everything(UCFSports, tmp_path, frames=2, stride=1)
    data = UCFSports(tmp_path, "test", frames=2, stride=1)
    assert data.classes == ["Golf-Swing", "Kicking", "Run", "Swing-Bench"]
    labels = {name: data.classes[sample["label"]] for name, sample in samples.items()}
    assert labels["Golf-Swing-Back-000@0"] == labels["Golf-Swing-Front-001@0"] == "Golf-Swing"
    assert labels["Run-Side-003@0"] == "Run"
    assert samples["Kicking-Front-004@0"]["gaze"].at(1).points.tolist() == [[0, 0], [23, 2]]


def test_ucf_sports_leaves_one_video_out(tmp_path, picture):
    names = [f"{action}-{n:03}" for n in range(1, 4) for action in ("Run-Side", "Kicking-Front")]
    for n, name in enumerate(names):
        folder = tmp_path / ("training" if n % 2 else "testing") / name
        write_video(folder, name, 1, 3, value=1)
        write_frame(folder / "images" / f"{name}_00001.png", 100 + n)
    tested = [[s["video"] for s in UCFSports(tmp_path, "test", 2, 1, folds=6, fold=fold)] for fold in range(6)]
    assert all(len(set(videos)) == 1 for videos in tested)
    assert sorted(videos[0] for videos in tested) == sorted(names)
    train = UCFSports(tmp_path, "train", 2, 1, folds=6)
    assert len({train.stimulus(i) for i in range(len(train))}) == 4
    with pytest.raises(InputError, match=r"data\.folds=7: there are 6 to divide"):
        UCFSports(tmp_path, folds=7)
    with pytest.raises(InputError, match=r"data\.fold=6: choose 0 to 5"):
        UCFSports(tmp_path, folds=6, fold=6)


def test_hollywood_with_the_actions_of_its_clipsets(hollywood, everything):
    folder = hollywood / "ClipSets"
    folder.mkdir()
    # of nine videos a part: 1 to 4 run, 4 to 8 kiss, 9 is in no list
    for part in ("train", "test"):
        videos = [f"actionclip{part}{n:05}" for n in range(1, 9)]
        for action, those in (("Run", range(4)), ("Kiss", range(3, 8))):
            lines = [f"{video}  {1 if n in those else -1}" for n, video in enumerate(videos)]
            (folder / f"{action}_{part}.txt").write_text("\n".join(lines) + "\n")
    (folder / "EXT-House_test.txt").write_text("sceneclipetest00001  1\n")
    (folder / "Run_autotrain.txt").write_text("actionclipautotrain00001  1\n")
    samples = everything(Hollywood2, hollywood, frames=2, labels="ClipSets")
    data = Hollywood2(hollywood, "test", frames=2, labels=str(folder))
    assert data.classes == ["Kiss", "Run"]
    labels = {sample["video"]: data.classes[sample["label"]] for sample in samples.values()}
    assert labels == {
        f"actionclip{part}{n:05}": "Run" if n < 4 else "Kiss"
        for part in ("train", "test")
        for n in (1, 2, 3, 5, 6, 7, 8)
    }
    notes = " ".join(data.notes)
    assert "4 x video with several actions, left out" in notes
    assert "actioncliptrain00004: Kiss, Run" in notes
    assert "4 x video without an action, left out" in notes
    (folder / "Run_test.txt").write_text("actioncliptest00001  2\n")
    with pytest.raises(InputError, match=r"Run_test\.txt, line 1: 'actioncliptest00001  2' is no video with 1 or -1"):
        Hollywood2(hollywood, labels="ClipSets")
    with pytest.raises(InputError, match=r"data\.labels: .*no holds no <Action>_train\.txt"):
        Hollywood2(hollywood, labels="no")


def test_a_blurred_map_is_no_fixations(hollywood):
    path = next(hollywood.glob("testing/*/fixation/*_00001.png"))
    Image.fromarray(np.arange(16 * 24, dtype=np.uint8).reshape(16, 24)).save(path)
    with pytest.raises(InputError, match=r"00001\.png has shades .*: it is a blurred map"):
        Hollywood2(hollywood)


def test_transposed_fixations(hollywood):
    path = next(hollywood.glob("testing/*/fixation/*_00001.png"))
    Image.new("L", SIZE[::-1]).save(path)
    with pytest.raises(InputError, match=r"00001\.png is \(24, 16\), its frame \(16, 24\)"):
        Hollywood2(hollywood)


def test_a_frame_without_fixations(hollywood):
    next(hollywood.glob("testing/*/fixation/*_00001.png")).unlink()
    with pytest.raises(InputError, match=r"00001\.png is missing"):
        Hollywood2(hollywood)


def test_layouts_that_are_not_theirs(hollywood):
    write_video(hollywood / "testing" / "Diving-001", "001", 1, 1)
    with pytest.raises(InputError, match="Diving-001 is not named actionclip"):
        Hollywood2(hollywood)
    with pytest.raises(InputError, match="actioncliptrain00001_1 is not named <Class>-<number>"):
        UCFSports(hollywood)
    with pytest.raises(InputError, match="neither training/ nor testing/"):
        UCFSports(hollywood / "testing")
    with pytest.raises(InputError, match=r"data\.frames=0: give a positive number"):
        UCFSports(hollywood, frames=0)


def test_a_video_without_frames(hollywood):
    shot = hollywood / "training" / "actioncliptrain00003_1"
    for path in (shot / "images").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"actioncliptrain00003_1/images holds no frames"):
        Hollywood2(hollywood)
    (shot / "images").rmdir()
    with pytest.raises(InputError, match=r"actioncliptrain00003_1/images is missing"):
        Hollywood2(hollywood)
