"""Which folders are runs."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reporting.simulated import study_runs, write

from haa.errors import InputError
from haa.reporting.collect import collect, unfinished


@pytest.fixture
def folder(tmp_path):
    runs = study_runs(np.random.default_rng(0), {(0.5, "human"): 0.1}, 2, samples=20)
    return write(runs, tmp_path / "sweep", maps=0)


def test_runs_are_read_once_and_in_the_order_of_their_numbers(folder):
    assert [run.folder.name for run in collect([folder, folder / "1"])] == ["0", "1", "2", "3"]
    (folder / "2").rename(folder / "10")
    assert [run.folder.name for run in collect([folder])] == ["0", "1", "3", "10"]


def test_what_a_run_says(folder):
    run = collect([folder / "2"])[0]
    assert (run.condition, run.role, run.weight, run.seed) == ("human", "treatment", 0.5, 0)
    assert run.samples["accuracy"].mean() == pytest.approx(run.summary["metrics"]["accuracy"])
    assert run.history["val/accuracy"][9] == pytest.approx(run.summary["metrics"]["accuracy"], abs=1e-4)
    assert "loader.batch_size" in run.settings
    assert not {"seed", "align_weight", "output_dir"} & set(run.settings)


@pytest.mark.parametrize(
    ("target", "extra", "condition", "role"),
    [
        ("haa.conditions.Human", {}, "human", "treatment"),
        ("haa.conditions.Shuffled", {"seed": 3}, "shuffled", "control"),
        ("haa.conditions.Random", {"keep_shape": False}, "random keep_shape=False", "control"),
        ("haa.conditions.Random", {}, "random keep_shape=False", "control"),
        ("haa.conditions.Random", {"keep_shape": True}, "random", "control"),
        ("haa.conditions.Center", {}, "center points=500", "control"),
        ("haa.conditions.Inverted", {}, "inverted points=200", "control"),
        ("haa.conditions.Corrupted", {"p": 0.5}, "corrupted p=0.5", "less gaze"),
        ("haa.conditions.Corrupted", {}, "corrupted p=0.5", "less gaze"),
        ("haa.conditions.Subset", {"share": 0.1}, "subset share=0.1", "less gaze"),
        ("haa.conditions.Predicted", {"checkpoint": "a.ckpt", "cache": ".cache"}, "predicted", "treatment"),
        ("mine.Upside", {}, "upside", "control"),
        (
            "haa.conditions.Predicted",
            {"control": {"_target_": "haa.conditions.Shuffled"}},
            "shuffled predicted",
            "control",
        ),
    ],
)
def test_a_run_of_version_0_1_does_not_say_its_part_and_its_condition_is_known_by_name(
    folder, target, extra, condition, role
):
    run = collect([folder / "2"])[0]
    for key in ("role", "label", "higher_is_better"):
        del run.summary[key]
    run.config["condition"] = {"_target_": target, **extra}
    assert (run.condition, run.role) == (condition, role)
    assert [run.higher_is_better(name) for name in ("accuracy", "loss", "attention_kl")] == [True, False, False]


def test_an_oracle_of_version_0_1_says_so_itself(folder):
    run = collect([folder / "0"])[0]
    for key in ("role", "label"):
        del run.summary[key]
    run.summary["oracle"] = True
    run.config["condition"] = {"_target_": "haa.conditions.Oracle"}
    assert (run.condition, run.role, run.weight) == ("oracle (upper bound)", "oracle", 0)


def test_a_config_of_version_0_1_is_read_with_todays_names(folder):
    path = folder / "2" / "config.yaml"
    path.write_text(path.read_text().replace("haa.data.shapes.Shapes", "haa.data.osie.OSIE"))
    assert collect([folder / "2"])[0].settings["data._target_"] == "haa.data.readers.osie.OSIE"


def test_unfinished_runs(folder):
    (folder / "0" / "metrics.json").unlink()
    (folder / "0" / "error.json").write_text('{"error": "a traceback\\nValueError: bad"}')
    (folder / "1" / "metrics.json").unlink()
    assert [(run.folder.name, run.error) for run in unfinished([folder])] == [("0", "ValueError: bad"), ("1", None)]


def test_what_is_no_run_is_named(folder, tmp_path):
    with pytest.raises(InputError, match="nowhere is not a folder"):
        collect([tmp_path / "nowhere"])
    for number in range(4):
        (folder / str(number) / "metrics.json").unlink()
    with pytest.raises(InputError, match="no finished run"):
        collect([folder])


@pytest.mark.parametrize("name", ["metrics.json", "config.yaml", "samples.parquet", "metrics.csv"])
def test_a_name_that_leads_out_of_the_folder_is_not_followed(folder, tmp_path, name):
    mine = (folder / "0" / name).rename(tmp_path / "mine")
    (folder / "0" / name).symlink_to(mine)
    assert [run.folder.name for run in collect([folder])] == ["1", "2", "3"]
    (lost,) = unfinished([folder])
    assert lost.damaged
    assert f"{name} is a link to {mine}: put the file itself there" in lost.error


def test_a_link_within_the_folder_is_followed(folder):
    path = folder / "0" / "metrics.json"
    path.rename(path.with_name("kept.json"))
    path.symlink_to("kept.json")
    assert len(collect([folder])) == 4
