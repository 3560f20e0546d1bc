"""Names of runs: what is varied, and no two runs under one name."""

from __future__ import annotations

import itertools

import pytest

from haa.study.names import LONGEST, name, names_before


def test_a_folder_is_named_by_what_the_study_varies():
    words = ["task=vqa", "++data.root=/a/b", "condition=human", "align_weight=0.5", "+backbone.name=xy", "seed=3"]
    assert name(words, {"backbone.name", "seed"}) == "backbone.name=xy,condition=human,align_weight=0.5,seed=3"
    assert name(["task=vqa"], set()) == "run"
    assert name(["lr=1e-3", "seed=-1"], {"lr"}) == "lr=1e-3,seed=-1"
    assert name(["backbone.name='xy'"], {"backbone.name"}) == "backbone.name=xy"
    assert name(["backbone.name=café"], {"backbone.name"}) == "backbone.name=café"


VALUES = [
    *("/d/a", "/d_a", "_d_a", "'d a'", "d_a", "[1,2]", "[12]", "1", "'1'", "1_", "true", "'true'", "null", "'null'"),
    *("a,seed=1", "'a,seed=1'", "x=y", "x", "", "''", "é", "e\u0301", "界" * 90, "界" * 91, "a" * 300, "a" * 301),
    *("a" * 189, "a" * 190, "../x", "~", "{a:1}", "a-b", "a\u2215b", "a/b"),
]


def test_two_values_have_two_names_that_a_disk_takes(tmp_path):
    names = {}
    for value in VALUES:
        names.setdefault(name([f"data.root={value}", "seed=1"], {"data.root"}), []).append(value)
    alike = [values for values in names.values() if len(values) > 1]
    assert not alike
    for path in names:
        assert len(path.encode()) <= LONGEST
        (tmp_path / path).mkdir()
    assert len(list(tmp_path.iterdir())) == len(VALUES)


def test_a_value_does_not_pass_for_another_key():
    one = name(["model.a='1,model.b=2'"], {"model.a", "model.b"})
    assert one != name(["model.a=1", "model.b=2"], {"model.a", "model.b"})


def test_a_name_is_the_same_whenever_it_is_made_and_tells_the_runs_of_a_long_study_apart():
    words = [
        [f"model.{'x' * 240}={a}", f"condition={b}", f"seed={c}"] for a, b, c in itertools.product("ab", "cd", "12")
    ]
    swept = {word.split("=")[0] for word in words[0]}
    names = [name(each, swept) for each in words]
    assert len(set(names)) == 8
    assert names == [name(each, swept) for each in words]


@pytest.mark.parametrize(
    ("words", "before"),
    [
        (["backbone.name='x y'", "seed=3"], ["backbone.name=x_y,seed=3"] * 2),
        (["loss=kl"], ["loss=kl", "alignment=kl"]),
    ],
)
def test_names_of_earlier_versions_are_known(words, before):
    assert names_before(words, {word.split("=")[0] for word in words}) == before
