from __future__ import annotations

import pytest

from haa.cli.words import parse, split
from haa.errors import InputError

KEYS = {"metric": "", "output": ""}


@pytest.mark.parametrize(
    "line",
    [
        "runs/a metric=cider output=page runs/b",
        "runs/a --metric cider --output page runs/b",
        "--metric=cider runs/a runs/b --output=page",
        "metric=bleu runs/a --metric cider runs/b output=page",
    ],
)
def test_dashed_forms_say_the_same(line):
    assert parse("report", line.split(), KEYS) == (["runs/a", "runs/b"], {"metric": "cider", "output": "page"})


def test_a_value_may_hold_an_equals_sign():
    assert split(["output=runs/seed=1"], KEYS) == ([], {"output": "runs/seed=1"})


def test_a_path_that_exists_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("align_weight=0.5,seed=1", "metric=cider"):
        (tmp_path / name).mkdir()
    words = ["align_weight=0.5,seed=1", "metric=cider", "studies/a/seed=1"]
    assert parse("report", words, KEYS) == (words, {})
    assert parse("report", ["metric=bleu"], KEYS) == ([], {"metric": "bleu"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("runs metrc=cider", "report has no key metrc, nor is there a folder metrc=cider: did you mean metric?"),
        ("runs --outptu page", "report has no key outptu: did you mean output? There are: metric, output"),
        ("runs -o page", "report has no key o: "),
        ("align_weight=0.5,seed=1", "report has no key align_weight, nor is there a folder align_weight=0.5,seed=1"),
        ("runs --metric", "metric has no value: give metric=..."),
        ("runs metric=", "metric has no value"),
        ("runs --metric --output page", "metric has no value"),
    ],
)
def test_what_cannot_be_meant_is_refused(line, message):
    with pytest.raises(InputError) as error:
        parse("report", line.split(), KEYS)
    assert message in str(error.value)
