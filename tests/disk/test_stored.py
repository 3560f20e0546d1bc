"""One flipped bit anywhere is an error that names the file; what is whole is read as it was written."""

from __future__ import annotations

import json
import resource
import zlib
from contextlib import contextmanager

import numpy as np
import pytest

from haa.disk.stored import Pieces, Rows, RowWriter, opened, read_json, seal, write_json
from haa.errors import InputError

CONTENT = {"text": 'ä\n"x"', "numbers": [1, -0.1, 1e-300, float("inf"), None, True], "nested": {"a": {}}, "": []}


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "a.json", CONTENT)
    assert read_json(tmp_path / "a.json", "delete it") == CONTENT
    assert json.loads((tmp_path / "a.json").read_text()).keys() == {*CONTENT, "crc32"}


def test_json_with_any_bit_flipped_is_an_error_or_the_same(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, CONTENT)
    whole = path.read_bytes()
    errors = 0
    for at in range(len(whole)):
        for bit in (1, 4, 32, 128):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            try:
                same = read_json(path, "delete it") == CONTENT
            except InputError as error:
                same, errors = str(error).startswith(str(path)) and str(error).endswith(": delete it"), errors + 1
            assert same, (at, bit)
    assert errors > 3 * len(whole)


@pytest.mark.parametrize("content", ["", "null", "[]", "3", "{}", '{"crc32": null}', "[" * 100_000, "\xff"])
def test_what_is_no_such_json(tmp_path, content):
    (tmp_path / "a.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"a\.json .*: delete it$"):
        read_json(tmp_path / "a.json", "delete it")
    with pytest.raises(InputError, match=r"b\.json cannot be read"):
        read_json(tmp_path / "b.json", "delete it")


def written(path, rows):
    with RowWriter(path, len(rows), rows.shape[1:], rows.dtype) as writer:
        writer.append(rows[:1])
        writer.append(rows[1:])


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32"])
@pytest.mark.parametrize("shape", [(3, 2, 2), (4, 5), (1, 1), (2, 0)])
def test_rows_come_back_here_and_in_numpy(tmp_path, dtype, shape):
    rows = np.random.default_rng(0).normal(0, 50, shape).astype(dtype)
    written(tmp_path / "a.npy", rows)
    found = Rows(tmp_path / "a.npy")
    assert (len(found), found.shape, found.dtype) == (shape[0], shape, dtype)
    np.testing.assert_array_equal(np.stack([found[row] for row in range(len(found))]), rows)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), rows)
    found[0][...] = 0  # a copy


def test_no_rows(tmp_path):
    with RowWriter(tmp_path / "a.npy", 0, (3,), np.uint8):
        pass
    assert len(Rows(tmp_path / "a.npy")) == 0


@pytest.mark.parametrize("name", ["a.npy", "a.npy.crc"])
def test_every_flipped_bit_is_an_error_that_names_the_file(tmp_path, name):
    rows = np.arange(12, dtype=np.int16).reshape(3, 4)
    written(tmp_path / "a.npy", rows)
    whole = (tmp_path / name).read_bytes()
    for at in range(len(whole)):
        (tmp_path / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(InputError, match=rf"{name} is damaged.*: delete the folder {tmp_path}, it is made again"):
            _ = [Rows(tmp_path / "a.npy")[row] for row in range(3)]


def test_a_row_is_an_error_where_it_is_read_and_the_others_are_not(tmp_path):
    rows = np.arange(12, dtype=np.uint8).reshape(3, 4)
    written(tmp_path / "a.npy", rows)
    content = bytearray((tmp_path / "a.npy").read_bytes())
    content[-5] ^= 64
    (tmp_path / "a.npy").write_bytes(content)
    found = Rows(tmp_path / "a.npy")
    np.testing.assert_array_equal(found[0], rows[0])
    np.testing.assert_array_equal(found[2], rows[2])
    with pytest.raises(InputError, match="its checksum does not fit"):
        _ = found[1]


def test_rows_are_held_against_their_checksums_once_as_long_as_the_file_is_the_same(tmp_path, monkeypatch):
    rows = np.arange(12, dtype=np.uint8).reshape(3, 4)
    written(tmp_path / "a.npy", rows)
    found, sums = opened(tmp_path / "a.npy"), []
    checksum = zlib.crc32
    monkeypatch.setattr(zlib, "crc32", lambda content: sums.append(len(content)) or checksum(content))
    for _ in range(3):
        assert opened(tmp_path / "a.npy") is found
        np.testing.assert_array_equal(found[1], rows[1])
    assert sums == [4]
    (tmp_path / "a.npy").unlink()
    (tmp_path / "a.npy.crc").unlink()
    written(tmp_path / "a.npy", rows + 1)
    np.testing.assert_array_equal(opened(tmp_path / "a.npy")[1], rows[1] + 1)
    with pytest.raises(InputError, match=r"b\.npy"):
        opened(tmp_path / "b.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.npy.crc"])
def test_every_other_length_is_an_error(tmp_path, name):
    written(tmp_path / "a.npy", np.ones((3, 4)))
    whole = (tmp_path / name).read_bytes()
    for content in (*(whole[:size] for size in range(len(whole))), whole + b"\0"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="delete the folder"):
            Rows(tmp_path / "a.npy")
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match="delete the folder"):
        Rows(tmp_path / "a.npy")


def test_too_few_rows_are_the_writers_mistake(tmp_path):
    with pytest.raises(ValueError, match="1 rows were written, not 2"), RowWriter(tmp_path / "a", 2, (1,), "u1") as to:
        to.append(np.ones((1, 1)))


def test_pieces(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"onetwothree")
    seal(path, [3, 6, 6, 11])
    pieces = Pieces(path)
    assert [bytes(pieces[number]) for number in range(len(pieces))] == [b"one", b"two", b"", b"three"]


@contextmanager
def largest_file(size: int):
    """Refuse files larger than that, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("reserves", [True, False])
def test_a_disk_without_room_is_one_line(tmp_path, monkeypatch, reserves):
    if not reserves:
        monkeypatch.delattr("os.posix_fallocate")
    rows = np.ones((100, 1000), np.uint8)
    with largest_file(50_000), pytest.raises(InputError, match=r"a\.npy cannot be written \(File too large\)"):
        written(tmp_path / "a.npy", rows)
    assert ((tmp_path / "a.npy").stat().st_size < 1000) == reserves  # known before anything is written
    assert not (tmp_path / "a.npy.crc").exists()
