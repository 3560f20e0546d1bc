"""What a run records of itself: what made it, how it was trained, and which samples share a stimulus."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

import haa as package
from haa.data.dataset import GazeDataset
from haa.errors import InputError
from haa.gaze import Gaze
from haa.run.made import people
from haa.run.results import check_difference
from haa.run_folder import RunFolder

TINY = ("trainer=cpu", "data.train=16", "data.val=8", "data.test=8", "loader.batch_size=8", "callbacks.pictures=null")


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_a_run_says_what_made_it_and_so_does_its_evaluation(haa):
    run = RunFolder(haa("train", "task=vqa", *TINY, "epochs=3", "align_weight=0.5", "condition=shuffled"))
    made, metrics = read(run.made), read(run.metrics)
    assert metrics.items() >= made.items()
    assert made["haa"] == package.__version__
    assert (made["role"], made["label"], made["exchanges_gaze"], made["matched"]) == ("control", "shuffled", True, True)
    assert made["simulated_gaze"]
    assert made["backbone_weights"] == "random"
    assert {split: data["samples"] for split, data in made["data"].items()} == {"train": 16, "val": 8, "test": 8}
    assert len({data["stimuli"] for data in made["data"].values()}) == 3
    assert (metrics["epochs"], metrics["steps"], metrics["validation_metric"]) == (3, 6, "val/accuracy")
    assert metrics["samples_a_step"] == 8

    again = RunFolder(haa("evaluate", f"checkpoint={run.best}", "split=val", name="again"))
    evaluated = read(again.metrics)
    assert evaluated.items() >= read(again.made).items()
    assert evaluated["data"] == {"val": made["data"]["val"]}
    assert evaluated["trained_by"] == package.__version__
    assert evaluated["backbone_weights"] == "random"
    assert evaluated["validation"] == metrics["validation"] == pytest.approx(evaluated["metrics"]["accuracy"])
    assert evaluated["validation_metric"] == "val/accuracy"
    assert evaluated["epochs"] in (1, 2, 3)
    assert evaluated["steps"] == 2 * evaluated["epochs"]
    before, after = (yaml.safe_load(folder.config.read_text()) for folder in (run, again))
    assert after["trained"] == {key: before[key] for key in ("trainer", "callbacks", "loader")}

    last = read(RunFolder(haa("evaluate", f"checkpoint={run.last}", name="last")).metrics)
    assert (last["validation"], last["epochs"]) == (None, 3)


def test_early_stopping_is_seen_and_without_a_best_checkpoint_the_last_epoch_counts(haa):
    words = ("callbacks.checkpoint=null", "callbacks.early_stopping.patience=1", "lr=0", "epochs=9")
    run = RunFolder(haa("train", "task=vqa", *TINY, *words))
    metrics = read(run.metrics)
    assert (metrics["epochs"], metrics["steps"]) == (2, 4)
    rows = [line.split(",") for line in run.curves.read_text().splitlines()]
    column = rows[0].index("val/accuracy")
    assert metrics["validation"] == pytest.approx([float(row[column]) for row in rows[1:] if row[column]][-1])


def test_a_run_that_fails_in_its_first_step_leaves_what_it_would_have_been(haa):
    with pytest.raises(SystemExit):
        haa("train", "-m", "task=vqa", *TINY, "epochs=1", "align_weight=0.5", "condition=center", "lr=-1")
    (error,) = Path("run").glob("*/error.json")
    run = RunFolder(error.parent)
    assert "Invalid learning rate" in read(error)["message"]
    assert (read(run.made)["label"], read(run.made)["role"]) == ("center", "control")
    assert yaml.safe_load(run.config.read_text())["lr"] == -1
    assert not run.metrics.exists()


def test_a_run_whose_data_cannot_be_read_leaves_nothing_of_an_attempt_before_it(haa, tmp_path):
    words = ("-m", "task=saliency", "data=folder", f"data.root={tmp_path / 'nowhere'}", "seed=0")
    run = RunFolder(tmp_path / "run" / "seed=0")
    run.path.mkdir(parents=True)
    run.made.write_text("{}")
    run.config.write_text("seed: 5")
    with pytest.raises(SystemExit):
        haa("train", *words)
    assert run.error.is_file()
    assert not run.made.exists()
    assert not run.config.exists()


@pytest.fixture
def questions(tmp_path: Path, index_cache: Path) -> Path:
    """Ten pictures, each with two questions."""
    root = tmp_path / "pictures"
    (root / "images").mkdir(parents=True)
    rng, lines, splits = np.random.default_rng(0), ["image,question,answer"], ["image,split"]
    for number in range(10):
        pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        lines += [f"{number}.png,{word} is it?,{word}{number % 2}" for word in ("what", "which")]
        splits.append(f"{number}.png,{'train' if number < 6 else 'val' if number < 8 else 'test'}")
    (root / "questions.csv").write_text("\n".join(lines))
    (root / "splits.csv").write_text("\n".join(splits))
    return root


def test_samples_name_the_picture_that_they_share(haa, questions):
    words = ("data=folder", f"data.root={questions}", "trainer=cpu", "epochs=1", "callbacks.pictures=null")
    run = RunFolder(haa("train", "task=vqa", *words, "loader.transform.size=32"))
    table = pq.read_table(run.samples)
    assert table.column_names[:2] == ["id", "stimulus"]
    assert pa.types.is_dictionary(table.schema.field("stimulus").type)
    assert table["id"].to_pylist() == ["8_1", "8_2", "9_1", "9_2"]
    assert table["stimulus"].to_pylist() == ["images/8.png"] * 2 + ["images/9.png"] * 2


def test_samples_name_the_video_of_which_they_are_clips(haa):
    run = RunFolder(haa("train", "task=action", *TINY, "epochs=1", "data.frames=4"))
    assert pq.read_table(run.samples)["stimulus"].to_pylist() == [f"shapes-test-{i // 2:05}" for i in range(8)]


@pytest.mark.parametrize("difference", [0, -0.1, True, "small", float("nan"), float("inf")])
def test_a_smallest_difference_is_positive(difference):
    with pytest.raises(InputError, match=r"difference=.*: give a positive number in units of the metric"):
        check_difference(difference)
    check_difference(None)
    check_difference(0.01)


class Looked(GazeDataset):
    """People, by number, who looked at each stimulus; None where nobody is told apart, an empty list nobody."""

    def __init__(self, people: list[list[int] | None]) -> None:
        self.people = people

    def __len__(self) -> int:
        return len(self.people)

    def gaze(self, index: int) -> Gaze:
        own = self.people[index]
        points = torch.zeros(2 if own is None else len(own), 2)
        return Gaze(points, (4, 4), None if own is None else torch.tensor(own, dtype=torch.long))


@pytest.mark.parametrize(
    ("looked", "expected"),
    [
        ([[1, 1, 2], [5, 6, 7, 7]], [2, 3]),
        ([[1], []], [1, 1]),  # where nobody looked counts for nothing
        ([[]], None),
        ([[1], None], None),
    ],
)
def test_people_who_looked_are_counted(looked, expected):
    assert people(Looked(looked)) == expected
