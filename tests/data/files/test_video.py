"""Any frame of a video equals the one found by decoding everything; clips that the test encodes; damaged files."""

from __future__ import annotations

import os
import random
import tracemalloc
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from haa.data.files import video as module
from haa.data.files.video import Video, _pixels, clips
from haa.errors import InputError

av = pytest.importorskip("av")


@pytest.fixture
def encoded(tmp_path):
    """Frame k of 30 has the grey level 8 k and is shown at k^2 + k ticks of 1/1000 s; key frames are 12 apart."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"g": "12", "bf": "3", "crf": "0"}
        for k in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = k * k + k, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


FOUR = np.zeros((48, 64, 3), np.uint8)  # as it is stored: four quarters, four greys
FOUR[:24, 32:], FOUR[24:, :32], FOUR[24:, 32:] = 80, 160, 240


def test_a_video_is_turned_as_its_header_says(tmp_path):
    for angle in (0, 90, 180, 270):
        path = tmp_path / f"{angle}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.options = {"crf": "0", "bf": "2"}
            stream.set_display_rotation(angle)  # counter-clockwise, as np.rot90
            for _ in range(5):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(FOUR, format="rgb24")))
            container.mux(stream.encode())
        video, expected = Video(path), np.rot90(FOUR, angle // 90).astype(int)
        assert video.size == expected.shape[:2]
        assert np.abs(video.frames([3])[0].permute(1, 2, 0).numpy() - expected).max() <= 4


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [((-1, 0, 0, 1), FOUR[:, ::-1]), ((1, 0, 0, -1), FOUR[::-1]), ((0, 1, 1, 0), FOUR.swapaxes(0, 1))],
)
def test_a_display_matrix_may_mirror(matrix, shown):
    a, b, c, d = matrix
    content = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], np.int32).tobytes()
    frame = SimpleNamespace(to_ndarray=lambda format: FOUR, side_data={"DISPLAYMATRIX": content})
    assert np.array_equal(module._pixels(frame).permute(1, 2, 0).numpy(), shown)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mkv", "libx264", {"live": "1"}),  # written without an index and without a duration
        ("a.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.ts", "libx264", {}),
        ("a.webm", "libvpx", {}),
        ("a.avi", "mpeg4", {}),
        ("a.h264", "libx264", {}),
    ],
)
def test_files_without_an_index(tmp_path, name, codec, options):
    with av.open(str(tmp_path / name), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"g": "8", "bf": "2", "auto-alt-ref": "1", "lag-in-frames": "16"}
        for k in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * k, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = Video(tmp_path / name)
    assert len(video) == 30
    for asked in ([29], [13, 12, 3], list(range(30))):
        found = (video.frames(asked).float().mean((1, 2, 3)) / 8).round().int()
        assert (found - torch.tensor(asked)).abs().max() <= 1  # half a step is what a lossy codec may be off


def numbers(frames):
    return (frames.float().mean((1, 2, 3)) / 8).round().int().tolist()


def test_frames_are_the_ones_asked_for(encoded):
    video = Video(encoded)
    assert len(video) == 30
    assert video.size == (48, 64)
    assert video.times == pytest.approx([(k * k + k) / 1000 for k in range(30)], abs=1e-3)
    for asked in ([0], [29], [13, 12, 11], [3, 3, 28, 0], list(range(30)), list(range(5, 30, 7))):
        frames = video.frames(asked)
        assert frames.shape == (len(asked), 3, 48, 64)
        assert frames.dtype == torch.uint8
        assert numbers(frames) == asked


def test_a_time_has_the_frame_that_is_on_the_screen(encoded):
    video = Video(encoded)
    assert video.at(video.times) == list(range(30))
    assert video.at([video.times[7] - 0.002, video.times[7] + 0.002, -1.0, 1e9]) == [6, 7, 0, 29]


@pytest.mark.parametrize("name", ["demo.mp4", "part_0.mp4", "test.avi", "test.mp4"])
def test_real_files_give_what_sequential_decoding_gives(real_data, name):
    path = real_data / "video" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    video = Video(path)
    asked = sorted([*random.Random(0).sample(range(len(video)), min(6, len(video))), 0, len(video) - 1])
    expected, count = {}, 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if count in asked:
                expected[count] = frame.to_ndarray(format="rgb24")
            # FFmpeg guesses the times of an AVI's frames, out of order; what it decodes is in order
            assert video.times[count] == pytest.approx(count / 25 if name == "test.avi" else frame.time, abs=1e-6)
            count += 1
    assert len(video) == count
    for index, frame in zip(asked, video.frames(asked), strict=True):
        assert np.array_equal(frame.permute(1, 2, 0).numpy(), expected[index])


def test_memory_does_not_grow_with_the_video(encoded):
    video = Video(encoded)
    tracemalloc.start()
    video.frames([29])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 48 * 64 * 3 + 100_000


def test_what_cannot_be_read_is_named(encoded, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.mp4 is missing"):
        Video(tmp_path / "nothing.mp4")
    with pytest.raises(InputError, match="no frame 30"):
        Video(encoded).frames([30])
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(InputError, match=r"text\.mp4 cannot be decoded"):
        Video(tmp_path / "text.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(encoded.read_bytes()[:600])
    with pytest.raises(InputError, match=r"cut\.mp4"):
        Video(cut).frames([29])


@pytest.mark.parametrize(("frames", "length", "step"), [(8, 8, 1), (50, 8, 1), (50, 8, 3), (22, 8, 3)])
def test_clips_cover_the_video(frames, length, step):
    cut = clips(frames, length, step)
    assert all(len(clip) == length and clip.step == step for clip in cut)
    assert cut[0][0] == 0
    assert frames - step <= cut[-1][-1] <= frames - 1


def test_a_video_shorter_than_a_clip_is_refused():
    with pytest.raises(InputError, match="21 frames"):
        clips(21, 8, 3)


def test_a_list_that_names_other_files_is_no_video(encoded, tmp_path):
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{encoded}\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.mp4").write_text(text)
    with pytest.raises(InputError, match=r"list\.mp4 cannot be decoded"):
        Video(tmp_path / "list.mp4")


def test_frames_and_their_number_are_bounded(encoded, monkeypatch):
    monkeypatch.setattr(module, "PIXELS", 64 * 48 - 1)
    with pytest.raises(InputError, match=r"clip\.mp4 has frames of 64 x 48 pixels"):
        Video(encoded)
    monkeypatch.setattr(module, "PIXELS", 64 * 48)
    monkeypatch.setattr(module, "FRAMES", 29)
    with pytest.raises(InputError, match=r"clip\.mp4 has more than 29 frames"):
        Video(encoded)


def test_damaged_videos_are_refused_or_read(encoded, tmp_path):
    good, refused = encoded.read_bytes(), []
    for seed in range(40):
        rng = random.Random(seed)
        content, at = bytearray(good), len(good) - 1 - rng.randrange(1500)
        content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\x80", rng.randbytes(4)])
        (tmp_path / "a.mp4").write_bytes(content)
        try:
            Video(tmp_path / "a.mp4").frames([0])
        except InputError as error:
            refused.append(str(error))
    assert 0 < len(refused) < 40
    assert all("a.mp4" in said for said in refused)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_a_decoded_frame_keeps_no_threads():
    """They do not come along into a loader's worker, which would wait for them when it frees its parent's frame."""
    pixels = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    before = len(os.listdir("/proc/self/task"))
    decoded = _pixels(frame)
    assert len(os.listdir("/proc/self/task")) == before
    assert decoded.shape == (3, 480, 640)
