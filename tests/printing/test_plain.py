"""Texts from elsewhere act on nothing: no terminal, no spreadsheet."""

from __future__ import annotations

import csv
import io
import pickle

import pytest
from rich.table import Table

from haa.errors import InputError
from haa.printing.console import Console
from haa.printing.plain import cell, plain, short

TEXTS = ["", "accuracy", "$5 and $6_^\\", "two\nlines\tand a tab", "שלום", "😀 ü", "[bold]x[/]"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_stays_as_it_is(text):
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\x00\x07\x7f", r"a\rb\x00\x07\x7f"),
        ("a\u202eb\u2066", r"a\u202eb\u2066"),
        ("\udc80", r"\udc80"),
    ],
)
def test_what_acts_is_written_out(text, shown):
    assert plain(text) == shown
    plain(text).encode()


def test_a_long_text_is_cut():
    assert short("a" * 10, 10) == "a" * 10
    assert short("a" * 1_000_000, 10) == "a" * 9 + "…"
    assert len(short("\x00" * 100, 10)) == 10


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1+1", "@A1", "\t=1", "\n=1", "\r=1", " =1", "a;=1", "a\t@b", "＝1", '=HYPERLINK("http://x")', "-"],
)
def test_no_cell_is_a_formula_wherever_a_spreadsheet_splits(text):
    for separator in ",;\t|":
        file = io.StringIO()
        csv.writer(file).writerow(["first", cell(text)])
        for row in csv.reader(io.StringIO(file.getvalue()), delimiter=separator):
            assert not [part for part in row if part.strip(' "').startswith(tuple("=+-@\t\r＝"))]


@pytest.mark.parametrize("value", [-0.5, 3, None, "accuracy", "a-b", "weight 0.5", "x=1, y=-2", "vqa on shapes, lr=-1"])
def test_other_cells_stay_as_they_are(value):
    assert cell(value) == value


def test_the_console_shows_a_text_as_it_is():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system="truecolor")
    texts = ["[bold]x[/y]", "[link=http://x]y[/link]", ":smile:", "[/]"]
    table = Table("[red]head", title="[b]title")
    for text in [*texts, "\x1b]0;t\x07"]:
        console.print(text)
        table.add_row(text)
    console.print(table)
    for text in [*texts, r"\x1b]0;t\x07"]:
        assert out.getvalue().count(text) == 2
    assert "[red]head" in out.getvalue()
    assert "[b]title" in out.getvalue()
    assert "\x07" not in out.getvalue()
    assert "\x1b]" not in out.getvalue()


def test_an_error_is_one_line_that_does_nothing_to_a_terminal():
    error = InputError("a\nb\x1b[2J\udc80 is missing")
    assert str(error) == r"a\nb\x1b[2J\udc80 is missing"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
