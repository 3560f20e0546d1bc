"""Paths of any legal name, on every command line: what Hydra's own parser makes of the words is the path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from haa.cli import main as cli
from haa.cli.commands import report
from haa.cli.paths import taken_literally
from haa.cli.resume import resumed
from haa.cli.words import parse
from haa.errors import InputError
from haa.run_folder import quoted, unquoted

NAMES = [
    *("Дом", "my data (1)", "it's", "a=b", "a,b", "[x]", "{a:1}", "x}", '"q"', "'q'", "$HOME", "$5 50% #1", "a;b&c|d"),
    *(
        "007",
        "1e3",
        "null",
        "true",
        "range(3)",
        "glob(*)",
        "a\nb",
        "tab\there",
        "back\\slash",
        "end\\",
        "x\\'y",
        " lead",
    ),
    *("trail ", "~", "~x", "-m", "@here", "a:b", "\u00a0nbsp", "日本", "cafe\u0301", "?", "!", "*", "a\\,b", "'it's'"),
]
STUDIES = "condition=human,align_weight=0.5,seed=1"


def said(word: str) -> object:
    """What Hydra takes the value of a word for."""
    return OverridesParser.create().parse_override(word).value()


@pytest.mark.parametrize("name", [*NAMES, STUDIES])
def test_a_path_that_is_there_is_meant(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = tmp_path / "at" / name
    place.mkdir(parents=True)
    for key in ("data.root", "checkpoint", "resume", "images", "condition.checkpoint", "++data.salicon", "data.cache"):
        (word,) = taken_literally([f"{key}={place}"])
        assert said(word) == str(place)
        assert taken_literally([word]) == [word]
    if name != "~":  # which is the home of whoever asks
        Path(name).mkdir()
        assert said(taken_literally([f"data.root={name}"])[0]) == name


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("null", "'q'", '"q"')])
@pytest.mark.parametrize("key", ["output_dir", "output", "study", "hydra.run.dir", "data.cache"])
def test_a_path_that_is_to_be_written_is_meant(name, key):
    assert said(taken_literally([f"{key}={name}"])[0]) == name


def test_names_of_tables_are_looked_for_below_the_root(tmp_path):
    (tmp_path / "eyes, left=1.csv").touch()
    words = taken_literally(["data=folder", f"data.root={tmp_path}", "data.fixations=eyes, left=1.csv"])
    assert said(words[2]) == "eyes, left=1.csv"
    assert words[:2] == ["data=folder", f"data.root={tmp_path}"]


@pytest.mark.parametrize(
    "word",
    [
        *(
            "seed=0,1,2",
            "-m",
            "--multirun",
            "data.root=/a,/b",
            "align_weight=choice(0,1)",
            "model.sizes=[1,2]",
            "~data",
        ),
        *(
            "data.root='/my data'",
            "resume=null",
            "data.maps=null",
            "checkpoint=${oc.env:X}",
            "loss={kl:1}",
            "seed=range(5",
        ),
        *("data.root=my\\ data", "data.root=/plain/path-1.0_x", "output_dir=${hydra:runtime.cwd}/a", "trainer=cpu"),
        *("study='a','b'", "+trainer.limit_train_batches=1", "--config-dir=a b"),
    ],
)
def test_what_is_no_path_stays(word):
    if word == "study='a','b'":
        assert said(taken_literally([word])[0]) == "'a','b'"
    else:
        assert taken_literally([word]) == [word]


def test_a_question_is_a_text():
    assert said(taken_literally(["question=what's red, or blue?"])[0]) == "what's red, or blue?"


def test_what_no_config_can_name_is_refused(tmp_path):
    (tmp_path / "${x}").mkdir()
    with pytest.raises(InputError, match="begins a reference to another key in every config: rename the path"):
        taken_literally([f"data.root={tmp_path}/${{x}}"])


@pytest.mark.parametrize("name", NAMES)
def test_quotes_come_off_as_they_went_on(name):
    assert unquoted(quoted(name)) == name == said(f"k={quoted(name)}")


@pytest.mark.parametrize("name", NAMES)
def test_a_run_in_any_folder_is_taken_up_with_its_paths(name, tmp_path):
    run = tmp_path / name / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").touch()
    (run / "config.yaml").touch()
    (run / ".hydra").mkdir()
    kept = [*taken_literally([f"data.root={tmp_path / name}"]), "seed=1"]
    (run / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(kept, allow_unicode=True))
    *first, resume, place, mode = resumed(taken_literally([f"resume={run}"]))
    assert first == kept
    assert said(resume) == str(run / "checkpoints" / "last.ckpt")
    assert said(place) == str(run)
    assert mode == "hydra.mode=RUN"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "-m"])
def test_folders_of_a_report(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    words = [name, f"{tmp_path}/{name}", f"output={name}/page"]
    assert parse("report", words, {"output": ""}) == (words[:2], {"output": f"{name}/page"})
    with pytest.raises(InputError, match=r"no finished run|holds no run|no run"):
        report([f"./{name}"])


@pytest.mark.parametrize("name", ['it\'s (1), a=b [x] {y} $5 50% #é "q"\\', "007"])
def test_a_data_set_is_checked_in_any_folder(name, tmp_path, index_cache, capsys):
    for number in range(10):
        path = tmp_path / name / "images" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    picture = tmp_path / f"{name}.png"
    cli.main(["data", "check", "data=folder", f"data.root={tmp_path / name}", f"picture={picture}"])
    assert "no faults found" in capsys.readouterr().out
    assert picture.is_file()


@pytest.mark.slow
def test_a_run_in_any_folder(haa, tmp_path, index_cache, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = 'it\'s (1), a=b [x] {y} $5 50% #é "q"\\ \n z '
    root, run = tmp_path / name, tmp_path / f"run {name}" / "1"
    (root / "images").mkdir(parents=True)
    rows = ["image,x,y"]
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        rows += [f"{number},{3 + k},{9 * k}" for k in range(3)]
    (root / "eyes, left.csv").write_text("\n".join(rows) + "\n")
    words = ["task=saliency", "data=folder", f"data.root={root}", "data.fixations=eyes, left.csv", "trainer=cpu"]
    words += ["loader.transform.size=32", "epochs=1", "callbacks.progress=null", "callbacks.pictures=null"]
    cli.main(["train", *words, f"output_dir={run}"])
    assert (run / "metrics.json").is_file()
    (run / "metrics.json").unlink()
    haa("train", f"resume={run}")
    assert (run / "metrics.json").is_file()
    cli.main(
        ["predict", f"checkpoint={run}/checkpoints/best.ckpt", f"images={root}/images", f"output={tmp_path}/{name}p"]
    )
    assert len(list((tmp_path / f"{name}p" / "saliency").glob("*.png"))) == 20
