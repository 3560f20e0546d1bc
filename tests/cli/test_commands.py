"""What each command makes of its words; what it does with them is tested where it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from haa.cli import commands
from haa.errors import InputError


@pytest.fixture
def calls(monkeypatch):
    """Put a recorder in the place of what the commands call."""
    calls = []
    for place in ("judged.judge", "page.write", "table.show", "table.show_answers", "plan.show"):
        monkeypatch.setattr(f"haa.reporting.{place}", lambda *given, **named: calls.append((*given, *named.values())))
    monkeypatch.setattr("haa.reporting.collect.read", lambda folders, **named: f"read of {len(folders)}")
    monkeypatch.setattr("haa.data.care.get.get", lambda *given: calls.append(given))
    monkeypatch.setattr("haa.data.care.check.check", lambda *given: calls.append(given) or True)
    return calls


@pytest.mark.parametrize("line", ["a b metric=cider output=page", "a b --metric cider --output page"])
def test_report(calls, line):
    commands.report(line.split())
    folders = [Path("a"), Path("b")]
    judged = None  # the recorder's answer
    assert calls == [(folders, "read of 2"), ("read of 2", "cider", None), (folders, Path("page"), judged), (judged,)]


@pytest.mark.parametrize("given", ["0", "-1", "much"])
def test_a_difference_that_is_none_is_refused(calls, given):
    with pytest.raises(InputError, match=f"difference={given}"):
        commands.report(["a", f"difference={given}"])
    assert calls == []


def test_report_without_keys(calls):
    commands.report(["a", "b"])
    assert calls[1:3] == [("read of 2", None, None), ([Path("a"), Path("b")], Path("a/report"), None)]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("pilot difference=0.05", (0.05, 0.8, 0.05, None)),
        ("pilot --difference 0.1 power=0.9 alpha=0.01 metric=cider", (0.1, 0.9, 0.01, "cider")),
    ],
)
def test_study_plan(calls, line, values):
    commands.study_plan(line.split())
    assert calls == [([Path("pilot")], *values)]


@pytest.mark.parametrize("line", ["osie root=data", "osie --root data", "--root=data osie"])
def test_data_get(calls, line):
    commands.data(["get", *line.split()])
    assert calls == [("osie", Path("data"))]


@pytest.mark.parametrize(
    ("line", "picture"),
    [
        ("", Path("data-check.png")),
        ("picture=a.png", Path("a.png")),
        ("--picture a.png", Path("a.png")),
        ("picture=null", None),
    ],
)
def test_data_check(calls, line, picture):
    commands.data(["check", "data=shapes", "data.train=4", "alignment=cc", *line.split(), "against", "data=shapes"])
    ((make, against, place),) = calls
    assert place == picture
    assert len(make(split="train")) == 4
    assert len(against(split="train")) > 4


@pytest.mark.parametrize(
    ("command", "line", "message"),
    [
        ("report", "", "no folder is given"),
        ("report", "a --metrc x", "did you mean metric?"),
        ("study_plan", "a", "difference is missing"),
        ("study_plan", "difference=0.1", "no folder is given"),
        ("study_plan", "a difference=big", "difference=big is not a number: give one, e.g. difference=0.05"),
        ("study_plan", "a difference=1 powr=0.8", "did you mean power?"),
        ("data", "get osie", "haa data get osie root=DIR"),
        ("data", "get osie root=a rot=b", "did you mean root?"),
        ("data", "check picture=null", "needs data=NAME"),
        ("data", "chek", "did you mean check?"),
        ("wandb_dashboard", "haa", "ENTITY/PROJECT"),
        ("wandb_dashboard", "", "ENTITY/PROJECT"),
        ("wandb_dashboard", "me/haa task=vqq", "did you mean vqa?"),
        ("wandb_dashboard", "me/haa nam=x", "did you mean name?"),
    ],
)
def test_what_cannot_be_meant_is_refused(command, line, message):
    with pytest.raises(InputError) as error:
        getattr(commands, command)(line.split())
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("report", ["metric", "difference", "output"]),
        ("study_plan", ["difference", "power", "alpha", "metric"]),
        ("data", ["picture", "root", "output", "image", "map", "label"]),
        ("wandb_dashboard", ["task", "attention", "name"]),
    ],
)
def test_help_has_a_sentence_for_every_key(command, keys, capsys):
    getattr(commands, command)(["--help"])
    lines = [line.split("=") for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    sentences = {key.strip(): rest[0].strip() for key, *rest in lines if rest}
    assert list(sentences) == keys
    assert all(sentence.endswith(".") for sentence in sentences.values())
