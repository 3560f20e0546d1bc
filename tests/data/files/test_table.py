"""A table that is no table, and numbers that are none, are refused with the line named."""

from __future__ import annotations

import pytest

from haa.data.files.table import number, one_value, read_table
from haa.errors import InputError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"image,x\n" + b"a" * 200_000 + b",1\n", r"a\.csv is no csv file \(Error: field larger"),
        (b"image,x\n\xff,1\n", r"a\.csv is no text in UTF-8"),
        (b"image,x,x\na,1,2\n", r"a\.csv has two columns 'x'"),
        (b"image,x\na\n", r"a\.csv, line 2 has not the 2 fields"),
        (b"image\na\n", r"a\.csv has no column 'x'"),
    ],
)
def test_what_is_no_table(tmp_path, content, said):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(read_table(tmp_path / "a.csv", ["image", "x"]))


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match="is no csv file"):
        list(read_table(tmp_path, ["image"]))


@pytest.mark.parametrize("text", ["", "a", "nan", "inf", "-Infinity", "1e999", "1_0", "9" * 5000])
def test_what_is_no_number(text):
    with pytest.raises(InputError, match=r"here: x=.* is no number") as error:
        number({"x": text}, "x", "here")
    assert len(str(error.value)) < 200


def test_numbers():
    assert number({"x": " -1.5e2"}, "x", "here") == -150


def test_a_repeated_value_may_not_change():
    values = {}
    one_value(values, "a", "cat", "line 2")
    one_value(values, "a", "cat", "line 3")
    with pytest.raises(InputError, match="line 4: a is 'dog', and 'cat' in line 2"):
        one_value(values, "a", "dog", "line 4")
