"""JSON that is no JSON, nested without end, or of other kinds than its publisher's is refused in one line."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from haa.data.files import json_file
from haa.data.files.json_file import by_number, field, read_items, read_json
from haa.errors import InputError

CONTENT = {"info": {"a": [1, {"b": "]"}]}, "images": [{"id": 1}, 12, "x,]}", None, -1.5e3], "n": 3, "annotations": []}


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "a.json"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.mark.parametrize("indent", [None, 3])
@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
def test_items_are_those_of_the_whole(written, monkeypatch, indent, chunk):
    path = written(json.dumps(CONTENT, indent=indent))
    read = json_file._Scanner._more

    class Slow:
        def __init__(self, file):
            self.file = file

        def read(self, size):
            return self.file.read(chunk)

    def more(scanner):
        if not isinstance(scanner._file, Slow):
            scanner._file = Slow(scanner._file)
        return read(scanner)

    monkeypatch.setattr(json_file._Scanner, "_more", more)
    assert list(read_items(path, "images")) == CONTENT["images"]
    assert list(read_items(path, "annotations")) == []
    with pytest.raises(InputError, match="has no 'nothing'"):
        list(read_items(path, "nothing"))
    with pytest.raises(InputError, match="has no 'n'"):  # it is no array
        list(read_items(path, "n"))


@pytest.mark.parametrize(
    "text",
    ["", "[", "{", '{"images"', '{"images": [1', '{"images": [1,]}', '{"images": [1}]', '{"images": [1]} 2', "[1]",
     '{"images": [' + "[" * 20_000 + "]" * 20_000 + "]}", b'{"images": ["\xff"]}', '{"images": [' + "9" * 5000 + "]}",
     '{"a": tru, "images": []}', "\0" * 100],
)  # fmt: skip
def test_what_is_no_json(written, text):
    path = written(text)
    tracemalloc.start()
    for read in (lambda: list(read_items(path, "images")), lambda: read_json(path, keys=["images"])):
        with pytest.raises(InputError, match=r"a\.json (is no JSON file|has no 'images')") as error:
            read()
        assert "\n" not in str(error.value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


@pytest.mark.parametrize(
    "text", ['{"images": [], "images": [1]}', '{"images": [{"id": 1, "id": 2}]}', '{[1]: 2, "images": []}']
)
def test_a_key_is_a_text_and_there_once(written, text):
    for read in (read_json, lambda path: list(read_items(path, "images"))):
        with pytest.raises(InputError, match=r"a\.json is no JSON file \(.*(a key twice|no text|property name).*\)"):
            read(written(text))


def test_an_element_without_end(written, monkeypatch):
    monkeypatch.setattr(json_file, "ELEMENT", 1 << 21)
    path = written('{"images": ["' + "a" * (1 << 23) + '"]}')
    with pytest.raises(InputError, match="an element has more than 2097152 characters"):
        list(read_items(path, "images"))


def test_a_file_that_is_too_large(written, monkeypatch):
    monkeypatch.setattr(json_file, "BYTES", 3)
    with pytest.raises(InputError, match=r"a\.json has more than 0 GiB"):
        read_json(written("[1, 2]"))


@pytest.mark.parametrize(
    ("record", "kind", "said"),
    [
        ({}, int, "has no 'k'"),
        ([], str, "has no 'k'"),
        (None, list, "has no 'k'"),
        ({"k": None}, str, "'k' is None, not a text"),
        ({"k": "1"}, int, "'k' is '1', not a whole number"),
        ({"k": True}, int, "'k' is True, not a whole number"),
        ({"k": 1.0}, int, "'k' is 1.0, not a whole number"),
        ({"k": -1}, int, "'k' is -1, not a whole number from 0"),
        ({"k": "ab"}, list, "'k' is 'ab', not a list"),
    ],
)
def test_fields_are_of_their_kind(tmp_path, record, kind, said):
    with pytest.raises(InputError, match=rf"a\.json: .*{said}"):
        field(record, "k", kind, tmp_path / "a.json")


def test_two_records_of_one_number(tmp_path):
    with pytest.raises(InputError, match=r"a\.json has two records whose 'id' is 4"):
        by_number([{"id": 4}, {"id": 5}, {"id": 4}], "id", tmp_path / "a.json")
