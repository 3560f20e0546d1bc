from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import haa
from haa.cli.overrides import keys
from haa.errors import InputError
from haa.interface.words import command_words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"align_weight": 0.5}, ["align_weight=0.5"]),
        ({"loader": {"batch_size": 8, "transform": {"size": 64}}}, ["loader.batch_size=8", "loader.transform.size=64"]),
        ({"loader.batch_size": 8}, ["loader.batch_size=8"]),
        ({"loader__batch_size": 8}, ["loader.batch_size=8"]),
        (
            {"cache": None, "test": False, "backbone__frozen": True},
            ["cache=null", "test=false", "backbone.frozen=true"],
        ),
        ({"lr": np.float32(0.25), "seed": np.int64(3)}, ["lr=0.25", "seed=3"]),
        ({"condition": "human"}, ["condition=human"]),
        ({"study": "a,b (1)"}, ["study='a,b (1)'"]),
        ({"task": "a b"}, ["task='a b'"]),
        ({"align_weight": "0.5"}, ["align_weight=0.5"]),
        ({"data__root": Path("/a b/c=1,2")}, ["data.root='/a b/c=1,2'"]),
        ({"trust": ["my_package", "other"]}, ["trust=[my_package,other]"]),
        ({"lora": {"targets": ["q_proj"]}}, ["lora.targets=[q_proj]"]),
        ({"output_dir": "${oc.env:HOME}/a"}, ["output_dir=${oc.env:HOME}/a"]),
    ],
)
def test_a_value_is_the_word_of_the_command_line(words, expected):
    assert command_words(words) == (expected, False)


def test_lists_are_swept_over_and_tuples_are_lists():
    words, sweeps = command_words({"seed": range(2), "condition": ["human", "a,b"], "x": (1, "b")})
    assert (words, sweeps) == (["seed=0,1", "condition=human,'a,b'", "x=[1,b]"], True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"seed": []}, "seed=[] is an empty list"),
        ({"seed": object()}, "a config holds texts, numbers"),
        ({"loader": {1: 2}}, "loader.1 is no key"),
        ({"loader__batch_size": 8, "loader": {"batch_size": 4}}, "loader.batch_size is given twice"),
    ],
)
def test_what_no_config_can_hold_is_refused(words, message):
    with pytest.raises(InputError) as error:
        command_words(words)
    assert message in str(error.value)


def test_a_notebook_completes_every_key_of_the_command():
    names = set(inspect.signature(haa.train).parameters)
    assert {*keys("train"), "progress"} <= names
    assert {*keys("evaluate"), "checkpoint"} <= set(inspect.signature(haa.evaluate).parameters)


def test_names_are_known_to_a_notebook_and_to_type_checkers():
    stub = (Path(haa.__file__).parent / "__init__.pyi").read_text()
    for name, place in haa._PLACES.items():
        assert name in dir(haa)
        assert f"from {place} import {name} as {name}\n" in stub
        assert getattr(haa, name).__doc__
    assert stub.count(" import ") == len(haa._PLACES)


def test_an_editor_completes_them():
    jedi = pytest.importorskip("jedi")
    completed = {each.name for each in jedi.Script("import haa\nhaa.").complete(2, 4)}
    assert {"train", "evaluate", "report", "align", "measure", "Run", "Study"} <= completed
    keywords = {each.name for each in jedi.Script("import haa\nhaa.train(align_").complete(2, 16)}
    assert "align_weight=" in keywords
