"""Saliency on videos by the real commands; a task refuses data of another kind in one line."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from tests.data.readers.test_clips import write_frame, write_points

SMALL = ("trainer=cpu", "epochs=1", "callbacks.progress=null", "loader.transform.size=16", "loader.batch_size=2")


@pytest.fixture
def videos(tmp_path, index_cache):
    """Eighteen shots of five frames, DHF1K's redistribution of Hollywood-2; nobody looks at the last frame of any."""
    for part, place in (("train", "training"), ("test", "testing")):
        for video in range(1, 10):
            name = f"actionclip{part}{video:05}"
            for number in range(1, 6):
                folder = tmp_path / "data" / place / f"{name}_1"
                write_frame(folder / "images" / f"{name}_{number:05}.png", 20 * number + video + 10 * len(part))
                points = [] if number == 5 else [(number, 2 * number), (3, 20)]
                write_points(folder / "fixation" / f"{name}_{number:05}.png", points)
    return tmp_path / "data"


@pytest.mark.slow
def test_a_saliency_model_of_frames(videos, haa, capsys):
    data = ("data=hollywood2", f"data.root={videos}", "data.stride=2")
    folder = haa("train", "task=saliency", *data, *SMALL, "align_weight=0.5", "backbone.frozen=true")
    rows = pd.read_parquet(folder / "samples.parquet")
    assert sorted(rows["id"]) == sorted(f"actioncliptest{n:05}_1@{frame}" for n in range(1, 10) for frame in (0, 2, 4))
    assert sorted(set(rows["stimulus"])) == [f"actioncliptest{n:05}" for n in range(1, 10)]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["samples"] == 27
    assert metrics["undefined"]["nss"] == metrics["undefined"]["attention_nss"] == 9
    assert metrics["references"]["centre prior"]["attention_nss"]
    assert "27 test (9 without gaze, masked)" in " ".join(capsys.readouterr().out.split())
    trained = f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}"
    again = haa("evaluate", trained, "trainer=cpu", name="again")
    assert json.loads((again / "metrics.json").read_text())["metrics"]["nss"] == pytest.approx(
        metrics["metrics"]["nss"]
    )
    # as clips of two frames, at 0 and at 2: the same frames, but for the third, which comes twice
    clips = haa("evaluate", trained, "data.frames=2", "trainer=cpu", name="clips")
    by_id = rows.set_index("id")["nss"]
    for name, nss in pd.read_parquet(clips / "samples.parquet").set_index("id")["nss"].items():
        video, start = name.split("@")
        assert nss == pytest.approx(by_id[[f"{video}@{start}", f"{video}@{int(start) + 2}"]].mean(), rel=1e-4)
    assert (haa("show", trained, "index=0,1", name="shown") / "show.png").is_file()
    haa("predict", trained, f"images={videos / 'testing' / 'actioncliptest00001_1' / 'images'}", "output=maps")
    with pytest.raises(SystemExit) as refused:
        haa("train", "task=vqa", *data, *SMALL, name="vqa")
    assert str(refused.value) == (
        "haa: task=vqa needs image and question and answers of every sample, and those of Hollywood2 have gaze, video, "
        "clip: give other data, or another task"
    )
